"""Carrying out a restore job.

Its steps::

    1  load     every collection into a shadow namespace of the target, counted and indexed there
    2  swap     each shadow takes its place in one rename; what the snapshot lacks is dropped, unless
                only a part of it is restored
    3  discard  what the job kept in the target for itself goes
    4  finish

Until 2 the target's own data is untouched, and the job can be cancelled. Killed in 1, the job goes on
after its last finished batch; killed in 2, the swap goes on where it was.
"""

from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import structlog
from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import RestoreCancelled, RestoreFailed, TelamonError, WorkerReplaced
from telamon.jobs.worker import Steps
from telamon.model.restore_evidence import NamespaceEvidence
from telamon.model.restore_job import RestoreJob, RestoreStage
from telamon.model.selection import Existing
from telamon.mongo.connect import Client, connected
from telamon.mongo.fill import Source
from telamon.mongo.restore import Restore
from telamon.operations.cancelling import LOOK_SECONDS, PATIENCE_SECONDS, unless_cancelled
from telamon.operations.confirming import ALWAYS, Confirm
from telamon.operations.credentials import Credentials
from telamon.operations.progress import Progress, unnoticed
from telamon.operations.restored_sources import Restored, RestoredSources
from telamon.operations.selecting import contents_of, moved_from, part_of, placed_sources
from telamon.repository.repository import Repository
from telamon.state import instances, restore_evidence, restore_points, restored_collections
from telamon.state import restore_jobs as rows
from telamon.state.database import Database

_ATTEMPTS_AT_MOST = 3
_TOO_MANY_ATTEMPTS = f"The worker ended {_ATTEMPTS_AT_MOST} times while it loaded this snapshot."
_DISCARD_SECONDS = 2.0

_log = structlog.get_logger()


class RunRestore:
    """The job that puts a snapshot back."""

    def __init__(
        self,
        db: Database,
        credentials: Credentials,
        repository: Repository,
        clock: Clock,
        confirm: Confirm = ALWAYS,
        *,
        look_seconds: float = LOOK_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Every ``look_seconds`` a job that runs is looked at, whether it was cancelled; its load then
        has ``patience_seconds`` to end before it is left to itself."""
        self._db = db
        self._credentials = credentials
        self._repository = repository
        self._restored = RestoredSources(db, repository, confirm)
        self._clock = clock
        self._confirm = confirm
        self._look_seconds = look_seconds
        self._patience_seconds = patience_seconds

    def run(self, subject_id: str, steps: Steps) -> None:
        if self._db.look(lambda tx: rows.by_id(tx, subject_id)).finished_at is not None:
            return  # the worker ended after the job did
        if steps("load", lambda: self._load(subject_id)):
            return
        steps("swap", lambda: self._swap(subject_id))
        steps("discard", lambda: self._discard(subject_id))
        self._db.transact(lambda tx: rows.finish(tx, subject_id, at=self._clock()))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        job = self._db.look(lambda tx: rows.by_id(tx, subject_id))
        if job.stage is RestoreStage.SWAPPING:
            held = (
                "The target may hold a mixture of its own data and the snapshot's; "
                "restore once more, or restore another snapshot."
            )
        else:
            held = "The target's own data is as it was."
        is_discarded = self._discard(subject_id)
        now = self._clock()
        if job.cancel_requested_at is not None:
            if not is_discarded:
                held += " What was prepared beside it goes with the next restore."
            failure = f"{RestoreCancelled.detail} {held}"
            self._db.transact(
                lambda tx: rows.end_cancelled(tx, subject_id, failure=failure, at=now)
            )
        else:
            failure = f"{error.message} {held}"
            self._db.transact(lambda tx: rows.fail(tx, subject_id, failure=failure, at=now))

    def _load(self, restore_job_id: str) -> bool:
        """True if there is nothing to do: it was cancelled at the last moment."""
        attempt = self._db.transact(lambda tx: rows.start(tx, restore_job_id))
        if attempt > _ATTEMPTS_AT_MOST + 1:  # the last of them did not come so far as to count
            raise RestoreFailed(_TOO_MANY_ATTEMPTS)
        job, uri = self._find(restore_job_id)
        if job.finished_at is not None:
            return True
        if job.cancel_requested_at is not None:
            raise RestoreCancelled
        loading = _Loading()
        unless_cancelled(
            lambda: self._load_into(job, uri, loading),
            is_wanted=lambda: self._db.look(lambda tx: rows.is_cancel_requested(tx, job.id)),
            interrupt=loading.interrupt,
            look_seconds=self._look_seconds,
            patience_seconds=self._patience_seconds,
        )
        return False

    def _load_into(self, job: RestoreJob, uri: str, loading: "_Loading") -> None:
        with connected(uri) as client, self._restored.of(job) as restored:
            named = self._named(client, job, restored)
            sources = placed_sources(restored.sources, named.options)
            if job.point_in_time is not None:
                self._db.transact(lambda tx: _note_moment(tx, named, restored, sources))
            restore = self._restore(
                client,
                named,
                Progress(self._db, job.id),
                sources=sources,
                least_bytes=self._least_bytes(named, restored),
            )
            loading.load(restore)
        if restore.filtered_out:
            self._db.transact(
                lambda tx: rows.set_documents_total(tx, job.id, restore.documents_left)
            )

    def _named(self, client: Client, job: RestoreJob, restored: Restored) -> RestoreJob:
        """The job, with the names of what is to stand beside a namespace that the target has."""
        selection = job.options.selection
        if selection is None or selection.existing is not Existing.RENAME:
            return job
        if job.stage is RestoreStage.SWAPPING:
            return job  # what the target has may be this job's own by now
        moved = moved_from(client, selection, [source.spec for source in restored.sources])
        if moved != job.options.moved:
            self._db.transact(lambda tx: rows.set_moved(tx, job.id, moved))
        return replace(job, options=replace(job.options, moved=moved))

    def _swap(self, restore_job_id: str) -> None:
        job, uri = self._find(restore_job_id)
        with self._restored.of(job) as restored:
            sources = placed_sources(restored.sources, job.options)
            if not self._db.transact(lambda tx: rows.set_swapping(tx, restore_job_id)):
                raise RestoreCancelled
            with connected(uri) as client:
                self._restore(client, job, sources=sources).swap()

    def _discard(self, restore_job_id: str) -> bool:
        """Take the shadows away; False if the target does not let us, and the next restore does."""
        try:
            job, uri = self._find(restore_job_id)
            with connected(uri, selection_seconds=_DISCARD_SECONDS) as client:
                self._restore(client, job, sources=()).discard()  # also without the repository
            return True
        except WorkerReplaced:
            raise  # they are another's
        except TelamonError as error:
            _log.warning(
                "shadows_left",
                action="discard_restore",
                restore_job_id=restore_job_id,
                reason=error.message,
            )
            return False

    def _find(self, restore_job_id: str) -> tuple[RestoreJob, str]:
        def work(tx: Connection) -> tuple[RestoreJob, str]:
            job = rows.by_id(tx, restore_job_id)
            assert job.target_instance_id is not None
            target = instances.by_id(tx, job.target_instance_id)
            return job, self._credentials.uri(tx, target)

        return self._db.look(work)

    def _restore(
        self,
        client: Client,
        job: RestoreJob,
        progress: Progress | None = None,
        *,
        sources: Sequence[Source],
        least_bytes: int = 0,
    ) -> Restore:
        return Restore(
            client,
            job_id=job.id,
            sources=sources,
            least_bytes=least_bytes,
            progress=progress.add if progress else unnoticed,
            resumed=lambda kept: self._resumed(job.id, kept),
            index_failures=job.options.index_failures,
            evidence=lambda found: self._note(job.id, found),
            confirm=lambda: self._confirm(job.id),
            part=part_of(job.options),
        )

    def _least_bytes(self, job: RestoreJob, restored: Restored) -> int:
        if job.point_in_time is not None:
            return 0  # what was written since may be deletions
        kinds = {stored.spec.namespace: stored.spec.kind for stored in restored.stored}
        chosen = job.options.places(kinds)
        return self._repository.least_bytes(
            [stored for stored in restored.stored if stored.spec.namespace in chosen]
        )

    def _note(self, restore_job_id: str, found: NamespaceEvidence) -> None:
        self._db.transact(lambda tx: restore_evidence.put(tx, restore_job_id, found))

    def _resumed(self, restore_job_id: str, kept: int) -> None:
        """Of those that had no more to go on with than the one before, so many and no more."""
        attempts = self._db.transact(lambda tx: rows.note_kept(tx, restore_job_id, kept))
        if attempts > _ATTEMPTS_AT_MOST:
            raise RestoreFailed(_TOO_MANY_ATTEMPTS)


class _Loading:
    """A load that somebody may want to end before there is anything to interrupt."""

    def __init__(self) -> None:
        self._restore: Restore | None = None
        self._is_unwanted = Event()

    def load(self, restore: Restore) -> None:
        """Raises RestoreCancelled if ``interrupt`` came before."""
        self._restore = restore
        if self._is_unwanted.is_set():
            raise RestoreCancelled
        restore.load()

    def interrupt(self) -> None:
        self._is_unwanted.set()
        if self._restore is not None:
            self._restore.interrupt()


def _note_moment(
    tx: Connection, job: RestoreJob, restored: Restored, sources: Sequence[Source]
) -> None:
    """What there is to restore, which nobody knew when the job was asked for."""
    if job.options.selection is not None:
        restored_collections.put(tx, job.id, contents_of(restored.sources, job.options))
    restore_points.set_totals(
        tx,
        job.id,
        documents=sum(source.documents or 0 for source in sources),
        size_bytes=sum(source.size_bytes for source in sources),
        namespaces=len(sources),
    )
