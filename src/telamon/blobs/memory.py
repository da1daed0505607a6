"""Blobs in the memory of this process."""

from collections.abc import Iterator
from threading import Lock

from telamon.blobs.base import (
    BlobInfo,
    BlobNotFound,
    Data,
    check_key,
    check_range,
    folder_of,
    range_beyond_end,
)


class MemoryBlobStore:
    """A ``BlobStore`` that is gone with its process: for tests and trials."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._lock = Lock()

    def put(self, key: str, data: Data) -> bool:
        check_key(key)
        with self._lock:
            if key in self._blobs:
                return False
            self._blobs[key] = bytes(data)
            return True

    def get(self, key: str) -> bytes:
        check_key(key)
        with self._lock:
            try:
                return self._blobs[key]
            except KeyError as error:
                raise BlobNotFound(key) from error

    def get_range(self, key: str, start: int, length: int) -> bytes:
        check_range(start, length)
        blob = self.get(key)
        if start + length > len(blob):
            raise range_beyond_end(key, start, length, len(blob))
        return blob[start : start + length]

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        folder_of(prefix)
        with self._lock:
            sizes = [
                (key, len(blob)) for key, blob in self._blobs.items() if key.startswith(prefix)
            ]
        for key, size_bytes in sorted(sizes):
            yield BlobInfo(key=key, size_bytes=size_bytes)

    def delete(self, key: str) -> None:
        check_key(key)
        with self._lock:
            self._blobs.pop(key, None)

    def size(self, key: str) -> int:
        return len(self.get(key))
