"""BSON as bytes: where documents and their elements begin and end, without decoding a value.

Lengths and type numbers are those of the BSON specification 1.1 (bsonspec.org).
"""

import struct
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

DOCUMENT = 0x03
ARRAY = 0x04
BINARY = 0x05
BOOLEAN = 0x08
NULL = 0x0A
INT32 = 0x10
TIMESTAMP = 0x11
INT64 = 0x12
SHORTEST_DOCUMENT_BYTES = 5

_REGEX = 0x0B
_DBPOINTER = 0x0C
_FIXED_BYTES = {
    0x01: 8,  # double
    0x06: 0,  # undefined
    0x07: 12,  # object id
    BOOLEAN: 1,
    0x09: 8,  # date
    NULL: 0,
    INT32: 4,
    TIMESTAMP: 8,
    INT64: 8,
    0x13: 16,  # decimal128
    0x7F: 0,  # max key
    0xFF: 0,  # min key
}
# The length that stands in front counts what follows it and its own four bytes ...
_SELF_COUNTING = {DOCUMENT, ARRAY, 0x0F}  # 0x0F: code with scope
# ... or only what follows it.
_COUNTED = {0x02, 0x0D, 0x0E}  # string, code, symbol
_DBPOINTER_ID_BYTES = 12
_NAME_WINDOW_BYTES = 256
_OBJECT_ID_ELEMENT = b"\x07_id\0"

_length_at = struct.Struct("<i").unpack_from


class MalformedBson(ValueError):
    """Bytes that are not what the BSON specification describes."""


class Element(NamedTuple):
    """One element of a document; offsets are into the bytes that were walked."""

    kind: int
    """The BSON type number."""
    name: bytes
    start: int
    value: int
    end: int


def elements(document: bytes | memoryview) -> Iterator[Element]:
    """The top-level elements of one document (or array), in order.

    Raises MalformedBson for bytes that are not one whole document.
    """
    end = document_end(document, 0)
    if end != len(document):
        raise MalformedBson("the bytes are not one document")
    position = 4
    while position < end - 1:
        kind = document[position]
        name_end = _zero_from(document, position + 1)
        value = name_end + 1
        value_end = _value_end(document, kind, value)
        if not value <= value_end <= end - 1:
            raise MalformedBson(f"an element at byte {position} does not fit its document")
        yield Element(kind, bytes(document[position + 1 : name_end]), position, value, value_end)
        position = value_end


def has_element(document: bytes, name: bytes) -> bool:
    """Whether one of its top level has the name. Raises as ``elements``."""
    return any(element.name == name for element in elements(document))


def without_elements(document: bytes, names: Collection[bytes]) -> bytes:
    """The bytes of its other elements, in order, without the length before and the zero behind them."""
    found = elements(document)
    return b"".join(document[one.start : one.end] for one in found if one.name not in names)


def document_end(data: bytes | memoryview, start: int) -> int:
    """The offset after the document at ``start``. Raises MalformedBson if it does not fit ``data``."""
    if len(data) - start < SHORTEST_DOCUMENT_BYTES:
        raise MalformedBson(f"no document fits at byte {start}")
    length: int = _length_at(data, start)[0]
    end = start + length
    if length < SHORTEST_DOCUMENT_BYTES or end > len(data) or data[end - 1] != 0:
        raise MalformedBson(f"no whole document at byte {start}")
    return end


def document_bounds(data: bytes | memoryview) -> Iterator[tuple[int, int]]:
    """Start and end of each of the documents that stand one after the other in ``data``.

    Trusts their lengths, for speed: for bytes that a server sent as documents.
    """
    start = 0
    size = len(data)
    while start < size:
        end = start + _length_at(data, start)[0]
        yield start, end
        start = end


def documents_that_fit(
    data: bytes, start: int, *, most_bytes: int, most_documents: int
) -> tuple[int, int]:
    """Where the last of the documents from ``start`` ends that fit in the limits, and their number.

    ``(start, 0)`` if the first does not. Raises MalformedBson for one that is not whole.
    """
    size = len(data)
    fence = start + most_bytes
    position = start
    unpack = _length_at
    for count in range(most_documents):
        if position == size:
            return position, count
        if size - position < SHORTEST_DOCUMENT_BYTES:
            raise MalformedBson(f"no document fits at byte {position}")
        (length,) = unpack(data, position)
        end = position + length
        if length < SHORTEST_DOCUMENT_BYTES or end > size or data[end - 1]:
            raise MalformedBson(f"no whole document at byte {position}")
        if end > fence:
            return position, count
        position = end
    return position, most_documents


def id_element(data: bytes, start: int) -> bytes:
    """The whole ``_id`` element (type, name, value) of the document at ``start``; empty without one.

    Servers store it as the first element of a document.
    """
    if data[start + 4 : start + 9] == _OBJECT_ID_ELEMENT:
        return data[start + 4 : start + 21]
    document = data[start : start + _length_at(data, start)[0]]
    for element in elements(document):
        if element.name == b"_id":
            return document[element.start : element.end]
    return b""


def named(name: bytes, kind: int, value: bytes) -> bytes:
    """An element."""
    return bytes((kind,)) + name + b"\0" + value


def document_of(pieces: Iterable[bytes]) -> bytes:
    """A document of whole elements."""
    content = b"".join(pieces)
    return (len(content) + 5).to_bytes(4, "little") + content + b"\0"


def array_documents(array: bytes | memoryview) -> bytes:
    """The documents of a BSON array, one after the other."""
    view = memoryview(array)
    return b"".join(view[element.value : element.end] for element in elements(array))


def _value_end(data: bytes | memoryview, kind: int, value: int) -> int:
    fixed = _FIXED_BYTES.get(kind)
    if fixed is not None:
        return value + fixed
    if kind == _REGEX:
        return _zero_from(data, _zero_from(data, value) + 1) + 1
    if len(data) - value < SHORTEST_DOCUMENT_BYTES:
        raise MalformedBson(f"a value at byte {value} does not fit its document")
    length: int = _length_at(data, value)[0]
    if length < 0:
        raise MalformedBson(f"a value at byte {value} has a negative length")
    if kind in _SELF_COUNTING:
        return value + length
    if kind in _COUNTED:
        return value + 4 + length
    if kind == BINARY:
        return value + 5 + length
    if kind == _DBPOINTER:
        return value + 4 + length + _DBPOINTER_ID_BYTES
    raise MalformedBson(f"unknown BSON type 0x{kind:02x}")


def _zero_from(data: bytes | memoryview, start: int) -> int:
    """The offset of the first zero byte. A memoryview cannot search, so pieces of it are copied."""
    window = _NAME_WINDOW_BYTES
    while start < len(data):
        found = bytes(data[start : start + window]).find(0)
        if found >= 0:
            return start + found
        start += window
        window *= 4
    raise MalformedBson("a name does not end")
