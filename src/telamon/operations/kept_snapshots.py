"""How long a snapshot is kept, and its end.

Deleting one::

    1  the API  nobody is shown the snapshot any more
    2  the job  the manifest goes: from here there is no snapshot
    3  the job  the row goes

Its chunks stay until a prune finds that no other snapshot has them. Killed between 2 and 3, the job
only does 3.
"""

import structlog
from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import ExpirationInPast, SnapshotInUse, TelamonError
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.jobs.worker import Steps
from telamon.model.access import ApiKey
from telamon.model.retention import Retention
from telamon.model.snapshot import Snapshot, SnapshotStatus
from telamon.operations.kinds import SnapshotPath, managed_snapshot
from telamon.repository.repository import Repository
from telamon.state import drills, restore_jobs
from telamon.state import snapshots as rows
from telamon.state.database import Database

_UNFINISHED = (SnapshotStatus.QUEUED, SnapshotStatus.IN_PROGRESS)

_log = structlog.get_logger()


class KeptSnapshots:
    """What callers can do with the snapshots of dedicated clusters."""

    def __init__(self, db: Database, queue: JobQueue, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id

    async def require(self, caller: ApiKey, path: SnapshotPath) -> None:
        """For a caller who wants to change one and whose request has yet to be read."""
        await self._db.read(lambda tx: managed_snapshot(tx, caller, path))

    async def keep(self, caller: ApiKey, path: SnapshotPath, retention: Retention) -> Snapshot:
        """Until ``retention`` after the moment it was taken, or was asked for if it is not yet.

        Raises SnapshotNotFound; ExpirationInPast if that is over.
        """

        def work(tx: Connection) -> Snapshot:
            found = managed_snapshot(tx, caller, path)
            expires_at = retention.end(found.taken_at or found.requested_at)
            if expires_at <= self._clock():
                raise ExpirationInPast
            rows.set_expiry(tx, found.id, expires_at)
            return rows.by_id(tx, found.id)

        return await self._db.run(work)

    async def delete(self, caller: ApiKey, path: SnapshotPath) -> None:
        """Nobody is shown it when this returns. Raises SnapshotNotFound, SnapshotInUse."""

        def work(tx: Connection) -> None:
            found = managed_snapshot(tx, caller, path)
            if found.status in _UNFINISHED:
                raise SnapshotInUse(found.id, "it is being taken")
            if restore_jobs.is_restored(tx, found.id):
                raise SnapshotInUse(found.id, "it is being restored")
            if drills.is_drilled(tx, found.id):
                raise SnapshotInUse(found.id, "it is being drilled")
            ask_for_deletion(tx, self._queue, found, self._new_id(self._clock()))

        await self._db.run(work)


def ask_for_deletion(tx: Connection, queue: JobQueue, snapshot: Snapshot, deletion_id: str) -> None:
    """Of one that nobody takes or restores. ``deletion_id`` is a new one at each try."""
    rows.hide(tx, snapshot.id, deletion_id=deletion_id)
    # The next snapshot of the instance may be reading this one's manifest.
    queue.enqueue(tx, JobKind.DELETE_SNAPSHOT, deletion_id, lock=snapshot.instance_id)


class DeleteSnapshot:
    """The job that ends a snapshot's existence."""

    def __init__(self, db: Database, repository: Repository) -> None:
        self._db = db
        self._repository = repository

    def run(self, subject_id: str, steps: Steps) -> None:
        steps("delete", lambda: self._delete(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        """It is shown again, as what could not be deleted."""
        del error  # the worker has logged it
        self._db.transact(lambda tx: rows.show_again(tx, subject_id))

    def _delete(self, deletion_id: str) -> None:
        snapshot_id = self._db.look(lambda tx: rows.being_deleted(tx, deletion_id))
        if snapshot_id is None:
            return  # the worker ended after the row went
        self._repository.delete_snapshot(snapshot_id)
        self._db.transact(lambda tx: rows.delete(tx, snapshot_id))
        _log.info("snapshot_deleted", action="delete_snapshot", snapshot_id=snapshot_id)
