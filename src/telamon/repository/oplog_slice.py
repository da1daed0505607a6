"""The bytes of an oplog slice: a frame with a hash, then what it is, then the entries, compressed.

docs/repository-format.md has the byte table.
"""

import re
import struct

import zstandard
from blake3 import blake3

from telamon.errors import IntegrityError, UnknownFormat
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice
from telamon.repository.cipher import Cipher

OPLOG_PREFIX = "oplog/"
_PLAIN = 1
_ENCRYPTED = 2
_MAGIC = b"TLMNOPLG"
_FRAME = struct.Struct("<8sI32s")
_FRAME_FACTS = struct.Struct("<8sI")
_FACTS = struct.Struct("<12s6I")
_ZSTD_LEVEL = 3
_KEY = re.compile(r"oplog/([0-9a-f]{24})/([0-9a-f]{8})([0-9a-f]{8})-([0-9a-f]{8})([0-9a-f]{8})")


def slice_key(found: OplogSlice) -> str:
    """Where a slice is. Those of an instance sort by time."""
    return f"{instance_prefix(found.instance_id)}{_hex(found.first)}-{_hex(found.last)}"


def instance_prefix(instance_id: str) -> str:
    """Of the keys of all slices of an instance."""
    return f"{OPLOG_PREFIX}{instance_id}/"


def is_slice_key(key: str) -> bool:
    """Whether ``slice_key`` could have made it."""
    return _KEY.fullmatch(key) is not None


def last_of_key(key: str) -> ClusterTime:
    """Where the slice with this key ends; ``is_slice_key`` must be true of it."""
    found = _KEY.fullmatch(key)
    assert found is not None
    return ClusterTime(seconds=int(found[4], 16), increment=int(found[5], 16))


def encode_slice(found: OplogSlice, entries: bytes, cipher: Cipher | None = None) -> bytes:
    """The blob, sealed if there is a ``cipher``. ``entries`` are BSON, one after the other."""
    facts = _FACTS.pack(
        bytes.fromhex(found.instance_id),
        *(found.after.seconds, found.after.increment),
        *(found.first.seconds, found.first.increment),
        *(found.last.seconds, found.last.increment),
    )
    payload = facts + zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(entries)
    version = _PLAIN
    if cipher is not None:
        payload = cipher.seal(payload, slice_key(found).encode())
        version = _ENCRYPTED
    return _FRAME.pack(_MAGIC, version, _digest(version, payload)) + payload


def decode_slice(key: str, blob: bytes, cipher: Cipher | None = None) -> tuple[OplogSlice, bytes]:
    """The slice that was encoded, and its entries.

    Raises ``IntegrityError`` if a bit of it differs or it belongs under another key,
    ``UnknownFormat`` for an unharmed one of a later version; both name the key.
    """
    if len(blob) < _FRAME.size:
        raise _damaged(key, "it is too short")
    magic, version, digest = _FRAME.unpack_from(blob)
    payload = blob[_FRAME.size :]
    if magic != _MAGIC or digest != _digest(version, payload):
        raise _damaged(key, "its hash does not match")
    if version not in (_PLAIN, _ENCRYPTED):
        raise UnknownFormat(
            f"The oplog slice {key} has format version {version}, which this version does not know."
        )
    if (version == _ENCRYPTED) != (cipher is not None):
        raise _damaged(key, "it is encrypted where its repository is not, or not where it is")
    try:
        if cipher is not None:
            payload = cipher.open(payload, key.encode())
        found = _facts(payload)
        frame = payload[_FACTS.size :]
        entries = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except IntegrityError as error:
        raise _damaged(key, error.message) from error
    except (zstandard.ZstdError, struct.error) as error:
        raise _damaged(key, "it lacks what a slice must hold") from error
    if slice_key(found) != key:
        raise _damaged(key, f"it belongs under {slice_key(found)}")
    return found, entries


def _facts(payload: bytes) -> OplogSlice:
    instance, *times = _FACTS.unpack_from(payload)
    after, first, last = (
        ClusterTime(seconds=times[place], increment=times[place + 1]) for place in (0, 2, 4)
    )
    return OplogSlice(instance_id=instance.hex(), after=after, first=first, last=last)


def _hex(time: ClusterTime) -> str:
    return f"{time.seconds:08x}{time.increment:08x}"


def _digest(version: int, payload: bytes) -> bytes:
    return blake3(_FRAME_FACTS.pack(_MAGIC, version)).update(payload).digest()


def _damaged(key: str, harm: str) -> IntegrityError:
    return IntegrityError(f"The oplog slice {key} is damaged: {harm}.")
