"""Documents of one collection as the server sends them: bytes, never decoded.

PyMongo's own raw cursors make a Python object of every document before they join the bytes again.
Here a reply stays one object, and the array of its documents is cut out of it whole.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import bson
from bson.binary import Binary
from bson.codec_options import CodecOptions
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client
from telamon.mongo.elements import array_documents, document_bounds, elements, id_element

RAW = CodecOptions(document_class=RawBSONDocument)
_UUID_SUBTYPE = 4
_TARGET_BYTES = 4 * 1024 * 1024
_FIRST_BATCH_DOCUMENTS = 100
_MOST_BATCH_DOCUMENTS = 1_000_000
_KEY_NOT_FOUND = 211  # the server's code for a record to go on from that is not there
_MOST_PROBES = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """Where one range of a collection ends and the next begins: after an existing record."""

    record: int
    next_id: bytes
    """The ``_id`` element, whole, of the first document after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A part of a collection in natural order; the whole of it by default."""

    start: Boundary | None = None
    end: Boundary | None = None


WHOLE = Range()


class Scan:
    """One reading of a range of a collection, in natural order, that can be gone on with.

    The collection is named by UUID, because by name a collection that was dropped since reads as an
    empty one.
    """

    def __init__(self, client: Client, database: str, uuid: bytes, part: Range = WHOLE) -> None:
        self._client = client
        self._database = client[database]
        self._uuid = uuid
        self._part = part
        self._token = _token(part.start.record) if part.start is not None else None

    def batches(
        self, at: ClusterTime | None, *, after: ClusterTime | None = None, capped: bool = False
    ) -> Generator[bytes, None, None]:
        """The documents that no earlier call has yielded, as batches of whole documents.

        ``at`` reads all of them as of that cluster time. Without it (capped collections refuse a
        snapshot read) each batch is majority-committed, and as new as ``after`` or newer; without
        that, too, it is what a standalone server has. The whole is then of no single time.

        A batch aims at 4 MB and holds at most 16 MB. Up to two batches are read ahead by a thread;
        the cursor is killed and the session given back when the generator ends or is closed.
        PyMongo's errors come out as they are; after one, another call goes on behind the last batch yielded.
        Raises ``PositionLost`` where nobody can tell where that was.
        """
        concern = _read_concern(at, after)
        with self._client.start_session(causal_consistency=False) as session:
            cursor = _Cursor(self._database, session, tracks=not capped)
            reader = ThreadPoolExecutor(1, thread_name_prefix="telamon-read")
            try:
                # Two at a time, so that a request follows an answer without waiting for this thread.
                ahead: deque[Future[_Batch | None]] = deque()
                ahead.append(reader.submit(self._begin, cursor, concern))
                ahead.append(reader.submit(self._go_on, cursor))
                while (batch := ahead.popleft().result()) is not None:
                    ahead.append(reader.submit(self._go_on, cursor))
                    documents = self._inside(batch, is_fixed=at is not None)
                    if documents:
                        yield documents
                    self._token = batch.token or self._token
            finally:
                reader.shutdown(wait=True, cancel_futures=True)
                cursor.close()

    def _begin(self, cursor: "_Cursor", concern: dict[str, object]) -> "_Batch":
        """The first batch behind the position, whose own record may have been deleted since.

        Then any record before it serves, if it is there and nothing is between them.
        """
        try:
            return cursor.find(self._uuid, concern, self._token)
        except OperationFailure as error:
            record = _record(self._token)
            if error.code != _KEY_NOT_FOUND or record is None:
                raise
        for earlier in range(record - 1, max(record - _MOST_PROBES, 0), -1):
            try:
                return cursor.find(self._uuid, concern, _token(earlier))
            except OperationFailure as error:
                if error.code != _KEY_NOT_FOUND:
                    raise
        if record > _MOST_PROBES:
            raise PositionLost
        return cursor.find(self._uuid, concern, None)

    def _go_on(self, cursor: "_Cursor") -> "_Batch | None":
        """The next batch; None behind the last one, and behind the range."""
        record = _record(cursor.token)
        end = self._part.end
        is_beyond = end is not None and record is not None and record >= end.record
        return None if is_beyond or not cursor.is_open else cursor.get_more()

    def _inside(self, batch: "_Batch", *, is_fixed: bool) -> bytes:
        """The documents of a batch that belong to the range."""
        documents = documents_of_array(batch.array)
        end = self._part.end
        record = _record(batch.token)
        if end is None or (record is not None and record <= end.record):
            return documents
        if is_fixed:
            return _before_id(documents, end.next_id)
        return self._before_record(documents, end.record)

    def _before_record(self, documents: bytes, record: int) -> bytes:
        """As ``_before_id``, where the document after the range may be gone by now.

        The same stretch is read again for its record ids. What is deleted in between belongs to no
        range.
        """
        records = {}
        command = {
            "find": Binary(self._uuid, _UUID_SUBTYPE),
            "filter": {},
            "projection": {"_id": 1},
            "showRecordId": True,
            **_natural(self._token),
        }
        for found in raw_documents(self._database, command):
            records[id_element(bytes(found.raw), 0)] = int(found["$recordId"])
            if int(found["$recordId"]) > record:
                break
        kept = []
        for start, end in document_bounds(documents):
            known = records.get(id_element(documents, start))
            if known is None or known > record:
                continue
            kept.append(documents[start:end])
        return b"".join(kept)


class PositionLost(Exception):
    """So much was deleted before a position that it cannot be found any more."""


class _Batch(NamedTuple):
    array: memoryview
    """A BSON array of documents, inside the server's answer."""
    token: bytes | None
    """The server's name of the place behind the last document: a BSON document."""


class _Cursor:
    """A server-side cursor. Used by one thread at a time."""

    def __init__(
        self, database: Database[dict[str, Any]], session: ClientSession, *, tracks: bool
    ) -> None:
        self._database = database
        self._session = session
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
    ) -> _Batch:
        command: dict[str, object] = {
            "find": Binary(uuid, _UUID_SUBTYPE),
            "batchSize": self._batch_documents,
            "readConcern": read_concern,
            **_natural(token),
        }
        if self._tracks:
            command["$_requestResumeToken"] = True
        return self._batch(command)

    def get_more(self) -> _Batch:
        return self._batch(
            {
                "getMore": Int64(self._id),
                "collection": self._name,
                "batchSize": self._batch_documents,
            }
        )

    def close(self) -> None:
        if not self.is_open:
            return
        # The reason to close early is an error of its own, and the server ends idle cursors itself.
        with suppress(PyMongoError):
            command = {"killCursors": self._name, "cursors": [Int64(self._id)]}
            self._database.command(command, session=self._session)
        self._id = 0

    def _batch(self, command: dict[str, object]) -> _Batch:
        self._id = 0  # a server ends the cursor of a request that fails
        reply = self._database.command(command, codec_options=RAW, session=self._session)
        # Views all the way: a copy of some megabytes is what this module is there to save.
        cursor = _field(memoryview(reply.raw), b"cursor")
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
        return _Batch(array, self.token)

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


def _natural(token: bytes | None) -> dict[str, object]:
    """Options of a find in the order of the records, behind ``token``.

    Reading by the _id index costs the server twice as much.
    """
    options: dict[str, object] = {"hint": {"$natural": 1}}
    if token is not None:
        options |= {"$_requestResumeToken": True, "$_resumeAfter": RawBSONDocument(token)}
    return options


def _token(record: int) -> bytes:
    """The place behind a record of an ordinary collection."""
    return bson.encode({"$recordId": Int64(record)})


def _record(token: bytes | None) -> int | None:
    """The record that a token names; None at the end, and for clustered collections."""
    if token is None:
        return None
    record = bson.decode(token).get("$recordId")
    return record if isinstance(record, int) else None


def _before_id(documents: bytes, next_id: bytes) -> bytes:
    """The documents before the one with that ``_id`` element; all if it is not there."""
    for start, _ in document_bounds(documents):
        if id_element(documents, start) == next_id:
            return documents[:start]
    return documents


def natural_after(record: int) -> dict[str, object]:
    """Options of a find that begins behind a record, which must be there."""
    return _natural(_token(record))


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


def _read_concern(at: ClusterTime | None, after: ClusterTime | None) -> dict[str, object]:
    if at is not None:
        return at_time(at)
    if after is not None:
        return {"level": "majority", "afterClusterTime": Timestamp(after.seconds, after.increment)}
    return {"level": "local"}  # all that a standalone server has


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
