"""The bytes of a pack: many chunks in one blob, with an index of them at its end.

docs/repository-format.md has the byte tables.
"""

import mmap
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.codec import CHUNK_ID_BYTES, MOST_BASES, EncodedChunk, is_delta

PACK_PREFIX = "packs/"
PACK_TARGET_BYTES = 32 * 1024 * 1024
_ROOM_BYTES = PACK_TARGET_BYTES + 8 * 1024 * 1024
FOOTER_BYTES = 52
RECORD_BYTES = 48
_VERSION = 2
_WITHOUT_BASES = 1
_MAGIC = b"TLMNPACK"
_FOOTER_MAGIC = b"TLMNPEND"
_HEADER = struct.Struct("<8sII")
_RECORD = struct.Struct("<32sIIIB3x")
_BASE = struct.Struct(f"<I{CHUNK_ID_BYTES}s")
_FOOTER_FACTS = struct.Struct("<III")
_FOOTER = struct.Struct("<12s32s8s")
_KEY = re.compile(r"packs/[0-9a-f]{2}/[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRecord:
    """Where in a pack one chunk is."""

    chunk_id: bytes
    offset: int
    """Bytes from the start of the pack."""
    stored_bytes: int
    raw_bytes: int
    encoding: int
    base_ids: tuple[bytes, ...] = ()
    """Of a delta: the chunks without which it cannot be read, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What the end of a pack says of its index."""

    index_offset: int
    index_bytes: int
    """Of all records, those of bases included."""
    facts: bytes = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackIndex:
    """The proven index of one pack."""

    records: bytes = field(repr=False)
    """``RECORD_BYTES`` for each chunk, in the order of the chunks."""
    bases: Mapping[int, tuple[bytes, ...]] = field(repr=False)
    """Ids of the bases of each delta, by the number of its record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPack:
    """A pack that is ready to be put under its key."""

    key: str
    data: memoryview = field(repr=False)
    index: PackIndex = field(repr=False)


class PackBuilder:
    """Collects chunks in memory until they are worth a blob. For one thread at a time."""

    def __init__(self) -> None:
        # Pages of the system's own: they take memory when they are written to and give all of it
        # back, where a buffer that grows in the heap is copied and leaves holes.
        self._room = mmap.mmap(-1, _ROOM_BYTES)
        self._records = bytearray()
        self._bases: dict[int, tuple[bytes, ...]] = {}
        self._chunks_end = _HEADER.size

    @property
    def is_empty(self) -> bool:
        return not self._records

    @property
    def is_full(self) -> bool:
        """Whether the pack has reached its size; one chunk more would still fit."""
        return self._chunks_end >= PACK_TARGET_BYTES

    def add(self, chunk_id: bytes, chunk: EncodedChunk, raw_bytes: int) -> None:
        stored_bytes = len(chunk.stored)
        if chunk.base_ids:
            self._bases[len(self._records) // RECORD_BYTES] = chunk.base_ids
        self._records += _RECORD.pack(
            chunk_id, self._chunks_end, stored_bytes, raw_bytes, chunk.encoding
        )
        self._write(self._chunks_end, chunk.stored)
        self._chunks_end += stored_bytes

    def finish(self, salt: int) -> FinishedPack:
        """The pack's bytes and its key; another ``salt`` gives the same chunks another key.

        The bytes are the builder's own, not a copy: they change with the next call, and after
        the first one no chunk can be added.
        """
        records = bytes(self._records)
        index = records + b"".join(
            _BASE.pack(number, base_id)
            for number, base_ids in self._bases.items()
            for base_id in base_ids
        )
        facts = _FOOTER_FACTS.pack(self._chunks_end, len(records) // RECORD_BYTES, _VERSION)
        tail = index + _FOOTER.pack(facts, _index_digest(index, facts), _FOOTER_MAGIC)
        self._write(self._chunks_end, tail)
        _HEADER.pack_into(self._room, 0, _MAGIC, _VERSION, salt)
        data = memoryview(self._room)[: self._chunks_end + len(tail)]
        return FinishedPack(
            key=_name_pack(data), data=data, index=PackIndex(records=records, bases=self._bases)
        )

    def _write(self, start: int, data: bytes) -> None:
        end = start + len(data)
        if end > len(self._room):
            larger = mmap.mmap(-1, end + _ROOM_BYTES)
            larger[:start] = self._room[:start]
            self._room = larger
        self._room[start:end] = data


def is_pack_key(key: str) -> bool:
    """Whether a key has the shape of a pack's."""
    return _KEY.fullmatch(key) is not None


def parse_footer(key: str, footer: bytes, size_bytes: int) -> Footer:
    """What the last ``FOOTER_BYTES`` of the pack under ``key`` say of its index.

    ``size_bytes`` is the length of the whole pack. Raises ``IntegrityError`` naming the pack.
    Nothing in the answer is proven before ``check_index``, but its range lies inside the pack.
    """
    if len(footer) != FOOTER_BYTES:
        raise _damaged(key, "it is too short")
    facts, digest, magic = _FOOTER.unpack(footer)
    offset = _FOOTER_FACTS.unpack(facts)[0]
    index_bytes = size_bytes - FOOTER_BYTES - offset
    if magic != _FOOTER_MAGIC:
        raise _damaged(key, "it does not end as packs do")
    if offset < _HEADER.size or index_bytes < 0:
        raise _damaged(key, "its footer does not fit its length")
    return Footer(index_offset=offset, index_bytes=index_bytes, facts=facts, digest=digest)


def parse_index(key: str, index: bytes, footer: Footer) -> PackIndex:
    """Prove that the bytes from ``footer.index_offset`` are the index that was written.

    Raises ``IntegrityError``, and ``UnknownFormat`` for an unharmed pack of a later version; both
    name the pack.
    """
    if len(index) != footer.index_bytes or _index_digest(index, footer.facts) != footer.digest:
        raise _damaged(key, "its index has another hash")
    _, count, version = _FOOTER_FACTS.unpack(footer.facts)
    _check_version(key, version)
    records, bases = index[: count * RECORD_BYTES], index[count * RECORD_BYTES :]
    if len(records) != count * RECORD_BYTES or len(bases) % _BASE.size:
        raise _damaged(key, "its footer does not fit its length")
    parsed = PackIndex(records=records, bases=_parse_bases(bases))
    expected_offset = _HEADER.size
    deltas = set()
    for number, record in enumerate(iterate_records(parsed)):
        if record.offset != expected_offset:
            raise _damaged(key, "its chunks do not stand one after the other")
        expected_offset += record.stored_bytes
        if is_delta(record.encoding):
            deltas.add(number)
    if expected_offset != footer.index_offset:
        raise _damaged(key, "its chunks do not end where its index begins")
    if deltas != parsed.bases.keys() or any(
        len(base_ids) > MOST_BASES for base_ids in parsed.bases.values()
    ):
        raise _damaged(key, "its deltas and its bases are not the same")
    return parsed


def read_record(index: PackIndex, number: int) -> PackRecord:
    """The record of the chunk that is ``number``-th in the pack, from 0."""
    values = _RECORD.unpack_from(index.records, number * RECORD_BYTES)
    return _record(values, index.bases.get(number, ()))


def iterate_records(index: PackIndex) -> Iterator[PackRecord]:
    """Every record of an index, in the order of the chunks."""
    bases = index.bases
    for number, values in enumerate(_RECORD.iter_unpack(index.records)):
        yield _record(values, bases.get(number, ()))


def iterate_chunk_ids(index: PackIndex) -> Iterator[bytes]:
    """The id of every chunk, in the order of the chunks."""
    for start in range(0, len(index.records), RECORD_BYTES):
        yield index.records[start : start + CHUNK_ID_BYTES]


def check_whole_pack(key: str, data: bytes) -> PackIndex:
    """Prove every byte of the pack under ``key``, and that it is the pack of that key.

    Raises ``IntegrityError`` and ``UnknownFormat`` as ``parse_index`` does.
    """
    if _name_pack(data) != key:
        raise _damaged(key, "its bytes have another name")
    footer = parse_footer(key, data[-FOOTER_BYTES:], len(data))
    index = data[footer.index_offset : footer.index_offset + footer.index_bytes]
    parsed = parse_index(key, index, footer)
    magic, version, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise _damaged(key, "it does not begin as packs do")
    _check_version(key, version)
    return parsed


def _parse_bases(bases: bytes) -> dict[int, tuple[bytes, ...]]:
    parsed: dict[int, tuple[bytes, ...]] = {}
    for number, base_id in _BASE.iter_unpack(bases):
        parsed[number] = (*parsed.get(number, ()), base_id)
    return parsed


def _record(values: tuple[bytes, int, int, int, int], base_ids: tuple[bytes, ...]) -> PackRecord:
    chunk_id, offset, stored_bytes, raw_bytes, encoding = values
    return PackRecord(
        chunk_id=chunk_id,
        offset=offset,
        stored_bytes=stored_bytes,
        raw_bytes=raw_bytes,
        encoding=encoding,
        base_ids=base_ids,
    )


def _name_pack(data: bytes | memoryview) -> str:
    name = blake3(data).hexdigest()
    return f"{PACK_PREFIX}{name[:2]}/{name}"


def _index_digest(index: bytes, facts: bytes) -> bytes:
    return blake3(index).update(facts).digest()


def _check_version(key: str, version: int) -> None:
    if version not in (_WITHOUT_BASES, _VERSION):
        raise UnknownFormat(
            f"Pack {key} has format version {version}, which this version does not know."
        )


def _damaged(key: str, harm: str) -> IntegrityError:
    return IntegrityError(f"Pack {key} is damaged: {harm}.")
