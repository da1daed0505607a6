"""A snapshot as ``mongodump --archive`` writes one: made of its documents, from any byte on.

Layout (mongo-tools, common/archive/spec.md, format version 0.1; integers little-endian)::

    prelude       u32 0x8199e26d, header document, one document a collection or view, end
    a collection  {db, collection, EOF: false, CRC: 0}, its documents as they are, end
                  {db, collection, EOF: true, CRC: CRC-64 of its documents}, end
    end           4 bytes of 0xff, which no document can begin with

A collection without documents, and a view, have the second document only; it is what makes
mongorestore create them. The documents of a time series are those of its buckets, and their
collection is the buckets'. One collection follows the other, so that the position of every byte
follows from the manifest and nothing has to be written down before a download begins.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import accumulate
from typing import Any

from bson import decode, encode
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.int64 import Int64
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from fastcrc import crc64

from telamon import __version__
from telamon.model.manifest import CollectionKind, CollectionSpec, Manifest, StoredCollection
from telamon.mongo.catalog import BUCKETS_PREFIX

Documents = Callable[[StoredCollection], Generator[bytes]]
"""Gives each chunk of a collection, in order. Closed early when no more of it is needed."""

_MAGIC = bytes.fromhex("6de29981")
_FORMAT_VERSION = "0.1"
_END = b"\xff\xff\xff\xff"
_SIGN = 1 << 63
# Dates before the year 1 are in options of real servers, and datetime has none of them.
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_MS
)


def checksum(documents: bytes, before: int = 0) -> int:
    """The CRC-64 of a collection, as the archive has it: CRC-64/XZ. ``before`` is that of all the
    documents in front of these."""
    return crc64.xz(documents, before)


class Archive:
    """The archive of one snapshot: the same bytes whoever makes them, and whenever.

    ``checksums`` has the CRC-64 of each of the manifest's collections, in their order.
    May be used by several threads at once.
    """

    def __init__(self, manifest: Manifest, checksums: Sequence[int]) -> None:
        """Raises ValueError if there are not as many checksums as collections."""
        self.prelude = _prelude(manifest)
        self._parts: list[bytes | StoredCollection] = [self.prelude]
        for stored, value in zip(manifest.collections, checksums, strict=True):
            self._parts += _parts_of(stored, value)
        self._starts = [0, *accumulate(map(_size, self._parts))]

    @property
    def size_bytes(self) -> int:
        return self._starts[-1]

    @property
    def digest(self) -> bytes:
        """Another one for an archive that differs in any byte: of all but the documents, since their
        checksums stand for them."""
        found = hashlib.sha256()
        for part in self._parts:
            if isinstance(part, bytes):
                found.update(part)
        return found.digest()

    def read(self, start: int, end: int, documents: Documents) -> Generator[memoryview]:
        """The bytes from ``start`` to before ``end``, in pieces of a chunk at most.

        Asks ``documents`` for the chunks that hold some of them and for no others. Raises what it
        raises.
        """
        number = bisect_right(self._starts, start) - 1
        while start < end:
            part, begin = self._parts[number], self._starts[number]
            stop = min(end, self._starts[number + 1])
            if isinstance(part, bytes):
                yield memoryview(part)[start - begin : stop - begin]
            else:
                yield from _run(part, start - begin, stop - begin, documents)
            start = stop
            number += 1


def _run(
    stored: StoredCollection, start: int, end: int, documents: Documents
) -> Iterator[memoryview]:
    """A run of a collection's documents by its offsets among them, ``end`` past ``start``."""
    starts = [0, *accumulate(chunk.size_bytes for chunk in stored.chunks)]
    first = bisect_right(starts, start) - 1
    last = bisect_right(starts, end - 1) - 1
    position = starts[first]
    needed = replace(stored, chunks=stored.chunks[first : last + 1])
    with closing(documents(needed)) as pieces:
        for piece in pieces:
            yield memoryview(piece)[max(start - position, 0) : end - position]
            position += len(piece)


def _parts_of(stored: StoredCollection, value: int) -> Iterator[bytes | StoredCollection]:
    if stored.size_bytes:
        yield _namespace(stored.spec, is_end=False, value=0)
        yield stored
        yield _END
    yield _namespace(stored.spec, is_end=True, value=value) + _END


def _size(part: bytes | StoredCollection) -> int:
    return len(part) if isinstance(part, bytes) else part.size_bytes


def _prelude(manifest: Manifest) -> bytes:
    header = {
        "concurrent_collections": 1,
        "version": _FORMAT_VERSION,
        "server_version": manifest.mongodb_version,
        "tool_version": f"Telamon {__version__}",
    }
    return b"".join(
        [_MAGIC, encode(header), *(_description(stored) for stored in manifest.collections), _END]
    )


def _description(stored: StoredCollection) -> bytes:
    spec = stored.spec
    return encode(
        {
            "db": spec.namespace.database,
            "collection": spec.namespace.name,
            "metadata": _metadata(spec),
            "size": stored.size_bytes,
            "type": spec.kind.value,
        }
    )


def _metadata(spec: CollectionSpec) -> str:
    """What mongodump writes to ``<collection>.metadata.json``, in canonical Extended JSON."""
    metadata: dict[str, Any] = {
        "options": decode(spec.options, _OPTIONS) if spec.options else {},
        "indexes": [decode(index, _OPTIONS) for index in spec.indexes],
    }
    if spec.uuid is not None and spec.kind is CollectionKind.COLLECTION:
        metadata["uuid"] = spec.uuid.hex()
    metadata |= {"collectionName": spec.namespace.name, "type": spec.kind.value}
    return dumps(
        metadata, json_options=CANONICAL_JSON_OPTIONS, ensure_ascii=False, separators=(",", ":")
    )


def _namespace(spec: CollectionSpec, *, is_end: bool, value: int) -> bytes:
    """In front of a collection's documents, and behind them. ``CRC`` is signed."""
    is_buckets = spec.kind is CollectionKind.TIMESERIES
    return encode(
        {
            "db": spec.namespace.database,
            "collection": (BUCKETS_PREFIX if is_buckets else "") + spec.namespace.name,
            "EOF": is_end,
            "CRC": Int64(value - 2 * _SIGN if value >= _SIGN else value),
        }
    )
