"""Snapshots: asked for, taken, shown.

Taking one (the job)::

    1  status inProgress
    2  read: documents of every namespace as of one cluster time -> chunks -> packs
    3  manifest, last: from here the snapshot exists
    4  status completed, with what the manifest says

Killed before 3, it leaves chunks that nobody names and is taken again; killed between 3 and 4, it
only does 4.
"""

from datetime import timedelta
from threading import Lock

import structlog
from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    SnapshotExists,
    SnapshotFailed,
    SnapshotNotPossible,
    TelamonError,
    Unrecoverable,
)
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.jobs.worker import Steps
from telamon.model.access import PROJECT_BACKUP_MANAGERS, PROJECT_READERS, ApiKey
from telamon.model.instance import Instance, InstanceKind, InstanceState
from telamon.model.manifest import (
    Consistency,
    Manifest,
)
from telamon.model.page import Page
from telamon.model.snapshot import Snapshot, SnapshotType, queued_snapshot
from telamon.mongo.connect import connected, examine
from telamon.mongo.snapshot import read_snapshot
from telamon.operations.backup_schedules import BackupSchedules
from telamon.operations.confirming import ALWAYS, Confirm
from telamon.operations.credentials import Credentials
from telamon.operations.kept_snapshots import KeptSnapshots
from telamon.operations.kinds import find_of_kind, snapshot_of
from telamon.operations.snapshot_contents import SnapshotContents
from telamon.operations.stored_documents import StoredDocuments
from telamon.repository.repository import Repository
from telamon.repository.writer import SnapshotWriter
from telamon.state import instances
from telamon.state import snapshots as rows
from telamon.state.database import Database
from telamon.state.moments import from_seconds

DEFAULT_RETENTION_DAYS = 35
_ATTEMPTS_AT_MOST = 3


_log = structlog.get_logger()


class Snapshots:
    """What callers can do with snapshots. A ``kind`` of None takes instances of every kind."""

    def __init__(
        self,
        db: Database,
        queue: JobQueue,
        *,
        clock: Clock,
        new_id: IdFactory,
        schedules: bool = True,
    ) -> None:
        """``schedules`` is whether anybody takes the snapshots that are due."""
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id
        self.kept = KeptSnapshots(db, queue, clock=clock, new_id=new_id)
        self.contents = SnapshotContents(db)
        self.schedules = BackupSchedules(db, clock=clock, new_id=new_id, are_kept=schedules)

    async def take(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        kind: InstanceKind | None = None,
        *,
        retention_days: int,
        description: str = "",
    ) -> Snapshot:
        """Ask for a snapshot of an instance now; it is queued when this returns.

        Raises SnapshotNotPossible for an instance that is being deleted.
        """
        now = self._clock()

        def work(tx: Connection) -> Snapshot:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=PROJECT_BACKUP_MANAGERS
            )
            if instance.state is InstanceState.DELETING:
                raise SnapshotNotPossible(f"the instance {instance_name} is being deleted")
            new = queued_snapshot(
                self._new_id(now),
                instance,
                snapshot_type=SnapshotType.ON_DEMAND,
                requested_at=now,
                expires_at=now + timedelta(days=retention_days),
                description=description,
            )
            rows.insert(tx, new)
            self._queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, new.id, lock=instance.id)
            return new

        return await self._db.run(work)

    async def get(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        snapshot_id: str,
        kind: InstanceKind | None = None,
    ) -> Snapshot:
        """Raises what ``named`` does, and SnapshotNotFound."""

        def work(tx: Connection) -> Snapshot:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=PROJECT_READERS
            )
            return snapshot_of(tx, instance, snapshot_id, kind)

        return await self._db.read(work)

    async def list(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        kind: InstanceKind | None = None,
        *,
        limit: int,
        offset: int,
    ) -> Page[Snapshot]:
        """Newest first; those of flex clusters oldest first. Raises what ``named`` does."""
        oldest_first = kind is InstanceKind.FLEX

        def work(tx: Connection) -> Page[Snapshot]:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=PROJECT_READERS
            )
            return rows.page(tx, instance.id, limit=limit, offset=offset, oldest_first=oldest_first)

        return await self._db.read(work)


class TakeSnapshot:
    """The job that takes a snapshot."""

    def __init__(
        self,
        db: Database,
        credentials: Credentials,
        repository: Repository,
        clock: Clock,
        confirm: Confirm = ALWAYS,
    ) -> None:
        self._db = db
        self._credentials = credentials
        self._repository = repository
        self._clock = clock
        self._confirm = confirm

    def run(self, subject_id: str, steps: Steps) -> None:
        if self._db.look(lambda tx: rows.by_id(tx, subject_id)).finished_at is not None:
            return  # the worker ended after the job did
        steps("take", lambda: self._take(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        self._db.transact(
            lambda tx: rows.fail(tx, subject_id, failure=error.message, at=self._clock())
        )

    def _take(self, snapshot_id: str) -> None:
        if self._repository.has_manifest(snapshot_id):
            manifest, new_bytes = self._repository.manifest(snapshot_id), 0
        else:
            try:
                manifest, new_bytes = self._read(snapshot_id)
            except SnapshotExists:  # a worker that was taken for dead had put it already
                manifest, new_bytes = self._repository.manifest(snapshot_id), 0
        self._db.transact(
            lambda tx: rows.complete(tx, manifest, new_bytes=new_bytes, at=self._clock())
        )

    def _read(self, snapshot_id: str) -> tuple[Manifest, int]:
        instance, uri = self._db.look(lambda tx: self._find(tx, snapshot_id))
        with connected(uri) as client:
            deployment = examine(client)
            self._begin(snapshot_id, deployment.mongodb_version)
            began_at = self._clock()
            with self._repository.begin() as writer:
                noted = _Noted(self._db, snapshot_id, writer, self._clock)
                stored = StoredDocuments(writer, self._before(instance.id), noted)
                facts = read_snapshot(client, stored)
                time = facts.cluster_time
                manifest = Manifest(
                    snapshot_id=snapshot_id,
                    group_id=instance.group_id,
                    instance_id=instance.id,
                    instance_name=instance.name,
                    taken_at=from_seconds(time.seconds) if time else began_at,
                    cluster_time=time,
                    consistency=Consistency.SNAPSHOT if time else Consistency.NONE,
                    mongodb_version=deployment.mongodb_version,
                    feature_compatibility_version=deployment.feature_compatibility_version,
                    collections=tuple(stored.collection(spec) for spec in facts.collections),
                )
                writer.commit(manifest, lambda: self._confirm(snapshot_id))
                _log.info(
                    "snapshot_taken",
                    action="take_snapshot",
                    snapshot_id=snapshot_id,
                    documents=manifest.documents,
                    size_bytes=manifest.size_bytes,
                    new_bytes=writer.counts.new_bytes,
                )
                return manifest, writer.counts.new_bytes

    def _before(self, instance_id: str) -> Manifest | None:
        """The newest snapshot of the instance, for chunks to be stored as differences from its."""
        newest = self._db.look(lambda tx: rows.newest_completed(tx, instance_id))
        if newest is None:
            return None
        try:
            return self._repository.manifest(newest)
        except Unrecoverable as error:
            # This snapshot is whole without it.
            _log.warning("no_previous_manifest", action="take_snapshot", reason=error.message)
            return None

    def _find(self, tx: Connection, snapshot_id: str) -> tuple[Instance, str]:
        snapshot = rows.by_id(tx, snapshot_id)
        instance = instances.by_id(tx, snapshot.instance_id)
        return instance, self._credentials.uri(tx, instance)

    def _begin(self, snapshot_id: str, mongodb_version: str) -> None:
        attempt = self._db.transact(
            lambda tx: rows.start(
                tx, snapshot_id, mongodb_version=mongodb_version, at=self._clock()
            )
        )
        if attempt > _ATTEMPTS_AT_MOST:
            raise SnapshotFailed(
                f"The worker ended {_ATTEMPTS_AT_MOST} times while it took this snapshot."
            )


class _Noted:
    """Writes down how far a snapshot is, once a second at most."""

    def __init__(
        self, db: Database, snapshot_id: str, writer: SnapshotWriter, clock: Clock
    ) -> None:
        self._db = db
        self._snapshot_id = snapshot_id
        self._writer = writer
        self._clock = clock
        self._last = clock()
        self._lock = Lock()

    def __call__(self, expected_bytes: int, namespaces: int, namespaces_total: int) -> None:
        now = self._clock()
        with self._lock:
            if now == self._last:
                return
            self._last = now
        counts = self._writer.counts
        self._db.transact(
            lambda tx: rows.progress(
                tx,
                self._snapshot_id,
                documents=counts.documents,
                size_bytes=counts.raw_bytes,
                expected_bytes=expected_bytes,
                new_bytes=counts.new_bytes,
                namespaces=namespaces,
                namespaces_total=namespaces_total,
            )
        )
