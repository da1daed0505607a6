"""The API over a database with many restore jobs, for the measurement of one page of them."""

import secrets
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
from sqlalchemy import Connection
from starlette.types import ASGIApp

from telamon.api.asgi import Options, create_app
from telamon.api.call import Services
from telamon.blobs.memory import MemoryBlobStore
from telamon.clock import system_clock
from telamon.ids import new_id
from telamon.jobs.queue import JobQueue, migrate
from telamon.model.instance import Instance, InstanceKind, InstanceState, Provider
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.operations.access import Access
from telamon.operations.administration import administration
from telamon.operations.credentials import Credentials
from telamon.operations.download_files import DownloadFiles
from telamon.operations.instances import Instances
from telamon.operations.restore_jobs import RestoreJobs
from telamon.operations.snapshots import Snapshots
from telamon.repository.repository import Repository
from telamon.state import instances, restore_jobs
from telamon.state.database import Database
from telamon.state.sealing import Sealer

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def app_with_jobs(folder: Path, jobs: int) -> tuple[ASGIApp, httpx.DigestAuth, str]:
    """The application, a key that may read the page, and the page's path."""
    db = Database.sqlite(folder / "telamon.db")
    db.migrate()
    migrate(db.engine)
    sealer = Sealer(secrets.token_bytes(32))
    access = Access(db, sealer, clock=system_clock, new_id=new_id)
    beginning = access.initialize("bench", "bench")
    instance = _instance(beginning.project.id)
    db.transact(lambda tx: _insert(tx, instance, jobs))
    queue = JobQueue(db.engine)
    services = Services(
        access=access,
        administration=administration(db, access, clock=system_clock, new_id=new_id),
        instances=Instances(
            db, queue, Credentials(sealer), mongod=None, clock=system_clock, new_id=new_id
        ),
        snapshots=Snapshots(db, queue, clock=system_clock, new_id=new_id),
        restore_jobs=RestoreJobs(db, queue, clock=system_clock, new_id=new_id),
        download_files=DownloadFiles(
            db,
            Repository.create(MemoryBlobStore(), secrets.token_bytes),
            link_key=sealer.derive("download links"),
            clock=system_clock,
        ),
    )
    app = create_app(
        services, Options(), nonce_secret=sealer.derive("digest nonces"), clock=system_clock
    )
    key = beginning.api_key
    path = f"/api/atlas/v1.0/groups/{instance.group_id}/serverless/bench/backup/restoreJobs"
    return app, httpx.DigestAuth(key.key.public_key, key.private_key), path


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


def _insert(tx: Connection, instance: Instance, jobs: int) -> None:
    instances.insert(tx, instance, sealed_credentials=b"")
    job = RestoreJob(
        id="",
        group_id=instance.group_id,
        instance_id=instance.id,
        sequence=0,
        delivery_type=DeliveryType.AUTOMATED,
        snapshot_id=new_id(NOW),
        snapshot_taken_at=NOW,
        target_group_id=instance.group_id,
        target_instance_id=instance.id,
        target_cluster_name=instance.name,
        target_deployment_item_name=instance.deployment_item_name,
        created_at=NOW,
        expires_at=NOW,
        finished_at=None,
        stage=RestoreStage.QUEUED,
        cancelled=False,
        failure=None,
        documents=0,
        documents_total=1,
        size_bytes=0,
        size_bytes_total=1,
    )
    for _ in range(jobs):
        number = instances.next_restore_job(tx, instance.id)
        made = replace(job, id=new_id(NOW), sequence=number)
        restore_jobs.insert(tx, made)
        restore_jobs.finish(tx, made.id, at=NOW)
