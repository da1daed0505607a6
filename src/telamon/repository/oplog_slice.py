"""The bytes of an oplog slice: a frame with a hash, then what it is, then the entries, compressed.

docs/repository-format.md has the byte table.
"""

import re
import struct

import zstandard

from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice
from telamon.repository.cipher import Cipher
from telamon.repository.frame import Frame, damaged

OPLOG_PREFIX = "oplog/"
_FRAME = Frame(b"TLMNOPLG")
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
    return _FRAME.encode(slice_key(found), payload, cipher)


def decode_slice(key: str, blob: bytes, cipher: Cipher | None = None) -> tuple[OplogSlice, bytes]:
    """The slice that was encoded, and its entries.

    Raises ``IntegrityError`` if a bit of it differs or it belongs under another key,
    ``UnknownFormat`` for an unharmed one of a later version; both name the key.
    """
    what = f"The oplog slice {key}"
    payload = _FRAME.decode(what, key, blob, cipher)
    try:
        found = _facts(payload)
        frame = payload[_FACTS.size :]
        entries = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except (zstandard.ZstdError, struct.error) as error:
        raise damaged(what, "it lacks what a slice must hold") from error
    if slice_key(found) != key:
        raise damaged(what, f"it belongs under {slice_key(found)}")
    return found, entries


def _facts(payload: bytes) -> OplogSlice:
    instance, *times = _FACTS.unpack_from(payload)
    after, first, last = (
        ClusterTime(seconds=times[place], increment=times[place + 1]) for place in (0, 2, 4)
    )
    return OplogSlice(instance_id=instance.hex(), after=after, first=first, last=last)


def _hex(time: ClusterTime) -> str:
    return f"{time.seconds:08x}{time.increment:08x}"
