"""A worker's right to its jobs: kept by beating, lost by silence, asked for before each write.

A worker is one row, by an id that no other process ever has. Whoever beats looks for workers that
were silent for longer than the lease, and in one transaction takes their rows and gives their jobs
back to the queue. From then on such a worker, should it still be there, is a ghost. It

- can commit no transaction of its ``Lease.fenced`` database: each looks for the row and keeps it
  until it ends, so that the row goes either before it or after it, and never in its middle;
- can store no step and no end of a job: the engine's token of the run is another by then;
- is told by ``Lease.require``, which is asked just before what no transaction protects: the
  manifest of a snapshot, each step of a swap, and (from memory, unless it has not beaten for half
  its lease) each chunk of documents of a restore;
- ends at its next beat.

Not covered is what a process had begun when it stood still, and whatever it asked for before that:
between the answer of ``require`` and the act there is a moment. A ghost can there put one manifest,
which is whole and is then taken for the snapshot's by its successor, and never replaces another;
do one step of a swap that its successor has yet to do or has done: a rename changes nothing then, a
drop takes what somebody put there since; delete one pack that it had confirmed, if others could take the
repository's lock meanwhile, which takes the end of its connection; or drop the shadows that its successor fills, whose load
fails then with the target untouched. What it
still sends to a shadow is refused by a server of MongoDB 6.0 or later once the successor has made its
own, as it names the collection by UUID; an older server takes it, and the successor's load, or the
next restore, finds it. Packs that it stores are content-addressed, and harm nobody.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection

from telamon.errors import TelamonError, Unavailable, WorkerReplaced
from telamon.jobs.engine_tables import JobStatus, jobs_table, steps_table, versions_table
from telamon.jobs.queue import JobKind
from telamon.state import workers
from telamon.state.database import Database, Work
from telamon.state.workers import LivingWorker

T = TypeVar("T")

HandBack = Callable[[Connection, str], None]
"""Takes back that a job's subject was tried once more."""

_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 900.0

_log = structlog.get_logger()


class Lease:
    """That of this process. Thread-safe."""

    def __init__(
        self,
        db: Database,
        worker: LivingWorker,
        *,
        beat_seconds: float,
        lease_seconds: int,
        lost: Callable[[], None],
    ) -> None:
        """``lost`` is called once, by a thread of its own, when others have this worker's jobs."""
        self._db = db
        self._worker = worker
        self._beat_seconds = beat_seconds
        self._lease_seconds = lease_seconds
        self._lost = lost
        self._beaten_at = float("-inf")
        self._ending = threading.Event()
        self._beating = threading.Thread(target=self._beat_on, name="beat", daemon=True)
        self.fenced: Database = _FencedDatabase(db, self._fence)
        """The same database for all that jobs write; a transaction of a ghost raises WorkerReplaced."""

    def begin(self) -> None:
        """Be a worker, and take up what dead ones left.

        A database that is no server has one worker at a time, by a lock of its file: whatever others
        were before are dead, however lately they beat.
        """

        def work(tx: Connection) -> None:
            workers.insert(tx, self._worker)
            if not self._db.is_shared:
                workers.take_all_but(tx, self._worker.id)
            reap(tx, version=self._worker.version, lease_seconds=self._lease_seconds)

        self._beaten_at = time.monotonic()
        self._db.transact(work)
        self._beating.start()

    def require(self) -> None:
        """Raises WorkerReplaced if it is lost. Waits for a database that does not answer."""
        patiently(
            lambda: self._db.look(self._require), until=self._ending.is_set, seconds=float("inf")
        )

    def require_lately(self) -> None:
        """As ``require``, but trusts a beat that is not older than half a lease."""
        if time.monotonic() - self._beaten_at > self._lease_seconds / 2:
            self.require()

    def end(self, running: Sequence[tuple[JobKind, str]], undo: Mapping[JobKind, HandBack]) -> None:
        """Be no worker any more, and hand back the jobs that still run: they have not been tried.

        The process must end at once: what its jobs do from here on, others do as well.
        """

        def work(tx: Connection) -> None:
            workers.require(tx, self._worker.id)
            for kind, subject_id in running:
                if kind in undo:
                    undo[kind](tx, subject_id)
            workers.delete(tx, self._worker.id)
            give_back_orphans(tx)

        self._ending.set()
        self._db.transact(work)

    def _fence(self, tx: Connection) -> None:
        workers.require(tx, self._worker.id)

    def _require(self, tx: Connection) -> None:
        if self._worker.id not in {worker.id for worker in workers.living(tx)}:
            raise WorkerReplaced("Others have taken up the jobs of this worker.")

    def _beat_on(self) -> None:
        while not self._ending.wait(self._beat_seconds):
            began = time.monotonic()
            try:
                self._db.transact(lambda tx: workers.beat(tx, self._worker.id))
                self._beaten_at = began
                if self._db.is_shared:
                    self._reap()
            except WorkerReplaced as error:
                if not self._ending.is_set():
                    _log.error("worker_replaced", action="beat", reason=error.message)
                    self._lost()
                return
            except TelamonError as error:
                _log.warning("no_beat", action="beat", reason=error.message)

    def _reap(self) -> None:
        dead = self._db.transact(
            lambda tx: reap(tx, version=self._worker.version, lease_seconds=self._lease_seconds)
        )
        for worker_id in dead:
            _log.warning("worker_lost", action="reap", worker=worker_id)


class _FencedDatabase(Database):
    """Waits a while for a server that does not answer: what a worker writes may be written twice."""

    def __init__(self, inner: Database, fence: Callable[[Connection], None]) -> None:
        super().__init__(inner.engine)
        self._fence = fence

    def transact(self, work: Work[T]) -> T:
        def fenced(tx: Connection) -> T:
            self._fence(tx)
            return work(tx)

        return self._patiently(lambda: Database.transact(self, fenced))

    def look(self, work: Work[T]) -> T:
        return self._patiently(lambda: Database.look(self, work))

    def _patiently(self, act: Callable[[], T]) -> T:
        if not self.is_shared:
            return act()
        return patiently(act, until=lambda: False, seconds=_PATIENCE_SECONDS)


def patiently(act: Callable[[], T], *, until: Callable[[], bool], seconds: float) -> T:
    """``act`` again while the database is unavailable, so long and not longer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except WorkerReplaced:
            raise
        except Unavailable:
            if until() or time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def reap(tx: Connection, *, version: str, lease_seconds: int) -> tuple[str, ...]:
    """Take the rows of silent workers, and what they were doing; answers their ids.

    Jobs of versions that no living worker has are begun anew under ``version``: what their steps
    answered means nothing to it, and every handler looks at what is there before it acts.
    """
    dead = workers.take_silent(tx, lease_seconds=lease_seconds)
    give_back_orphans(tx)
    versions = {version, *(worker.version for worker in workers.living(tx))}
    _adopt(tx, versions)
    _keep_latest(tx, version, versions)
    return dead


def give_back_orphans(tx: Connection) -> None:
    """Every job that runs on a worker without a row waits again, in its old place."""
    jobs = jobs_table(tx)
    living = [worker.id for worker in workers.living(tx)]
    tx.execute(
        sa.update(jobs)
        .where(
            jobs.c.status == JobStatus.RUNNING,
            jobs.c.name.in_(list(JobKind)),
            jobs.c.executor_id.not_in(living),
        )
        .values(status=JobStatus.WAITING, owner_xid=None, started_at_epoch_ms=None)
    )


def _adopt(tx: Connection, versions: set[str]) -> None:
    jobs, steps = jobs_table(tx), steps_table(tx)
    strange = sa.select(jobs.c.workflow_uuid).where(
        jobs.c.status == JobStatus.WAITING,
        jobs.c.name.in_(list(JobKind)),
        jobs.c.application_version.not_in(versions),
    )
    ids = list(tx.execute(strange).scalars())
    if ids:
        tx.execute(sa.delete(steps).where(steps.c.workflow_uuid.in_(ids)))
        tx.execute(
            sa.update(jobs).where(jobs.c.workflow_uuid.in_(ids)).values(application_version=None)
        )


def _keep_latest(tx: Connection, version: str, living: set[str]) -> None:
    """Jobs that nobody has begun are for the latest version, which may have been given up again."""
    known = versions_table(tx)
    latest = sa.select(known.c.version_name).order_by(known.c.version_timestamp.desc()).limit(1)
    found = tx.execute(latest).scalar_one_or_none()
    if found is not None and found not in living:
        newest = tx.execute(sa.select(sa.func.max(known.c.version_timestamp))).scalar_one()
        tx.execute(
            sa.update(known)
            .where(known.c.version_name == version)
            .values(version_timestamp=newest + 1)
        )
