"""Entries of the oplog, read from their bytes as far as needed."""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from telamon.model.manifest import ClusterTime
from telamon.mongo.elements import ARRAY, DOCUMENT, TIMESTAMP, document_bounds, elements

COMMAND = "c"
NOTHING = "n"
_BINARY_HEADER_BYTES = 5  # length and subtype
_TIMESTAMP = struct.Struct("<II")
_NOTHING_ELEMENT = b"\x02op\x00\x02\x00\x00\x00n\x00"


class Entry(NamedTuple):
    """What one entry says. Of what is not there: no bytes, and of the time the first there is.

    ``session`` are the elements that name a transaction. ``is_separate`` tells of operations that
    are in one entry and no transaction.
    """

    time: ClusterTime
    operation: str
    namespace: str
    uuid: bytes
    what: bytes
    """Member ``o``, a document."""
    which: bytes
    """Member ``o2``."""
    session: bytes
    is_separate: bool

    @property
    def database(self) -> str:
        return self.namespace.partition(".")[0]


_NO_TIME = ClusterTime(seconds=0, increment=0)


def entries(pieces: Iterable[bytes]) -> Iterator[Entry]:
    """Of pieces that are whole entries, one after the other."""
    for piece in pieces:
        for start, end in document_bounds(piece):
            yield read_entry(piece[start:end])


def read_entry(entry: bytes) -> Entry:
    """Raises MalformedBson for what is no document."""
    time = _NO_TIME
    operation = namespace = ""
    uuid = what = which = session = b""
    is_separate = False
    for element in elements(entry):
        name, value = element.name, element.value
        if name == b"op":
            operation = _text(entry, value, element.end)
        elif name == b"ns":
            namespace = _text(entry, value, element.end)
        elif name == b"ui":
            uuid = entry[value + _BINARY_HEADER_BYTES : element.end]
        elif name == b"o":
            what = entry[value : element.end]
        elif name == b"o2":
            which = entry[value : element.end]
        elif name == b"ts":
            time = _time(entry, value)
        elif name in {b"lsid", b"txnNumber"}:
            session += entry[element.start : element.end]
        elif name == b"multiOpType":
            is_separate = any(entry[value : element.end])
    return Entry(time, operation, namespace, uuid, what, which, session, is_separate)


def inner_entries(command: bytes, time: ClusterTime) -> list[Entry]:
    """The operations of an ``applyOps``, each at the time of the whole."""
    operations = member(command, b"applyOps", ARRAY)
    return [
        read_entry(operations[one.value : one.end])._replace(time=time)
        for one in elements(operations)
        if one.kind == DOCUMENT
    ]


def member(document: bytes, name: bytes, kind: int) -> bytes:
    """The value of a member of a BSON type; no bytes if there is none."""
    for element in elements(document):
        if element.name == name and element.kind == kind:
            return document[element.value : element.end]
    return b""


def is_true(document: bytes, name: bytes) -> bool:
    """Whether a member is there and is true, or a number other than 0."""
    return any(
        element.name == name and any(document[element.value : element.end])
        for element in elements(document)
    )


def time_of(entry: bytes) -> ClusterTime:
    """When an entry was written, from its bytes; reads no further than needed."""
    for element in elements(entry):
        if element.name == b"ts" and element.kind == TIMESTAMP:
            return _time(entry, element.value)
    return _NO_TIME


def is_nothing(entry: bytes) -> bool:
    """Whether an entry changes nothing: what an idle primary writes now and then."""
    return _NOTHING_ELEMENT in entry and any(
        element.name == b"op" and entry[element.start : element.end] == _NOTHING_ELEMENT
        for element in elements(entry)
    )


def _time(entry: bytes, start: int) -> ClusterTime:
    increment, seconds = _TIMESTAMP.unpack_from(entry, start)
    return ClusterTime(seconds=seconds, increment=increment)


def _text(entry: bytes, start: int, end: int) -> str:
    return entry[start + 4 : end - 1].decode()
