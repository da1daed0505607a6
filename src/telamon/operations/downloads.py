"""Downloads: restore jobs whose delivery is a file. Asked for, prepared; download_files.py serves them.

Preparing one (the job) reads every chunk of the snapshot once, and writes nothing but the checksum of
each collection, which the archive has behind the collection's documents. So a damaged snapshot
fails as a job, by name, and not in the middle of a transfer.
"""

from contextlib import closing
from datetime import timedelta

from sqlalchemy import Connection

from telamon.blobs.base import BlobNotFound
from telamon.clock import Clock
from telamon.errors import (
    CannotCancel,
    DownloadInProgress,
    RestoreFailed,
    SnapshotIncomplete,
    TelamonError,
    TooManyDownloads,
)
from telamon.jobs.queue import JobKind, JobQueue
from telamon.jobs.worker import Steps
from telamon.model.manifest import StoredCollection
from telamon.model.restore_job import RestoreJob
from telamon.model.snapshot import Snapshot, SnapshotStatus
from telamon.mongo.archive import checksum
from telamon.operations.progress import Progress
from telamon.repository.repository import Repository
from telamon.state import downloads as rows
from telamon.state import restore_jobs
from telamon.state.database import Database

OFFERED_FOR = timedelta(hours=4)
"""From the moment it is ready."""
PREPARED_AT_ONCE = 20
"""In one project (contract section 5.4)."""
_ATTEMPTS_AT_MOST = 3


class Downloads:
    """What callers can do with downloads, in the transactions of ``RestoreJobs``."""

    def __init__(self, queue: JobQueue, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    def require(self, tx: Connection, snapshot: Snapshot) -> None:
        """Raises SnapshotIncomplete; DownloadInProgress, TooManyDownloads while others are prepared."""
        if snapshot.status is not SnapshotStatus.COMPLETED:
            raise SnapshotIncomplete(snapshot.id, snapshot.status.value)
        if rows.is_being_prepared(tx, snapshot.id):
            raise DownloadInProgress(snapshot.id)
        if rows.count_being_prepared(tx, snapshot.group_id) >= PREPARED_AT_ONCE:
            raise TooManyDownloads(PREPARED_AT_ONCE, snapshot.group_id)

    def ask(self, tx: Connection, new: RestoreJob) -> RestoreJob:
        """Write the job down and queue it."""
        restore_jobs.insert(tx, new)
        # In nobody's way, and nothing is in its way.
        self._queue.enqueue(tx, JobKind.PREPARE_DOWNLOAD, new.id, lock=new.id)
        return new

    def cancel(self, tx: Connection, job: RestoreJob) -> None:
        """End it; nobody can fetch it from now on. Raises CannotCancel for one that has failed."""
        if not rows.cancel(tx, job.id, failure="It was cancelled.", at=self._clock()):
            raise CannotCancel(job.id, "it has ended")


class PrepareDownload:
    """The job that reads a snapshot before it is offered."""

    def __init__(self, db: Database, repository: Repository, clock: Clock) -> None:
        self._db = db
        self._repository = repository
        self._clock = clock

    def run(self, subject_id: str, steps: Steps) -> None:
        if self._db.look(lambda tx: restore_jobs.by_id(tx, subject_id)).finished_at is not None:
            return  # the worker ended after the job did, or it was cancelled
        steps("prepare", lambda: self._prepare(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        self._db.transact(
            lambda tx: restore_jobs.fail(tx, subject_id, failure=error.message, at=self._clock())
        )

    def _prepare(self, restore_job_id: str) -> None:
        attempt = self._db.transact(lambda tx: restore_jobs.start(tx, restore_job_id))
        if attempt > _ATTEMPTS_AT_MOST:
            raise RestoreFailed(
                f"The worker ended {_ATTEMPTS_AT_MOST} times while it read this snapshot."
            )
        job = self._db.look(lambda tx: restore_jobs.by_id(tx, restore_job_id))
        if job.finished_at is not None:
            return  # cancelled at the last moment
        progress = Progress(self._db, restore_job_id)
        try:
            manifest = self._repository.manifest(job.snapshot_id)
        except BlobNotFound as error:
            raise RestoreFailed(f"The snapshot {job.snapshot_id} has been deleted.") from error
        checksums = [self._checksum(stored, progress) for stored in manifest.collections]
        now = self._clock()
        self._db.transact(
            lambda tx: rows.finish(
                tx, restore_job_id, checksums=checksums, at=now, expires_at=now + OFFERED_FOR
            )
        )

    def _checksum(self, stored: StoredCollection, progress: Progress) -> int:
        value = 0
        with closing(self._repository.documents(stored)) as pieces:
            for chunk, piece in zip(stored.chunks, pieces, strict=True):
                value = checksum(piece, value)
                progress.add(chunk.documents, chunk.size_bytes, 0)
        progress.add(0, 0, 1)
        return value
