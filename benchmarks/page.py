"""The API over a database with many restore jobs, for the measurement of one page of them."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection
from starlette.types import ASGIApp

from telamon.api.asgi import Options, create_app
from telamon.api.call import Services
from telamon.blobs.memory import MemoryBlobStore
from telamon.clock import system_clock
from telamon.ids import new_id
from telamon.jobs.queue import JobQueue, migrate
from telamon.model.instance import Instance, InstanceKind, InstanceState, Provider
from telamon.model.restore_job import DeliveryType, RestoreStage
from telamon.operations.access import Access
from telamon.operations.administration import administration
from telamon.operations.continuous_backup import ContinuousBackup
from telamon.operations.credentials import Credentials
from telamon.operations.download_files import DownloadFiles
from telamon.operations.drill_signing import PURPOSE, DrillKey
from telamon.operations.drills import Drills
from telamon.operations.instances import Instances
from telamon.operations.metrics import Metrics
from telamon.operations.repository_jobs import RepositoryJobs
from telamon.operations.restore_jobs import RestoreJobs
from telamon.operations.snapshots import Snapshots
from telamon.repository.repository import Repository
from telamon.state import instances
from telamon.state.database import Database
from telamon.state.moments import to_seconds
from telamon.state.sealing import Sealer
from telamon.state.tables import instance, restore_job

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_YEAR_SECONDS = 365 * 86_400
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsApp:
    """The application, a key that may read the list, and the list's path."""

    app: ASGIApp
    public_key: str
    private_key: str
    path: str


def app_with_jobs(db: Database, jobs: int) -> JobsApp:
    """On an empty database, in which one instance gets so many finished restore jobs."""
    db.migrate()
    migrate(db.engine)
    sealer = Sealer(secrets.token_bytes(32))
    access = Access(db, sealer, clock=system_clock, new_id=new_id)
    beginning = access.initialize("bench", "bench")
    made = _instance(beginning.project.id)
    db.transact(lambda tx: instances.insert(tx, made, sealed_credentials=b""))
    db.transact(lambda tx: insert_jobs(tx, made, jobs))
    queue = JobQueue(db.engine)
    services = Services(
        access=access,
        administration=administration(db, access, clock=system_clock, new_id=new_id),
        instances=Instances(
            db, queue, Credentials(sealer), mongod=None, clock=system_clock, new_id=new_id
        ),
        snapshots=Snapshots(db, queue, clock=system_clock, new_id=new_id),
        continuous_backup=ContinuousBackup(db, clock=system_clock),
        restore_jobs=RestoreJobs(db, queue, clock=system_clock, new_id=new_id),
        download_files=DownloadFiles(
            db,
            Repository.create(MemoryBlobStore(), secrets.token_bytes),
            link_key=sealer.derive("download links"),
            clock=system_clock,
        ),
        drills=Drills(
            db,
            queue,
            public_key=DrillKey(sealer.derive(PURPOSE)).public,
            clock=system_clock,
            new_id=new_id,
        ),
        metrics=Metrics(db, clock=system_clock, schedules=True),
        repository_jobs=RepositoryJobs(db, queue, clock=system_clock, new_id=new_id),
    )
    app = create_app(
        services, Options(), nonce_secret=sealer.derive("digest nonces"), clock=system_clock
    )
    key = beginning.api_key
    return JobsApp(
        app=app,
        public_key=key.key.public_key,
        private_key=key.private_key,
        path=f"/api/atlas/v1.0/groups/{made.group_id}/serverless/bench/backup/restoreJobs",
    )


def _instance(group_id: str) -> Instance:
    return Instance(
        id=new_id(NOW),
        group_id=group_id,
        kind=InstanceKind.SERVERLESS,
        name="bench",
        state=InstanceState.IDLE,
        created_at=NOW,
        managed=False,
        address=None,
        port=None,
        mongodb_version="6.0.5",
        deployment_item_name="atlas-bench0",
        provider=Provider(backing_provider_name="AWS", region_name="US_EAST_1"),
        tags=(),
        termination_protection=False,
    )


def insert_jobs(tx: Connection, made: Instance, jobs: int) -> None:
    """So many that have ended, of an instance that has none."""
    tx.execute(instance.update().where(instance.c.id == made.id).values(last_restore_job=jobs))
    now = to_seconds(NOW)
    row = {
        "instance_id": made.id,
        "delivery_type": DeliveryType.AUTOMATED.value,
        "snapshot_id": new_id(NOW),
        "snapshot_taken_at": now,
        "snapshot_finished_at": now,
        "target_group_id": made.group_id,
        "target_instance_id": made.id,
        "target_cluster_name": made.name,
        "target_deployment_item_name": made.deployment_item_name,
        "created_at": now,
        "expires_at": now + _YEAR_SECONDS,
        "finished_at": now,
        "stage": RestoreStage.FINISHED.value,
    }
    for first in range(1, jobs + 1, _ROWS_AT_ONCE):
        numbers = range(first, min(first + _ROWS_AT_ONCE, jobs + 1))
        tx.execute(
            restore_job.insert(),
            [{**row, "id": f"{number:024x}", "sequence": number} for number in numbers],
        )
