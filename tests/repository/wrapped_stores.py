"""Blob stores that fail, or watch, and otherwise leave the work to another store."""

from threading import Lock

from telamon.blobs.base import BlobStore, Data
from telamon.errors import Unavailable
from tests.blobs.faulty import CrashError, Fail, FaultyStore, WrappedStore

__all__ = ["CrashError", "CrashingStore", "FullStore", "WatchingStore", "WrappedStore"]


class CrashingStore(WrappedStore):
    """Crashes at its n-th put, counted from 1: before the blob is stored, or right after.

    Only keys of ``prefix`` count. From then on every put crashes.
    """

    def __init__(self, inner: BlobStore, *, at: int, after: bool, prefix: str = "") -> None:
        super().__init__(inner)
        self._at = at
        self._after = after
        self._prefix = prefix
        self._puts = 0
        self._lock = Lock()

    def put(self, key: str, data: Data) -> bool:
        with self._lock:
            self._puts += key.startswith(self._prefix)
            puts = self._puts
            crashes = puts >= self._at
        if not crashes:
            return super().put(key, data)
        if self._after and puts == self._at:
            super().put(key, data)
        raise CrashError


class FullStore(FaultyStore):
    """Has no room for keys of one prefix."""

    def __init__(self, inner: BlobStore, prefix: str) -> None:
        super().__init__(inner, Fail("put", prefix=prefix, times=None, error=_no_room))


class WatchingStore(WrappedStore):
    """Keeps the order of the puts and the ranged reads."""

    def __init__(self, inner: BlobStore) -> None:
        super().__init__(inner)
        self.puts: list[str] = []
        self.ranges: list[tuple[str, int, int]] = []

    def put(self, key: str, data: Data) -> bool:
        self.puts.append(key)
        return super().put(key, data)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.ranges.append((key, start, length))
        return super().get_range(key, start, length)


def _no_room(key: str) -> Unavailable:
    return Unavailable(f"Cannot write {key}: No space left on device.")
