"""What a blob store promises. Each store keeps the whole of it; one test suite runs over all."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from telamon.errors import IntegrityError, Unrecoverable

Data = bytes | bytearray | memoryview
"""What can be put: bytes in one piece."""

UNFINISHED_SUFFIX = ".tmp"
"""Ends the names that a store may use for writes under way; no key ends so."""

_SEGMENT = re.compile(r"[a-z0-9._-]+")
_KEY_LIMIT_BYTES = 512


class BlobNotFound(Unrecoverable):
    """The parameter is the key that the store does not hold."""

    detail = "There is no blob %s."


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobInfo:
    """One line of a listing."""

    key: str
    size_bytes: int


class BlobStore(Protocol):
    """Named byte strings that are written once. Every method may be called by any thread.

    Each method raises ``ValueError`` for a key that ``check_key`` refuses, and ``Unavailable``
    when the medium fails; the latter may be tried again. No key may be the folder of another.
    """

    def put(self, key: str, data: Data) -> bool:
        """Store ``data`` unless the key exists; answer whether this call stored it.

        Atomic: others see the whole blob or none. Durable: when it returns, with either answer,
        the blob outlives a loss of power. Of several calls at once for one key exactly one
        answers True. After False nothing has changed, whatever the existing blob holds.
        """
        ...

    def get(self, key: str) -> bytes:
        """The whole blob. Raises ``BlobNotFound``."""
        ...

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Exactly ``length`` bytes from ``start``.

        Raises ``BlobNotFound``, and ``IntegrityError`` where the blob ends before the range does;
        never answers with fewer bytes.
        """
        ...

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Every blob whose key starts with ``prefix``, in the order of the keys' characters.

        Never yields a write under way or what a crash left of one. Blobs put or deleted during
        the listing may or may not be in it.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove the blob; nothing happens when there is none."""
        ...

    def size(self, key: str) -> int:
        """Length of the blob in bytes. Raises ``BlobNotFound``."""
        ...


def check_key(key: str) -> None:
    """Refuse, with ``ValueError``, a key that some store could take for something else.

    A key is one or more segments of ``a-z 0-9 . _ -`` between single slashes. Upper case is
    refused since some file systems do not tell it apart, ``.`` and ``..`` since they lead
    elsewhere, ``.tmp`` since writes under way are called so.
    """
    segments = key.split("/")
    if len(key) > _KEY_LIMIT_BYTES or not all(map(_is_segment, segments)):
        raise ValueError(f"{key!r} is no key of a blob.")


def is_key(text: str) -> bool:
    """Whether ``check_key`` takes it."""
    try:
        check_key(text)
    except ValueError:
        return False
    return True


def _is_segment(segment: str) -> bool:
    return (
        _SEGMENT.fullmatch(segment) is not None
        and segment not in (".", "..")
        and not segment.endswith(UNFINISHED_SUFFIX)
    )


def folder_of(prefix: str) -> str:
    """The folder that holds every key with this prefix, without its last slash; "" is the root.

    Raises ``ValueError`` for a prefix that no key can have.
    """
    folder, _, rest = prefix.rpartition("/")
    if folder or prefix.startswith("/"):
        check_key(folder)
    if rest and _SEGMENT.fullmatch(rest) is None:
        raise ValueError(f"{prefix!r} is no prefix of a blob's key.")
    return folder


def check_range(start: int, length: int) -> None:
    """Refuse, with ``ValueError``, a range that means no bytes of any blob."""
    if start < 0 or length < 0:
        raise ValueError(f"There is no range of {length} bytes from {start}.")


def range_beyond_end(key: str, start: int, length: int, size_bytes: int) -> IntegrityError:
    """The error of a range that the blob does not have, in the same words for every store."""
    return IntegrityError(
        f"Blob {key} has {size_bytes} bytes; bytes {start} to {start + length} were expected in it."
    )
