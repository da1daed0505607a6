"""Running jobs: DBOS workflows around plain handlers.

A job that dies with its worker is taken up again by the next one, from the step it was in. So
every step may happen twice, and a handler looks before it acts.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import structlog
from dbos import DBOS, DBOSConfig
from sqlalchemy import Engine

from telamon.errors import TelamonError
from telamon.jobs.queue import QUEUE_NAME, JobKind

T = TypeVar("T")

# Set by hand: by default DBOS makes it of the code, and an upgraded program would leave alone
# what an older one was asked to do. It changes only with the order of a handler's steps.
APPLICATION_VERSION = "telamon-1"
_JOBS_AT_ONCE = 4
_POLL_SECONDS = 0.25
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
    """Runs the jobs of one database in this process, a few at a time.

    At most one Worker of the same ``executor_id`` may live; the caller sees to that.
    """

    def __init__(
        self, engine: Engine, handlers: Mapping[JobKind, JobHandler], *, executor_id: str
    ) -> None:
        self._stopping = threading.Event()
        self._stopped = threading.Event()
        DBOS(
            config=DBOSConfig(
                name="telamon",
                system_database_engine=engine,
                application_version=APPLICATION_VERSION,
                executor_id=executor_id,
                log_level="WARNING",
                use_listen_notify=False,
                run_migrations=engine.dialect.name == "sqlite",
            )
        )
        for kind, handler in handlers.items():
            DBOS.workflow(name=kind.value)(self._workflow(kind, handler))

    def launch(self) -> None:
        """Take up what a predecessor left, then whatever is asked for."""
        DBOS.launch()
        DBOS.register_queue(
            QUEUE_NAME,
            worker_concurrency=_JOBS_AT_ONCE,
            partition_concurrency=1,
            polling_interval_sec=_POLL_SECONDS,
        )

    def stop(self, grace_seconds: int) -> None:
        """Take no more jobs, wait for those that run, hand back what is not done in time.

        Jobs that were handed back still hold threads; the caller ends the process.
        """
        self._stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=grace_seconds)
        self._stopped.set()

    def _workflow(self, kind: JobKind, handler: JobHandler) -> Callable[[str], None]:
        def job(subject_id: str) -> None:
            log = _log.bind(job=kind.value, subject_id=subject_id)
            log.info("job_started", action="start_job")
            try:
                handler.run(subject_id, _steps)
            except TelamonError as error:
                self._end_in_failure(handler, subject_id, error)
                log.warning("job_failed", action="fail_job", reason=error.message)
            except Exception as error:  # one job's defect must not end the worker
                log.exception("job_broke", action="fail_job")
                self._end_in_failure(handler, subject_id, _unexpected(error))
            else:
                log.info("job_finished", action="finish_job")

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
