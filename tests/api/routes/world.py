"""A whole Telamon without its worker: the application over a database file, and who calls it.

Rows are brought into the states that a worker would leave them in by the functions that the
worker itself uses.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from starlette.types import ASGIApp

from telamon.api.asgi import Options, create_app
from telamon.api.call import Services
from telamon.jobs.queue import JobQueue
from telamon.model.access import (
    NewApiKey,
    Organization,
    Project,
    Role,
    RoleAssignment,
    ServiceAccount,
)
from telamon.model.instance import Instance, InstanceKind, InstanceState, Provider
from telamon.model.network import NetworkPermission
from telamon.model.service_account import NewServiceAccount, client_id_of
from telamon.operations.access import Access
from telamon.operations.administration import administration
from telamon.operations.continuous_backup import ContinuousBackup
from telamon.operations.credentials import Credentials
from telamon.operations.download_files import DownloadFiles
from telamon.operations.drill_signing import DrillKey
from telamon.operations.drills import Drills
from telamon.operations.instances import Instances
from telamon.operations.metrics import Metrics
from telamon.operations.repository_jobs import RepositoryJobs
from telamon.operations.restore_jobs import RestoreJobs
from telamon.operations.service_accounts import insert_secret, new_secret
from telamon.operations.snapshots import Snapshots
from telamon.state import access as access_rows
from telamon.state import api_keys as key_rows
from telamon.state import instances as instance_rows
from telamon.state import network_permissions as permission_rows
from telamon.state import service_accounts as account_rows
from telamon.state.database import Database
from telamon.state.sealing import Sealer
from tests.repository.samples import new_repository

V1 = "/api/atlas/v1.0"
V2 = "/api/atlas/v2"
OWN = "/api/telamon/v1"
V2_TYPE = "application/vnd.atlas.2023-01-01+json"

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
MASTER_KEY = b"a master key of thirty-two bytes"
NONCE_SECRET = b"a nonce secret of this process.."
LINK_KEY = b"a key that signs download links."
DRILL_KEY = DrillKey(b"a key that signs drills' reports")

ORG = "65a000000000000000000001"
GROUP = "65a000000000000000000002"
OTHER_GROUP = "65a000000000000000000003"  # of the same organization
FOREIGN_ORG = "65b000000000000000000001"
FOREIGN_GROUP = "65b000000000000000000002"
MISSING_GROUP = "65f00000000000000000000f"
MISSING_ID = "65f0000000000000000000aa"

INSTANCE_ID = "65a0000000000000000000a1"
OTHER_INSTANCE_ID = "65a0000000000000000000a2"
SNAPSHOT_ID = "65a0000000000000000000b1"

LOOPBACK = ("127.0.0.1/32", "::1/128")
OWNER_OF_ALL = (RoleAssignment(role=Role.ORG_OWNER),)
OWNER_OF_GROUP = (RoleAssignment(role=Role.GROUP_OWNER, group_id=GROUP),)
READER_OF_GROUP = (RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=GROUP),)


@dataclass
class AdjustableClock:
    """Stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class CountingIds:
    """Ids that differ in a number counted from 1."""

    made: int = 0

    def __call__(self, at: datetime) -> str:
        self.made += 1
        return f"{int(at.timestamp()):08x}{self.made:016x}"


@contextmanager
def copied(template: Path, reused_file: tuple[Database, Path]) -> Iterator["World"]:
    """A world that begins as a copy of the file ``template``, whose last id was the first."""
    db, path = reused_file
    for old in path.parent.iterdir():
        old.unlink()
    shutil.copyfile(template, path)
    with closing(World(db, path, new_id=CountingIds(made=1))) as world:
        yield world


@dataclass
class World:
    """``path`` is the file of ``db``, which has its tables."""

    db: Database
    path: Path
    clock: AdjustableClock = field(default_factory=AdjustableClock)
    new_id: CountingIds = field(default_factory=CountingIds)

    def __post_init__(self) -> None:
        self.sealer = Sealer(MASTER_KEY)
        self.queue = JobQueue(self.db.engine)
        self.credentials = Credentials(self.sealer)
        self.repository = new_repository()
        self.access = Access(self.db, self.sealer, clock=self.clock, new_id=self.new_id)

    def close(self) -> None:
        self.queue.close()
        self.db.close()

    def services(self, *, mongod: Path | None = Path("/usr/bin/mongod")) -> Services:
        db, queue, clock, new_id = self.db, self.queue, self.clock, self.new_id
        return Services(
            access=self.access,
            administration=administration(db, self.access, clock=clock, new_id=new_id),
            instances=Instances(
                db, queue, self.credentials, mongod=mongod, clock=clock, new_id=new_id
            ),
            snapshots=Snapshots(db, queue, clock=clock, new_id=new_id),
            continuous_backup=ContinuousBackup(db, clock=clock),
            restore_jobs=RestoreJobs(db, queue, clock=clock, new_id=new_id),
            download_files=DownloadFiles(db, self.repository, link_key=LINK_KEY, clock=clock),
            drills=Drills(db, queue, public_key=DRILL_KEY.public, clock=clock, new_id=new_id),
            metrics=Metrics(db, clock=clock, schedules=True),
            repository_jobs=RepositoryJobs(db, queue, clock=clock, new_id=new_id),
        )

    def app(self, options: Options | None = None, *, services: Services | None = None) -> ASGIApp:
        """Another process, as far as its state is concerned, that answers for the same database."""
        return create_app(
            services or self.services(),
            options or Options(),
            nonce_secret=NONCE_SECRET,
            clock=self.clock,
        )

    def client(
        self,
        key: NewApiKey | None = None,
        *,
        app: ASGIApp | None = None,
        address: str = "127.0.0.1",
    ) -> httpx.AsyncClient:
        """A client that signs with ``key`` and calls from ``address``."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(
                app or self.app(), raise_app_exceptions=False, client=(address, 40_000)
            ),
            base_url="http://telamon.test",
            auth=httpx.DigestAuth(key.key.public_key, key.private_key) if key else None,
            headers={"Accept": V2_TYPE},
        )

    def with_options(self, key: NewApiKey, options: Options) -> httpx.AsyncClient:
        """A client of an application that was started with other settings."""
        return self.client(key, app=self.app(options))

    def add_organization(
        self, org_id: str = ORG, *, groups: Sequence[str] = (GROUP,), requires_list: bool = True
    ) -> Organization:
        organization = Organization(
            id=org_id,
            name=f"organization {org_id}",
            created_at=self.clock(),
            requires_access_list=requires_list,
        )
        self.db.transact(lambda tx: access_rows.insert_organization(tx, organization))
        self.add_projects(*groups, org_id=org_id)
        return organization

    def add_projects(self, *group_ids: str, org_id: str = ORG) -> None:
        projects = [
            Project(id=each, org_id=org_id, name=f"project {each}", created_at=self.clock())
            for each in group_ids
        ]

        def work(tx: sa.Connection) -> None:
            for project in projects:
                access_rows.insert_project(tx, project)

        self.db.transact(work)

    def add_key(
        self,
        organization: Organization,
        roles: Sequence[RoleAssignment] = OWNER_OF_ALL,
        *,
        access_list: Sequence[str] = LOOPBACK,
    ) -> NewApiKey:
        return self.access.create_key(
            organization, description="of a test", roles=roles, access_list=access_list
        )

    def add_service_account(
        self,
        organization: Organization,
        roles: Sequence[RoleAssignment] = OWNER_OF_ALL,
        *,
        access_list: Sequence[str] = LOOPBACK,
        secret_hours: int = 8,
    ) -> NewServiceAccount:
        """One with a secret."""
        now = self.clock()
        secret = new_secret(self.new_id, now, secret_hours, organization)
        identifier = self.new_id(now)
        account = ServiceAccount(
            id=identifier,
            org_id=organization.id,
            public_key=client_id_of(identifier),
            name="robot",
            description="of a test",
            created_at=now,
            roles=tuple(roles),
            access_list=tuple(access_list),
            org_requires_access_list=organization.requires_access_list,
        )

        def work(tx: sa.Connection) -> None:
            account_rows.insert(tx, account)
            insert_secret(tx, account.id, secret)

        self.db.transact(work)
        return NewServiceAccount(account=account, secret=secret)

    async def buy_token(self, new: NewServiceAccount) -> str:
        """One that lives for an hour from now."""
        tokens = self.services().administration.tokens
        token = await tokens.issue(new.account.public_key, new.secret.value)
        return token.value

    def delete_key(self, made: NewApiKey) -> None:
        self.db.transact(lambda tx: key_rows.delete(tx, made.key.id))

    def add_permission(self, group_id: str, entry: str) -> None:
        """An entry of a project's access list."""
        new = NetworkPermission(entry=entry, comment="of a test", created_at=self.clock())
        self.db.transact(lambda tx: permission_rows.put(tx, group_id, [new]))

    def bearer(
        self, token: str, *, app: ASGIApp | None = None, address: str = "127.0.0.1"
    ) -> httpx.AsyncClient:
        """A client that shows ``token``."""
        client = self.client(app=app, address=address)
        client.headers["Authorization"] = f"Bearer {token}"
        return client

    def add_instance(
        self,
        name: str = "orders",
        *,
        instance_id: str = INSTANCE_ID,
        group_id: str = GROUP,
        state: InstanceState = InstanceState.IDLE,
        termination_protection: bool = False,
    ) -> Instance:
        """A managed instance, running on port 27101 unless it is CREATING."""
        instance = Instance(
            id=instance_id,
            group_id=group_id,
            kind=InstanceKind.SERVERLESS,
            name=name,
            state=InstanceState.CREATING,
            created_at=self.clock(),
            managed=True,
            address=None,
            port=None,
            mongodb_version=None,
            deployment_item_name=f"atlas-{instance_id[-2:]}c3d4",
            provider=Provider(backing_provider_name="AWS", region_name="US_EAST_1"),
            tags=(),
            termination_protection=termination_protection,
        )

        def work(tx: sa.Connection) -> Instance:
            sealed = self.credentials.seal_new_passwords(instance.id)
            instance_rows.insert(tx, instance, sealed_credentials=sealed)
            if state is not InstanceState.CREATING:
                instance_rows.set_running(
                    tx,
                    instance.id,
                    address="mongodb://127.0.0.1:27101/",
                    port=27101,
                    mongodb_version="6.0.5",
                )
                instance_rows.set_state(tx, instance.id, state)
            return instance_rows.by_id(tx, instance.id)

        return self.db.transact(work)

    def set_state(self, instance_id: str, state: InstanceState) -> None:
        self.db.transact(lambda tx: instance_rows.set_state(tx, instance_id, state))

    def set_deleted(self, instance_id: str) -> None:
        """What the worker does once nothing is left of an instance."""
        self.db.transact(lambda tx: instance_rows.set_deleted(tx, instance_id, self.clock()))

    def passwords(self, instance_id: str) -> tuple[str, str]:
        """Telamon's own and the owner's, of a managed instance."""
        found = self.db.look(lambda tx: self.credentials.passwords(tx, instance_id))
        return found.telamon, found.owner

    def queued_jobs(self) -> list[tuple[Any, ...]]:
        """The job engine's rows: id, name, status, queue and lock of each."""
        query = sa.text(
            "SELECT workflow_uuid, name, status, queue_name, queue_partition_key "
            "FROM workflow_status ORDER BY created_at, workflow_uuid"
        )
        with self.db.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def bytes_on_disk(self) -> bytes:
        """Everything of the database that is on the disk, its write-ahead log included."""
        files = sorted(self.path.parent.glob(f"{self.path.name}*"))
        return b"".join(file.read_bytes() for file in files)
