"""Jobs that count on the repository's chunks, and whether they still may."""

import contextlib
import threading
from collections.abc import Iterator

import structlog

from telamon.errors import LockLost, TelamonError
from telamon.jobs.worker import JobHandler, Steps
from telamon.repository.repository import Repository
from telamon.server.locks import Check, RepositoryAccess, never_lost

_BEGINS_AT_MOST = 3

_log = structlog.get_logger()


class Confirmation:
    """Whether a job is still this worker's, and the chunks that it counts on are all there.

    Thread-safe.
    """

    def __init__(self, *, require: Check, require_lately: Check) -> None:
        """As a lease has them."""
        self._require = require
        self._require_lately = require_lately
        self._guard = threading.Lock()
        self._checks: dict[str, Check] = {}

    def __call__(self, subject_id: str) -> None:
        """Raises WorkerReplaced, LockLost."""
        self._require()
        with self._guard:
            check = self._checks.get(subject_id, never_lost)
        check()

    def lately(self, subject_id: str) -> None:
        """Raises WorkerReplaced."""
        del subject_id
        self._require_lately()

    @contextlib.contextmanager
    def holding(self, subject_id: str, check: Check) -> Iterator[None]:
        """The job of that subject counts on a lock of the repository, of which ``check`` knows."""
        with self._guard:
            self._checks[subject_id] = check
        try:
            yield
        finally:
            with self._guard:
                del self._checks[subject_id]


class WithRepository:
    """A job that counts on the repository's chunks: none goes away while it runs."""

    def __init__(
        self,
        handler: JobHandler,
        repository: Repository,
        lock: RepositoryAccess,
        confirmation: Confirmation,
    ) -> None:
        self._handler = handler
        self._repository = repository
        self._lock = lock
        self._confirmation = confirmation

    def run(self, subject_id: str, steps: Steps) -> None:
        """Waits, however long, while the repository is pruned. A job whose lock was lost runs again."""
        for number in range(1, _BEGINS_AT_MOST + 1):
            try:
                self._run(subject_id, steps)
            except LockLost as error:
                if number == _BEGINS_AT_MOST:
                    raise
                _log.warning("lock_lost", action="run_job", reason=error.message)
            else:
                return

    def fail(self, subject_id: str, error: TelamonError) -> None:
        self._handler.fail(subject_id, error)

    def _run(self, subject_id: str, steps: Steps) -> None:
        with (
            self._lock.shared_at_last() as check,
            self._confirmation.holding(subject_id, check),
        ):
            # A prune by another process may have moved chunks since they were last looked for.
            self._repository.index.refresh()
            self._handler.run(subject_id, steps)
