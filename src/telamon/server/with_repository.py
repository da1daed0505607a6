"""Jobs that count on the repository's chunks, and whether they still may."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import structlog

from telamon.errors import LockLost, TelamonError, Unavailable
from telamon.jobs.worker import JobHandler, Steps
from telamon.operations.run_repository_job import PruneRepository
from telamon.repository.repository import Repository
from telamon.server.locks import Check, RepositoryAccess, never_lost

_BEGINS_AT_MOST = 3
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 600.0

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
            self._held(subject_id) as check,
            self._confirmation.holding(subject_id, check),
        ):
            # A prune by another process may have moved chunks since they were last looked for.
            self._repository.index.refresh()
            self._handler.run(subject_id, steps)

    def _held(self, subject_id: str) -> AbstractContextManager[Check]:
        del subject_id
        return self._lock.shared_at_last()


class AloneWithRepository(WithRepository):
    """A prune: nobody else reads or writes while it takes something away.

    Who waits in the line of a lock holds up those behind him. So it waits for a while, stands back
    for as long, and waits for twice as long the next time: jobs that are asked for beside a long
    snapshot are held up little, and the prune does not wait for ever where there is always one.
    """

    def __init__(
        self,
        handler: PruneRepository,
        repository: Repository,
        lock: RepositoryAccess,
        confirmation: Confirmation,
        *,
        tidy: Callable[[], None],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        """``tidy`` takes away what killed writers left unfinished."""
        super().__init__(handler, repository, lock, confirmation)
        self._prune = handler
        self._tidy = tidy
        self._pause = pause

    @contextlib.contextmanager
    def _held(self, subject_id: str) -> Iterator[Check]:
        if not self._prune.takes_away(subject_id):
            with super()._held(subject_id) as check:
                yield check
            return
        with contextlib.ExitStack() as stack:
            check = self._alone_at_last(stack)
            self._tidy()
            yield check

    def _alone_at_last(self, stack: contextlib.ExitStack) -> Check:
        seconds = _FIRST_WAIT_SECONDS
        while True:
            try:
                return stack.enter_context(self._lock.alone(wait_seconds=seconds))
            except Unavailable as error:
                _log.info("prune_waits", action="prune_repository", reason=error.message)
            self._pause(seconds)
            seconds = min(2 * seconds, _LONGEST_WAIT_SECONDS)
