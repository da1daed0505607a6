"""How one chunk is named and how its bytes are stored."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import zstandard
from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.cipher import Cipher
from telamon.repository.difference import combine, difference

CHUNK_ID_BYTES = 32
CHUNK_KEY_BYTES = 32
MOST_BASES = 4
"""Chunks that one delta chunk may be a difference from."""
# Level 3 as zstd has it for long streams, with a smaller table. What it takes for pieces of 256 KiB by
# itself, matches of four bytes, is a sixth slower on text and stores 2 % more.
_ZSTD = zstandard.ZstdCompressionParameters.from_level(
    3, window_log=21, chain_log=15, hash_log=16, min_match=5, strategy=zstandard.STRATEGY_DFAST
)
# Less than one part in this saved is not worth a decompression at every restore.
_WORTHWHILE_PART = 40
# Of few, which are large, the copies cost more than is gained.
_FEWEST_TOGETHER = 3


class Encoding(IntEnum):
    """What the stored bytes of a chunk are. The other values to 127 are reserved."""

    RAW = 0
    """The documents themselves."""
    ZSTD = 1
    """One zstd frame that states its content's size."""
    DELTA = 2
    """A difference from other chunks, its bases, none of which is a delta itself."""


ENCRYPTED = 128
"""Added to an encoding: the bytes of that, sealed by the repository's cipher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedChunk:
    """A chunk as it is stored."""

    encoding: int
    stored: bytes = field(repr=False)
    base_ids: tuple[bytes, ...] = ()
    """Of a delta: the chunks that must be put together, in this order, to read it."""


class _Zstd(threading.local):
    """zstd's contexts: costly to make, and not to be shared by threads at work."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(compression_params=_ZSTD)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()


def is_delta(encoding: int) -> bool:
    """Whether a chunk that is stored so needs others to be read."""
    return encoding & ~ENCRYPTED == Encoding.DELTA


def name_chunk(raw: bytes | memoryview, key: bytes) -> bytes:
    """The chunk's id: BLAKE3-256 of its raw bytes under the repository's key of 32 bytes.

    Keyed, so that who can list ids but not read the key learns nothing of the documents.
    """
    return blake3(raw, key=key).digest()


def encode(raw: bytes) -> EncodedChunk:
    """The raw bytes in the shorter of the encodings, as they are when zstd saves hardly any."""
    return _shorter(raw, _zstd.compressor.compress(raw))


def encode_all(raws: Sequence[bytes]) -> list[EncodedChunk]:
    """As ``encode`` of each, in one call where they are several: other threads go on meanwhile."""
    if len(raws) < _FEWEST_TOGETHER:
        return [encode(raw) for raw in raws]
    together = _zstd.compressor.multi_compress_to_buffer(list(raws))
    return [_shorter(raw, together[number].tobytes()) for number, raw in enumerate(raws)]


def _shorter(raw: bytes, compressed: bytes) -> EncodedChunk:
    if len(compressed) + len(raw) // _WORTHWHILE_PART >= len(raw):
        return EncodedChunk(encoding=Encoding.RAW, stored=raw)
    return EncodedChunk(encoding=Encoding.ZSTD, stored=compressed)


def encode_delta(
    raw: bytes, base_ids: tuple[bytes, ...], bases: Sequence[bytes]
) -> EncodedChunk | None:
    """The raw bytes as a difference from the ``bases``; None where that saves too little."""
    stored = difference(raw, b"".join(bases))
    if stored is None:
        return None
    return EncodedChunk(encoding=Encoding.DELTA, stored=stored, base_ids=base_ids)


def encrypt(chunk: EncodedChunk, chunk_id: bytes, cipher: Cipher) -> EncodedChunk:
    """The same chunk, sealed: it opens under its own id only."""
    return replace(
        chunk, encoding=chunk.encoding | ENCRYPTED, stored=cipher.seal(chunk.stored, chunk_id)
    )


def decode(
    stored: bytes,
    *,
    encoding: int,
    chunk_id: bytes,
    raw_bytes: int,
    key: bytes,
    cipher: Cipher | None = None,
    bases: Sequence[bytes] = (),
) -> bytes:
    """The raw bytes, proven to be those that ``chunk_id`` names.

    ``raw_bytes`` is their length by the index; more is never produced. ``bases`` are the raw bytes
    of a delta's. Raises ``IntegrityError`` if the bytes are others, ``UnknownFormat`` for an
    encoding of a later program; both name the chunk.
    """
    try:
        if encoding & ENCRYPTED:
            if cipher is None:
                raise IntegrityError("it is encrypted, and the repository is not")
            stored = cipher.open(stored, chunk_id)
        raw = _decode(stored, encoding & ~ENCRYPTED, raw_bytes, bases)
    except IntegrityError as error:
        raise IntegrityError(f"Chunk {chunk_id.hex()} is damaged: {error.message}.") from error
    if raw is None:
        raise UnknownFormat(
            f"Chunk {chunk_id.hex()} has encoding {encoding}, which this version does not know."
        )
    if len(raw) != raw_bytes or name_chunk(raw, key) != chunk_id:
        raise IntegrityError(f"Chunk {chunk_id.hex()} is damaged: its bytes have another name.")
    return raw


def _decode(stored: bytes, encoding: int, raw_bytes: int, bases: Sequence[bytes]) -> bytes | None:
    """None for an encoding that nobody knows."""
    if encoding == Encoding.RAW:
        return stored
    if encoding == Encoding.ZSTD:
        return _decompress(stored, raw_bytes)
    if encoding == Encoding.DELTA:
        return combine(stored, b"".join(bases), raw_bytes)
    return None


def _decompress(stored: bytes, raw_bytes: int) -> bytes:
    try:
        # Asked first: the frame's own size decides how much memory a decompression takes.
        if zstandard.frame_content_size(stored) == raw_bytes:
            return _zstd.decompressor.decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError("it cannot be decompressed") from error
    raise IntegrityError("its frame is of another length")
