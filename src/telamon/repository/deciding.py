"""The bytes of a document that decide where a stream is cut, and by which a chunk's start is known."""

import struct

_INT32 = struct.Struct("<i")
_ID_NAME = b"_id\0"
ID_START = 4
_ID_VALUE = 9
_FALLBACK_BYTES = 64

# Lengths of the values that are always of one length, by the byte of their type (bsonspec.org).
_FIXED_BYTES = {
    0x01: 8,  # double
    0x06: 0,  # undefined
    0x07: 12,  # ObjectId
    0x08: 1,  # boolean
    0x09: 8,  # UTC datetime
    0x0A: 0,  # null
    0x10: 4,  # int32
    0x11: 8,  # timestamp
    0x12: 8,  # int64
    0x13: 16,  # decimal128
    0x7F: 0,  # max key
    0xFF: 0,  # min key
}
# What a value has besides the bytes that its leading int32 counts.
_COUNTED_EXTRA_BYTES = {
    0x02: 4,  # string
    0x03: 0,  # document; its count includes itself
    0x04: 0,  # array; as a document
    0x05: 5,  # binary: count, subtype
    0x0C: 16,  # DBPointer: a string and an ObjectId
    0x0D: 4,  # code
    0x0E: 4,  # symbol
    0x0F: 0,  # code with scope; its count includes itself
}
_REGEX = 0x0B
_FIXED_ENDS = {
    bytes([kind]) + _ID_NAME: _ID_VALUE + length for kind, length in _FIXED_BYTES.items()
}
OBJECT_ID_START = b"\x07" + _ID_NAME
"""How an ``_id`` begins that is an ObjectId, as nearly all are: at ``ID_START`` of the document."""
OBJECT_ID_END = _FIXED_ENDS[OBJECT_ID_START]
"""Where such an ``_id`` ends in its document."""


def deciding_bytes(data: bytes | memoryview, start: int, length: int) -> bytes | memoryview:
    """The bytes of the document of ``length`` at ``start`` whose hash chooses it or not.

    Its first element, type, name and value, if that is a whole ``_id``; else the document's first
    64 bytes, or all of a shorter one.
    """
    size = _FIXED_ENDS.get(bytes(data[start + ID_START : start + _ID_VALUE]))
    if size is None:
        size = _variable_id_end(data, start, length)
    if size is None or size >= length:
        return data[start : start + min(length, _FALLBACK_BYTES)]
    return data[start + ID_START : start + size]


def _variable_id_end(data: bytes | memoryview, start: int, length: int) -> int | None:
    """End of an ``_id`` of a type of many lengths, counted from ``start``; None: not to be told."""
    kind = data[start + ID_START]
    if bytes(data[start + ID_START + 1 : start + _ID_VALUE]) != _ID_NAME:
        return None
    if kind == _REGEX:
        body = bytes(data[start : start + length])
        pattern_end = body.find(b"\0", _ID_VALUE)
        options_end = body.find(b"\0", pattern_end + 1)
        return options_end + 1 if _ID_VALUE <= pattern_end < options_end else None
    extra = _COUNTED_EXTRA_BYTES.get(kind)
    if extra is None or length < _ID_VALUE + _INT32.size:
        return None
    (counted,) = _INT32.unpack_from(data, start + _ID_VALUE)
    return _ID_VALUE + extra + counted if counted >= 0 else None
