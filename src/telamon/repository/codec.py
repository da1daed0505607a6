"""How one chunk is named and how its bytes are stored."""

import threading
from dataclasses import dataclass, field
from enum import IntEnum

import zstandard
from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat

CHUNK_ID_BYTES = 32
CHUNK_KEY_BYTES = 32
_ZSTD_LEVEL = 3
# Less than one part in this saved is not worth a decompression at every restore.
_WORTHWHILE_PART = 40


class Encoding(IntEnum):
    """What the stored bytes of a chunk are. The other values to 255 are reserved."""

    RAW = 0
    """The documents themselves."""
    ZSTD = 1
    """One zstd frame that states its content's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedChunk:
    """A chunk as it is stored."""

    encoding: Encoding
    stored: bytes = field(repr=False)


class _Zstd(threading.local):
    """zstd's contexts: costly to make, and not to be shared by threads at work."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_zstd = _Zstd()


def name_chunk(raw: bytes, key: bytes) -> bytes:
    """The chunk's id: BLAKE3-256 of its raw bytes under the repository's key of 32 bytes.

    Keyed, so that who can list ids but not read the key learns nothing of the documents.
    """
    return blake3(raw, key=key).digest()


def encode(raw: bytes) -> EncodedChunk:
    """The raw bytes in the shorter of the encodings, as they are when zstd saves hardly any."""
    compressed = _zstd.compressor.compress(raw)
    if len(compressed) + len(raw) // _WORTHWHILE_PART >= len(raw):
        return EncodedChunk(encoding=Encoding.RAW, stored=raw)
    return EncodedChunk(encoding=Encoding.ZSTD, stored=compressed)


def decode(stored: bytes, *, encoding: int, chunk_id: bytes, raw_bytes: int, key: bytes) -> bytes:
    """The raw bytes, proven to be those that ``chunk_id`` names.

    ``raw_bytes`` is their length by the index; more is never produced. Raises ``IntegrityError``
    if the bytes are others, ``UnknownFormat`` for an encoding of a later program; both name the
    chunk.
    """
    if encoding == Encoding.RAW:
        raw = stored
    elif encoding == Encoding.ZSTD:
        raw = _decompress(stored, chunk_id, raw_bytes)
    else:
        raise UnknownFormat(
            f"Chunk {chunk_id.hex()} has encoding {encoding}, which this version does not know."
        )
    if len(raw) != raw_bytes or name_chunk(raw, key) != chunk_id:
        raise IntegrityError(f"Chunk {chunk_id.hex()} is damaged: its bytes have another name.")
    return raw


def _decompress(stored: bytes, chunk_id: bytes, raw_bytes: int) -> bytes:
    try:
        # Asked first: the frame's own size decides how much memory a decompression takes.
        if zstandard.frame_content_size(stored) == raw_bytes:
            return _zstd.decompressor.decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise IntegrityError(
            f"Chunk {chunk_id.hex()} is damaged: it cannot be decompressed."
        ) from error
    raise IntegrityError(f"Chunk {chunk_id.hex()} is damaged: its frame is of another length.")
