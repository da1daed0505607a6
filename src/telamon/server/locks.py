"""Locks of the data directory: files that the system unlocks when their holder ends, however it ends.

On a PostgreSQL database the lock ``repository`` is one of the database, so that all machines see it;
the others are of the data directory there, too.

=================  ==========================================  =================================
lock               held alone by                               shared by
=================  ==========================================  =================================
``serve``          ``telamon serve``
``worker``         ``telamon worker``
``repository``     prune; a start of the worker, to clean up   jobs that read or write snapshots,
                                                               check, stats, rescan
``change-key``     ``telamon repository change-key``
=================  ==========================================  =================================
"""

import fcntl
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

from telamon.errors import ConfigurationError, Unavailable
from telamon.state.advisory_locks import AdvisoryLock
from telamon.state.database import Database

_POLL_SECONDS = 0.1


@contextmanager
def process_lock(data_dir: Path, name: str, *, wait_seconds: float = 0) -> Iterator[None]:
    """Be the only ``telamon <name>`` of the data directory. Raises ConfigurationError if another is."""
    with _open(data_dir, name) as file:
        if not _take(file, fcntl.LOCK_EX, wait_seconds):
            raise ConfigurationError(
                f"TELAMON_DATA_DIR is {data_dir}, which another telamon {name} is using."
            )
        yield


Check = Callable[[], None]
"""Raises LockLost if a lock is not held any more."""


class RepositoryAccess(ABC):
    """Who may take chunks away, and who counts on them.

    Every context manager yields a check that the lock is still held.
    """

    @contextmanager
    def shared(self, *, wait_seconds: float = 0) -> Iterator[Check]:
        """While it is held, no chunk goes away. Raises Unavailable after ``wait_seconds``."""
        try:
            with self._held(shared=True, wait_seconds=wait_seconds) as check:
                yield check
        except _NotInTimeError as error:
            raise Unavailable(
                "The repository is being pruned; try again when that is done."
            ) from error

    @contextmanager
    def shared_at_last(self) -> Iterator[Check]:
        """As ``shared``, however long it takes."""
        with self._held(shared=True, wait_seconds=None) as check:
            yield check

    @contextmanager
    def alone(self, *, wait_seconds: float = 0) -> Iterator[Check]:
        """While it is held, nobody reads or writes. Raises Unavailable after ``wait_seconds``."""
        try:
            with self._held(shared=False, wait_seconds=wait_seconds) as check:
                yield check
        except _NotInTimeError as error:
            raise Unavailable(
                "The repository is in use by a snapshot, a restore or another telamon "
                "repository command; try again when that is done, or give --wait-seconds."
            ) from error

    @abstractmethod
    def _held(self, *, shared: bool, wait_seconds: float | None) -> AbstractContextManager[Check]:
        """For ever with None. Raises _NotInTimeError."""


class RepositoryLock(RepositoryAccess):
    """Among the processes of one data directory. Each holder is a file of its own."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    @contextmanager
    def _held(self, *, shared: bool, wait_seconds: float | None) -> Iterator[Check]:
        operation = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        with _open(self._data_dir, "repository") as file:
            if wait_seconds is None:
                fcntl.flock(file, operation)
            elif not _take(file, operation, wait_seconds):
                raise _NotInTimeError
            yield never_lost


class FleetRepositoryLock(RepositoryAccess):
    """Among all processes that share a PostgreSQL database. Each holder is a connection of its own."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url

    @contextmanager
    def _held(self, *, shared: bool, wait_seconds: float | None) -> Iterator[Check]:
        with closing(Database.postgresql(self._database_url)) as db, ExitStack() as stack:
            lock = AdvisoryLock(db.engine, "repository")
            try:
                check = stack.enter_context(lock.held(shared=shared, wait_seconds=wait_seconds))
            except TimeoutError as error:
                raise _NotInTimeError from error
            yield check


class _NotInTimeError(Exception):
    """Others held the lock all the time."""


def never_lost() -> None:
    """A file is locked until it is closed."""


def unwritable(data_dir: Path, error: OSError) -> ConfigurationError:
    """The error of a data directory that cannot be made or written."""
    return ConfigurationError(
        f"TELAMON_DATA_DIR is {data_dir}, which cannot be written: {error.strerror}."
    )


@contextmanager
def _open(data_dir: Path, name: str) -> Iterator[int]:
    folder = data_dir / "run"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = (folder / f"{name}.lock").open("a")
    except OSError as error:
        raise unwritable(data_dir, error) from error
    with file:
        yield file.fileno()


def _take(file: int, operation: int, wait_seconds: float) -> bool:
    """Whether the lock could be taken in time. Tried at least once."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(file, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
