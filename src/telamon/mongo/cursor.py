"""A server-side cursor whose batches stay the bytes that came.

PyMongo's own raw cursors make a Python object of every document before they join the bytes again.
Here a reply stays one object, and the array of its documents is cut out of it whole.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import bson
from bson.binary import Binary
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from telamon.model.manifest import ClusterTime
from telamon.mongo.elements import array_documents, elements
from telamon.mongo.line import RAW, Line

UUID_SUBTYPE = 4
KEY_NOT_FOUND = 211  # the server's code for a record to go on from that is not there
_UNKNOWN_OPTION = frozenset({9, 72, 40415})  # FailedToParse, InvalidOptions, unknown field
_TARGET_BYTES = 2 * 1024 * 1024
_FIRST_BATCH_DOCUMENTS = 100
_MOST_BATCH_DOCUMENTS = 1_000_000


class Batch(NamedTuple):
    """What one reply has."""

    array: memoryview
    """A BSON array of documents, inside the server's answer."""
    token: bytes | None
    """The server's name of the place behind the last document: a BSON document."""


class Cursor:
    """Over one collection, in the order of its records. Used by one thread at a time."""

    def __init__(self, line: Line, *, tracks: bool) -> None:
        """``tracks`` asks for tokens, if the server has them."""
        self._line = line
        self._requested = 0
        self._tracks = tracks
        self._id = 0
        self._name = ""
        self._batch_documents = _FIRST_BATCH_DOCUMENTS
        self.token: bytes | None = None
        """Of the last batch."""

    @property
    def is_open(self) -> bool:
        """Whether the server has more."""
        return self._id != 0

    def find(
        self, uuid: bytes, read_concern: dict[str, object], token: bytes | None = None
    ) -> Batch:
        """The first batch of a collection, or the first one behind ``token``."""
        command: dict[str, object] = {
            "find": Binary(uuid, UUID_SUBTYPE),
            "batchSize": self._batch_documents,
            "readConcern": read_concern,
            **natural(token),
        }
        if not self._tracks:
            return self._batch(command)
        try:
            return self._batch(command | {"$_requestResumeToken": True})
        except OperationFailure as error:
            # No documented option: a server may not have it. Without, a place cannot be gone on from.
            if token is not None or error.code not in _UNKNOWN_OPTION:
                raise
            return self._batch(command)

    def get_more(self) -> Batch:
        """Only while ``is_open``."""
        # Those sent ahead of the last answer are refused, since the cursor has ended by then.
        while self._requested <= self._line.ahead:
            self._request_more()
        return self._receive()

    def close(self) -> None:
        """Does nothing at the end of the documents."""
        if not self.is_open:
            return
        self._line.drain()
        # The reason to close early is an error of its own, and the server ends idle cursors itself.
        with suppress(PyMongoError):
            self._line.send({"killCursors": self._name, "cursors": [Int64(self._id)]})
            self._line.receive()
        self._id = 0

    def _request_more(self) -> None:
        self._line.send(
            {
                "getMore": Int64(self._id),
                "collection": self._name,
                "batchSize": self._batch_documents,
            }
        )
        self._requested += 1

    def _batch(self, command: dict[str, object]) -> Batch:
        self._line.send(command)
        self._requested = 1
        return self._receive()

    def _receive(self) -> Batch:
        self._id = 0  # a server ends the cursor of a request that fails
        reply = self._line.receive()
        self._requested -= 1
        # Views all the way: a copy of some megabytes is what this module is there to save.
        cursor = _field(reply, b"cursor")
        array = memoryview(b"")
        self.token = None
        for element in elements(cursor):
            value = cursor[element.value : element.end]
            if element.name in {b"firstBatch", b"nextBatch"}:
                array = value
            elif element.name == b"id":
                self._id = int.from_bytes(value, "little", signed=True)
            elif element.name == b"ns":
                self._name = bytes(value[4:-1]).decode().partition(".")[2]
            elif element.name == b"postBatchResumeToken":
                self.token = bytes(value)
        self._adapt(len(array))
        return Batch(array, self.token)

    def _adapt(self, batch_bytes: int) -> None:
        """Ask for as many documents as the last batch tells to be near the target."""
        wanted = self._batch_documents * _TARGET_BYTES // max(batch_bytes, 1)
        self._batch_documents = min(max(wanted, 1), _MOST_BATCH_DOCUMENTS)


def _field(document: memoryview, name: bytes) -> memoryview:
    """The value of a field that every answer to a find has."""
    return next(
        document[element.value : element.end]
        for element in elements(document)
        if element.name == name
    )


def natural(token: bytes | None) -> dict[str, object]:
    """Options of a find in the order of the records, behind ``token``, whose record must be there.

    Reading by the _id index costs the server twice as much.
    """
    options: dict[str, object] = {"hint": {"$natural": 1}}
    if token is not None:
        options |= {"$_requestResumeToken": True, "$_resumeAfter": RawBSONDocument(token)}
    return options


def token_of(record: int) -> bytes:
    """The place behind a record of an ordinary collection."""
    return bson.encode({"$recordId": Int64(record)})


def record_of(token: bytes | None) -> int | None:
    """The record that a token names; None at the end, and for clustered collections."""
    if token is None:
        return None
    record = bson.decode(token).get("$recordId")
    return record if isinstance(record, int) else None


def at_time(at: ClusterTime) -> dict[str, object]:
    """The read concern of a find as of one cluster time."""
    return {"level": "snapshot", "atClusterTime": Timestamp(at.seconds, at.increment)}


def raw_documents(
    database: Database[dict[str, Any]], command: Mapping[str, object]
) -> Iterator[RawBSONDocument]:
    """What a command that opens a cursor finds, undecoded."""
    # PyMongo takes the codec of the first batch from the call, and of the others from the database.
    raw = database.with_options(codec_options=RAW)
    yield from raw.cursor_command(dict(command), codec_options=RAW)


def _fast_array_documents() -> Callable[[bytes | memoryview], bytes]:
    """PyMongo's private helper in C where it is there and does the same, else our own in Python."""
    sample = bson.encode({"0": {"a": 1}, "1": {"b": "x"}})
    helper = getattr(bson, "_array_of_documents_to_buffer", None)
    try:
        works = helper is not None and helper(memoryview(sample)) == array_documents(sample)
    except (TypeError, ValueError):
        works = False
    return helper if works and helper is not None else array_documents


documents_of_array = _fast_array_documents()
