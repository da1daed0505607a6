"""The bytes of a pack: many chunks in one blob, with an index of them at its end.

docs/repository-format.md has the byte tables.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.codec import EncodedChunk

PACK_PREFIX = "packs/"
PACK_TARGET_BYTES = 64 * 1024 * 1024
FOOTER_BYTES = 52
RECORD_BYTES = 48
_VERSION = 1
_MAGIC = b"TLMNPACK"
_FOOTER_MAGIC = b"TLMNPEND"
_HEADER = struct.Struct("<8sII")
_RECORD = struct.Struct("<32sIIIB3x")
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    """What the end of a pack says of its index."""

    index_offset: int
    records: int
    facts: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @property
    def index_bytes(self) -> int:
        return self.records * RECORD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedPack:
    """A pack that is ready to be put under its key."""

    key: str
    data: bytearray = field(repr=False)
    index: bytes = field(repr=False)


class PackBuilder:
    """Collects chunks in memory until they are worth a blob. For one thread at a time."""

    def __init__(self) -> None:
        self._data = bytearray(_HEADER.size)
        self._index = bytearray()
        self._chunks_end = _HEADER.size

    @property
    def is_empty(self) -> bool:
        return not self._index

    @property
    def is_full(self) -> bool:
        """Whether the pack has reached its size; one chunk more would still fit."""
        return self._chunks_end >= PACK_TARGET_BYTES

    def add(self, chunk_id: bytes, chunk: EncodedChunk, raw_bytes: int) -> None:
        stored_bytes = len(chunk.stored)
        self._index += _RECORD.pack(
            chunk_id, self._chunks_end, stored_bytes, raw_bytes, chunk.encoding
        )
        self._data += chunk.stored
        self._chunks_end += stored_bytes

    def finish(self, salt: int) -> FinishedPack:
        """The pack's bytes and its key; another ``salt`` gives the same chunks another key.

        The bytes are the builder's own, not a copy: they change with the next call, and after
        the first one no chunk can be added.
        """
        data, index = self._data, bytes(self._index)
        del data[self._chunks_end :]
        _HEADER.pack_into(data, 0, _MAGIC, _VERSION, salt)
        facts = _FOOTER_FACTS.pack(self._chunks_end, len(index) // RECORD_BYTES, _VERSION)
        data += index
        data += _FOOTER.pack(facts, _index_digest(index, facts), _FOOTER_MAGIC)
        return FinishedPack(key=_name_pack(data), data=data, index=index)


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
    offset, records, _ = _FOOTER_FACTS.unpack(facts)
    parsed = Footer(index_offset=offset, records=records, facts=facts, digest=digest)
    if magic != _FOOTER_MAGIC:
        raise _damaged(key, "it does not end as packs do")
    if offset < _HEADER.size or offset + parsed.index_bytes + FOOTER_BYTES != size_bytes:
        raise _damaged(key, "its footer does not fit its length")
    return parsed


def check_index(key: str, index: bytes, footer: Footer) -> None:
    """Prove that the bytes from ``footer.index_offset`` are the index that was written.

    Raises ``IntegrityError``, and ``UnknownFormat`` for an unharmed pack of a later version; both
    name the pack.
    """
    if len(index) != footer.index_bytes or _index_digest(index, footer.facts) != footer.digest:
        raise _damaged(key, "its index has another hash")
    _check_version(key, _FOOTER_FACTS.unpack(footer.facts)[2])
    expected_offset = _HEADER.size
    for record in iterate_records(index):
        if record.offset != expected_offset:
            raise _damaged(key, "its chunks do not stand one after the other")
        expected_offset += record.stored_bytes
    if expected_offset != footer.index_offset:
        raise _damaged(key, "its chunks do not end where its index begins")


def read_record(index: bytes, number: int) -> PackRecord:
    """The record of the chunk that is ``number``-th in the pack, from 0."""
    return _record(_RECORD.unpack_from(index, number * RECORD_BYTES))


def iterate_records(index: bytes) -> Iterator[PackRecord]:
    """Every record of an index, in the order of the chunks."""
    return map(_record, _RECORD.iter_unpack(index))


def check_whole_pack(key: str, data: bytes) -> None:
    """Prove every byte of the pack under ``key``, and that it is the pack of that key.

    Raises ``IntegrityError`` and ``UnknownFormat`` as ``check_index`` does.
    """
    if _name_pack(data) != key:
        raise _damaged(key, "its bytes have another name")
    footer = parse_footer(key, data[-FOOTER_BYTES:], len(data))
    index = data[footer.index_offset : footer.index_offset + footer.index_bytes]
    check_index(key, index, footer)
    magic, version, _ = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise _damaged(key, "it does not begin as packs do")
    _check_version(key, version)


def _record(values: tuple[bytes, int, int, int, int]) -> PackRecord:
    chunk_id, offset, stored_bytes, raw_bytes, encoding = values
    return PackRecord(
        chunk_id=chunk_id,
        offset=offset,
        stored_bytes=stored_bytes,
        raw_bytes=raw_bytes,
        encoding=encoding,
    )


def _name_pack(data: bytes | bytearray) -> str:
    name = blake3(data).hexdigest()
    return f"{PACK_PREFIX}{name[:2]}/{name}"


def _index_digest(index: bytes, facts: bytes) -> bytes:
    return blake3(index).update(facts).digest()


def _check_version(key: str, version: int) -> None:
    if version != _VERSION:
        raise UnknownFormat(
            f"Pack {key} has format version {version}, which this version does not know."
        )


def _damaged(key: str, harm: str) -> IntegrityError:
    return IntegrityError(f"Pack {key} is damaged: {harm}.")
