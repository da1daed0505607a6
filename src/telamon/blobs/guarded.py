"""A store that asks before it deletes."""

from collections.abc import Callable, Iterator

from telamon.blobs.base import BlobInfo, BlobStore, Data


class GuardedStore:
    """Calls ``confirm`` just before each deletion; what that raises, comes out, and nothing is deleted."""

    def __init__(self, inner: BlobStore, confirm: Callable[[], None]) -> None:
        self._inner = inner
        self._confirm = confirm

    def put(self, key: str, data: Data) -> bool:
        return self._inner.put(key, data)

    def get(self, key: str) -> bytes:
        return self._inner.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self._inner.get_range(key, start, length)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        return self._inner.list(prefix)

    def delete(self, key: str) -> None:
        self._confirm()
        self._inner.delete(key)

    def size(self, key: str) -> int:
        return self._inner.size(key)
