"""Documents of one collection as the server sends them: bytes, never decoded."""

from array import array
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from bson.binary import Binary
from bson.timestamp import Timestamp
from pymongo.errors import OperationFailure

from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client
from telamon.mongo.cursor import (
    KEY_NOT_FOUND,
    UUID_SUBTYPE,
    Batch,
    Cursor,
    at_time,
    documents_of_array,
    natural,
    raw_documents,
    record_of,
    token_of,
)
from telamon.mongo.elements import document_bounds, id_element
from telamon.mongo.line import open_line

_PROBES = 64
_RACES = 10

T = TypeVar("T")


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


class PositionLost(Exception):
    """Nobody can tell where a reading was."""


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
        self.rewind()

    def rewind(self) -> None:
        """Forget what was yielded: the next call begins at the start of the range."""
        self._token = token_of(self._part.start.record) if self._part.start is not None else None
        self._has_place = True
        self._passed = array("q")  # the last records of all batches: places to look for others from

    def batches(
        self, at: ClusterTime | None, *, after: ClusterTime | None = None, capped: bool = False
    ) -> Generator[bytes, None, None]:
        """The documents that no earlier call has yielded, as batches of whole documents.

        ``at`` reads all of them as of that cluster time. Without it (capped collections refuse a
        snapshot read) each batch is majority-committed, and as new as ``after`` or newer; without
        that, too, it is what a standalone server has. The whole is then of no single time.

        A batch aims at 2 MB and holds at most 16 MB. One batch or two are read ahead by a thread;
        the cursor is killed and the session given back when the generator ends or is closed.
        PyMongo's errors come out as they are; after one, another call goes on behind the last batch
        yielded. Raises ``PositionLost`` where nobody can tell where that was.
        """
        concern = _read_concern(at, after)
        with (
            self._client.start_session(causal_consistency=False) as session,
            open_line(self._client, self._database.name, session) as line,
        ):
            cursor = Cursor(line, tracks=not capped)
            reader = ThreadPoolExecutor(1, thread_name_prefix="telamon-read")
            try:
                ahead: deque[Future[Batch | None]] = deque()
                ahead.append(reader.submit(self._begin, cursor, concern))
                if not line.ahead:
                    # A request is to follow an answer without waiting for this thread.
                    ahead.append(reader.submit(self._go_on, cursor))
                while (batch := ahead.popleft().result()) is not None:
                    ahead.append(reader.submit(self._go_on, cursor))
                    documents = self._inside(batch, concern, is_fixed=at is not None)
                    if documents:
                        yield documents
                    self._pass(batch)
            finally:
                reader.shutdown(wait=True, cancel_futures=True)
                cursor.close()

    def _begin(self, cursor: Cursor, concern: dict[str, object]) -> Batch:
        return self._behind(concern, lambda token: cursor.find(self._uuid, concern, token))

    def _go_on(self, cursor: Cursor) -> Batch | None:
        """The next batch; None behind the last one, and behind the range."""
        record = record_of(cursor.token)
        end = self._part.end
        is_beyond = end is not None and record is not None and record >= end.record
        return None if is_beyond or not cursor.is_open else cursor.get_more()

    def _pass(self, batch: Batch) -> None:
        """What comes next is behind this batch."""
        record = record_of(batch.token)
        if record is not None:
            self._passed.append(record)
        self._has_place = batch.token is not None
        self._token = batch.token

    def _inside(self, batch: Batch, concern: dict[str, object], *, is_fixed: bool) -> bytes:
        """The documents of a batch that belong to the range."""
        documents = documents_of_array(batch.array)
        end = self._part.end
        record = record_of(batch.token)
        if end is None or (record is not None and record <= end.record):
            return documents
        if is_fixed:
            return _before_id(documents, end.next_id)
        return self._before_record(documents, concern, end.record)

    def _before_record(self, documents: bytes, concern: dict[str, object], record: int) -> bytes:
        """As ``_before_id``, where the document after the range may be gone by now.

        The same stretch is read again for its record ids. What is deleted in between belongs to no
        range.
        """
        inside = self._behind(
            concern, lambda token: {id_ for id_, _ in self._records(concern, token, record)}
        )
        return b"".join(
            documents[start:end]
            for start, end in document_bounds(documents)
            if id_element(documents, start) in inside
        )

    def _behind(self, concern: dict[str, object], find: Callable[[bytes | None], T]) -> T:
        """What ``find`` finds behind the position, whose own record may have been deleted since."""
        for token in self._places(concern):
            try:
                return find(token)
            except OperationFailure as error:
                if error.code != KEY_NOT_FOUND:
                    raise
        raise PositionLost

    def _places(self, concern: dict[str, object]) -> Iterator[bytes | None]:
        """The position; then places before it with nothing between, as long as they are not there."""
        if self._has_place:
            yield self._token
        record = record_of(self._token)
        if record is None:
            return
        for earlier in range(record - 1, max(record - _PROBES, 0), -1):
            yield token_of(earlier)
        for _ in range(_RACES):
            yield self._last_before(concern, record)

    def _last_before(self, concern: dict[str, object], record: int) -> bytes | None:
        """The last record up to ``record`` that is there; None if none is."""
        back = len(self._passed) - 2
        while True:
            # Each time twice as far: where one was deleted, its neighbours may have been.
            start = self._passed[back] if back >= 0 else None
            token = None if start is None else token_of(start)
            try:
                found = (known for _, known in self._records(concern, token, record))
                last = max(found, default=start)
            except OperationFailure as error:
                if error.code != KEY_NOT_FOUND or token is None:
                    raise
                back -= len(self._passed) - back
                continue
            return None if last is None else token_of(last)

    def _records(
        self, concern: dict[str, object], token: bytes | None, last: int
    ) -> Iterator[tuple[bytes, int]]:
        """The ``_id`` element and record of each document behind ``token``, up to ``last``."""
        command = {
            "find": Binary(self._uuid, UUID_SUBTYPE),
            "filter": {},
            "projection": {"_id": 1},
            "showRecordId": True,
            "readConcern": concern,
            **natural(token),
        }
        for found in raw_documents(self._database, command):
            record = int(found["$recordId"])
            if record > last:
                return
            yield id_element(bytes(found.raw), 0), record


def _before_id(documents: bytes, next_id: bytes) -> bytes:
    """The documents before the one with that ``_id`` element; all if it is not there."""
    for start, _ in document_bounds(documents):
        if id_element(documents, start) == next_id:
            return documents[:start]
    return documents


def _read_concern(at: ClusterTime | None, after: ClusterTime | None) -> dict[str, object]:
    if at is not None:
        return at_time(at)
    if after is not None:
        return {"level": "majority", "afterClusterTime": Timestamp(after.seconds, after.increment)}
    return {"level": "local"}  # all that a standalone server has
