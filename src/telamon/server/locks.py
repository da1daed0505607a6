"""Locks of the data directory: files that the system unlocks when their holder ends, however it ends.

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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telamon.errors import ConfigurationError, Unavailable

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


class RepositoryLock:
    """Who may take chunks away, and who counts on them. Each holder is a file of its own."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir

    @contextmanager
    def shared(self, *, wait_seconds: float = 0) -> Iterator[None]:
        """While it is held, no chunk goes away. Raises Unavailable after ``wait_seconds``."""
        with _open(self._data_dir, "repository") as file:
            if not _take(file, fcntl.LOCK_SH, wait_seconds):
                raise Unavailable("The repository is being pruned; try again when that is done.")
            yield

    @contextmanager
    def shared_at_last(self) -> Iterator[None]:
        """As ``shared``, however long it takes."""
        with _open(self._data_dir, "repository") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    @contextmanager
    def alone(self, *, wait_seconds: float = 0) -> Iterator[None]:
        """While it is held, nobody reads or writes. Raises Unavailable after ``wait_seconds``."""
        with _open(self._data_dir, "repository") as file:
            if not _take(file, fcntl.LOCK_EX, wait_seconds):
                raise Unavailable(
                    "The repository is in use by a snapshot, a restore or another telamon "
                    "repository command; try again when that is done, or give --wait-seconds."
                )
            yield


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
