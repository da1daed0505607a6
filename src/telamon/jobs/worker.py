"""Running jobs: DBOS workflows around plain handlers.

A job that dies with its worker is taken up again by another one, from the step it was in. So every
step may happen twice, and a handler looks before it acts. Who takes it up when is for the lease.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import structlog
from dbos import DBOS, DBOSConfig
from sqlalchemy import Engine

from telamon.errors import TelamonError, WorkerReplaced
from telamon.jobs.engine_polls import WaitingJobs, ask_briefly
from telamon.jobs.queue import MONGOD_QUEUE_NAME, QUEUE_NAME, JobKind, queue_name

T = TypeVar("T")

# Set by hand: by default DBOS makes it of the code, and an upgraded program would leave alone
# what an older one was asked to do. It changes only with the order of a handler's steps.
APPLICATION_VERSION = "telamon-1"
_JOBS_AT_ONCE = 4
# How long a job waits at most for a worker that has nothing to do.
_POLL_SECONDS = 0.5
_FIRST_PAUSE_SECONDS = 0.5  # between two tries to note that a job failed
_LONGEST_PAUSE_SECONDS = 60.0

_log = structlog.get_logger()


class Steps(Protocol):
    """How a handler marks its steps."""

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        """Do ``work`` and remember its result, which must be small and picklable.

        After a crash a finished step answers from memory and an unfinished one runs again.
        """
        ...


class JobHandler(Protocol):
    """One kind of job."""

    def run(self, subject_id: str, steps: Steps) -> None:
        """Do the job. May be called again after a crash."""
        ...

    def fail(self, subject_id: str, error: TelamonError) -> None:
        """``run`` raised ``error``: note it where people look. May be called again after a crash."""
        ...


class Worker:
    """Runs jobs of one database in this process, a few at a time.

    ``worker_id`` is that of the lease, which no other process ever has; it sees to what a killed
    worker left. With a ``machine``, jobs that only its workers can do are done, too; with a mongod,
    those of a fleet that need one.
    """

    def __init__(
        self,
        engine: Engine,
        handlers: Mapping[JobKind, JobHandler],
        *,
        worker_id: str,
        machine: str | None = None,
        has_mongod: bool = False,
    ) -> None:
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        queues = {QUEUE_NAME, queue_name(machine)}
        self._queues = sorted(queues | {MONGOD_QUEUE_NAME} if has_mongod else queues)
        self._guard = threading.Lock()
        self._running: set[tuple[JobKind, str]] = set()
        self._waiting = WaitingJobs(engine)
        self._dbos = DBOS(
            config=DBOSConfig(
                name="telamon",
                system_database_engine=engine,
                application_version=APPLICATION_VERSION,
                executor_id=worker_id,
                log_level="WARNING",
                use_listen_notify=False,
                run_migrations=engine.dialect.name == "sqlite",
            )
        )
        for kind, handler in handlers.items():
            DBOS.workflow(name=kind.value)(self._workflow(kind, handler))

    def launch(self) -> None:
        """Do whatever is asked for from here on."""
        DBOS.listen_queues(self._queues)
        DBOS.launch()
        queues = {
            name: DBOS.register_queue(
                name,
                worker_concurrency=_JOBS_AT_ONCE,
                partition_concurrency=1,
                polling_interval_sec=_POLL_SECONDS,
            )
            for name in self._queues
        }
        ask_briefly(self._dbos, queues, self._waiting)

    def running(self) -> tuple[tuple[JobKind, str], ...]:
        """Jobs that are under way here, or wait for the end of the process."""
        with self._guard:
            return tuple(sorted(self._running))

    def stop(self, grace_seconds: int) -> None:
        """Take no more jobs, and wait for those that run.

        Those that are not done in time still hold threads; the caller hands them back and ends the
        process.
        """
        self._stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=grace_seconds)
        self._stopped.set()

    def _workflow(self, kind: JobKind, handler: JobHandler) -> Callable[[str], None]:
        def job(subject_id: str) -> None:
            log = _log.bind(job=kind.value, subject_id=subject_id)
            log.info("job_started", action="start_job")
            with self._guard:
                self._running.add((kind, subject_id))
            try:
                handler.run(subject_id, _steps)
            except WorkerReplaced:
                threading.Event().wait()  # it is another's job now, and this process is about to end
            except TelamonError as error:
                self._end_in_failure(handler, subject_id, error)
                log.warning("job_failed", action="fail_job", reason=error.message)
            except Exception as error:  # one job's defect must not end the worker
                log.exception("job_broke", action="fail_job")
                self._end_in_failure(handler, subject_id, _unexpected(error))
            else:
                log.info("job_finished", action="finish_job")
            with self._guard:
                self._running.discard((kind, subject_id))

        return job

    def _end_in_failure(self, handler: JobHandler, subject_id: str, error: TelamonError) -> None:
        may_be_ours = self._stopping.is_set() and isinstance(error, _Unexpected)
        if self._stopped.is_set() or may_be_ours:
            # The process is ending and takes the job's means away, the engine first; the error is
            # then not the job's. The thread waits here for the end, and the next worker runs the
            # job again.
            threading.Event().wait()
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._is_noted(handler, subject_id, error):
            if self._stopped.wait(pause_seconds):
                threading.Event().wait()
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    @staticmethod
    def _is_noted(handler: JobHandler, subject_id: str, error: TelamonError) -> bool:
        """A job that has ended without anybody knowing would be in the way for ever."""
        try:
            handler.fail(subject_id, error)
        except WorkerReplaced:
            threading.Event().wait()
        except Exception:  # noqa: BLE001  # a full disk, most likely: it may pass
            _log.exception("failure_not_noted", action="fail_job", subject_id=subject_id)
            return False
        return True


def _steps(name: str, work: Callable[[], T]) -> T:
    return DBOS.run_step({"name": name}, work)


class _Unexpected(TelamonError):
    detail = "Unexpected error: %s"


def _unexpected(error: Exception) -> TelamonError:
    """Only the kind: an unknown error's text may hold anything."""
    return _Unexpected(f"{type(error).__name__}. The server's log has the details.")
