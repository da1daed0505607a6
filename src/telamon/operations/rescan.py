"""The catalogue made again from the repository alone, as after the loss of the database.

A manifest says of which project and instance its snapshot is. What of these has no row gets one; a
row that is there stays as it is. So a rescan may be run at any time, and again after it was killed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from telamon.blobs.base import BlobNotFound
from telamon.clock import Clock
from telamon.errors import ConfigurationError, InstanceNotFound, Unrecoverable
from telamon.ids import created_at, is_id
from telamon.model.access import Organization, Project
from telamon.model.instance import Instance, InstanceKind, InstanceState
from telamon.model.manifest import Manifest
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType
from telamon.operations.instances import ATTACHED_PROVIDER, deployment_item_name
from telamon.operations.rescanned_oplogs import RescannedOplogs
from telamon.operations.snapshots import DEFAULT_RETENTION_DAYS
from telamon.repository.repository import Repository
from telamon.state import access, instances, snapshot_collections, snapshots
from telamon.state.database import Database

_NAME_LETTERS = 64
_NO_CREDENTIALS = b""

Progress = Callable[[int, int], None]
"""Told of snapshots done and snapshots in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInstance:
    """An instance that has a row now and had none. Its snapshots know it as ``known_as``."""

    instance_id: str
    group_id: str
    name: str
    known_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RescanReport:
    """What got a row, and what could not."""

    projects: tuple[str, ...]
    """Ids."""
    instances: tuple[FoundInstance, ...]
    snapshots: tuple[str, ...]
    """Ids."""
    known_snapshots: int
    """Those that had a row before."""
    oplog_slices: int
    """How many got a row."""
    damaged: tuple[str, ...]
    """A sentence for each manifest, and each oplog slice, that cannot be read."""


class Rescan:
    """One rescan."""

    def __init__(self, db: Database, repository: Repository, *, clock: Clock) -> None:
        self._db = db
        self._repository = repository
        self._clock = clock
        self._projects: list[str] = []
        self._instances: list[FoundInstance] = []
        self._damaged: list[str] = []

    def run(self, progress: Progress = lambda _done, _total: None) -> RescanReport:
        """Raises ConfigurationError before there is an organization to put projects in."""
        organization = self._db.look(access.first_organization)
        if organization is None:
            raise ConfigurationError(
                "This data directory has not been initialized: telamon init does that."
            )
        found = self._read()
        added = []
        for number, snapshot in enumerate(found):
            if self._add(organization, snapshot):
                added.append(snapshot.id)
            progress(number + 1, len(found))
        oplogs = RescannedOplogs(self._db, self._repository)
        slices = oplogs.run()
        self._damaged += oplogs.damaged
        return RescanReport(
            projects=tuple(self._projects),
            instances=tuple(self._instances),
            snapshots=tuple(added),
            known_snapshots=len(found) - len(added),
            oplog_slices=slices,
            damaged=tuple(self._damaged),
        )

    def _read(self) -> list[Snapshot]:
        """Every snapshot that can be read, the newest first: its instance has a right to the name."""
        found = []
        for snapshot_id in self._repository.snapshot_ids():
            try:
                found.append(self._snapshot(self._repository.manifest(snapshot_id)))
            except BlobNotFound:
                continue  # deleted meanwhile
            except Unrecoverable as error:
                self._damaged.append(error.message)
        return sorted(found, key=lambda snapshot: (snapshot.requested_at, snapshot.id))[::-1]

    def _snapshot(self, manifest: Manifest) -> Snapshot:
        return Snapshot(
            id=manifest.snapshot_id,
            group_id=manifest.group_id,
            instance_id=manifest.instance_id,
            instance_name=manifest.instance_name,
            status=SnapshotStatus.COMPLETED,
            snapshot_type=SnapshotType.ON_DEMAND,
            requested_at=_made_at(manifest.snapshot_id, manifest.taken_at),
            finished_at=manifest.taken_at,
            # How long it was to be kept is nowhere; from now on, so that none expires at once.
            expires_at=self._clock() + timedelta(days=DEFAULT_RETENTION_DAYS),
            taken_at=manifest.taken_at,
            cluster_time=manifest.cluster_time,
            consistency=manifest.consistency,
            mongodb_version=manifest.mongodb_version,
            documents=manifest.documents,
            size_bytes=manifest.size_bytes,
            expected_bytes=manifest.size_bytes,
            namespaces=len(manifest.collections),
            namespaces_total=len(manifest.collections),
            new_bytes=0,
            failure=None,
        )

    def _add(self, organization: Organization, snapshot: Snapshot) -> bool:
        """Give the snapshot, and what it is of, the rows that are missing; False if it had one."""

        def work(tx: Connection) -> tuple[bool, Project | None, Instance | None]:
            project = self._add_project(tx, organization, snapshot)
            instance = self._add_instance(tx, snapshot)
            return snapshots.insert_completed(tx, snapshot), project, instance

        added, project, instance = self._db.transact(work)
        self._add_collections(snapshot.id)
        if project is not None:
            self._projects.append(project.id)
        if instance is not None:
            self._instances.append(
                FoundInstance(
                    instance_id=instance.id,
                    group_id=instance.group_id,
                    name=instance.name,
                    known_as=snapshot.instance_name,
                )
            )
        return added

    def _add_collections(self, snapshot_id: str) -> None:
        """Read once more, since those of every snapshot at once would not fit the memory."""
        if self._db.look(lambda tx: snapshot_collections.are_known(tx, snapshot_id)):
            return
        try:
            manifest = self._repository.manifest(snapshot_id)
        except BlobNotFound:
            return  # deleted meanwhile
        self._db.transact(lambda tx: snapshot_collections.insert(tx, manifest))

    def _add_project(
        self, tx: Connection, organization: Organization, snapshot: Snapshot
    ) -> Project | None:
        if access.find_project(tx, snapshot.group_id) is not None:
            return None
        project = Project(
            id=snapshot.group_id,
            org_id=organization.id,
            name=f"Project {snapshot.group_id}",
            created_at=_made_at(snapshot.group_id, snapshot.requested_at),
        )
        access.insert_project(tx, project)
        return project

    def _add_instance(self, tx: Connection, snapshot: Snapshot) -> Instance | None:
        try:
            instances.by_id(tx, snapshot.instance_id)
        except InstanceNotFound:
            instance = Instance(
                id=snapshot.instance_id,
                group_id=snapshot.group_id,
                kind=InstanceKind.SERVERLESS,
                name=_free_name(tx, snapshot),
                state=InstanceState.IDLE,
                created_at=_made_at(snapshot.instance_id, snapshot.requested_at),
                managed=False,
                address=None,
                port=None,
                mongodb_version=snapshot.mongodb_version,
                deployment_item_name=deployment_item_name(snapshot.instance_id),
                provider=ATTACHED_PROVIDER,
                tags=(),
                termination_protection=False,
            )
            instances.insert(tx, instance, sealed_credentials=_NO_CREDENTIALS)
            return instance
        return None


def _free_name(tx: Connection, snapshot: Snapshot) -> str:
    """The instance's own name; with its id behind it if another instance is called so now."""
    try:
        instances.by_name(tx, snapshot.group_id, snapshot.instance_name)
    except InstanceNotFound:
        return snapshot.instance_name
    suffix = f"-{snapshot.instance_id}"
    return f"{snapshot.instance_name[: _NAME_LETTERS - len(suffix)]}{suffix}"


def _made_at(identifier: str, otherwise: datetime) -> datetime:
    return created_at(identifier) if is_id(identifier) else otherwise
