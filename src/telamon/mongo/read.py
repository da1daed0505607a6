"""Documents of one collection as the server sends them: bytes, never decoded.

PyMongo's own raw cursors make a Python object of every document before they join the bytes again.
Here a reply stays one object, and the array of its documents is cut out of it whole.
"""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import bson
from bson.binary import Binary
from bson.codec_options import CodecOptions
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client
from telamon.mongo.elements import array_documents, elements

RAW = CodecOptions(document_class=RawBSONDocument)
_UUID_SUBTYPE = 4
_TARGET_BYTES = 4 * 1024 * 1024
_FIRST_BATCH_DOCUMENTS = 100
_MOST_BATCH_DOCUMENTS = 1_000_000


def raw_batches(
    client: Client,
    database: str,
    uuid: bytes,
    at: ClusterTime | None,
    *,
    after: ClusterTime | None = None,
) -> Generator[bytes, None, None]:
    """Every document of the collection ``uuid``, in natural order, as batches of whole documents.

    ``at`` reads all of them as of that cluster time. Without it (capped collections refuse a
    snapshot read) each batch is majority-committed, and as new as ``after`` or newer; the whole is
    then of no single time.

    A batch aims at 4 MB and holds at most 16 MB. One batch is read ahead by a thread; the cursor is
    killed and the session given back when the generator ends or is closed. The collection is read
    by UUID, because by name a collection that was dropped since ``at`` reads as an empty one.
    PyMongo's errors come out as they are.
    """
    with client.start_session(causal_consistency=False) as session:
        cursor = _Cursor(client[database], session)
        reader = ThreadPoolExecutor(1, thread_name_prefix="telamon-read")
        try:
            ahead = reader.submit(cursor.find, uuid, _read_concern(at, after))
            while True:
                batch = ahead.result()
                is_open = cursor.is_open
                if is_open:
                    ahead = reader.submit(cursor.get_more)
                if batch:
                    yield batch
                if not is_open:
                    return
        finally:
            reader.shutdown(wait=True)
            cursor.close()


class _Cursor:
    """A server-side cursor. Used by one thread at a time."""

    def __init__(self, database: Database[dict[str, Any]], session: ClientSession) -> None:
        self._database = database
        self._session = session
        self._id = 0
        self._name = ""
        self._batch_documents = _FIRST_BATCH_DOCUMENTS

    @property
    def is_open(self) -> bool:
        """Whether the server has more."""
        return self._id != 0

    def find(self, uuid: bytes, read_concern: dict[str, object]) -> bytes:
        return self._batch(
            {
                "find": Binary(uuid, _UUID_SUBTYPE),
                # The order of the records: reading by the _id index costs the server twice as much.
                "hint": {"$natural": 1},
                "batchSize": self._batch_documents,
                "readConcern": read_concern,
            }
        )

    def get_more(self) -> bytes:
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

    def _batch(self, command: dict[str, object]) -> bytes:
        self._id = 0  # a server ends the cursor of a request that fails
        reply = self._database.command(command, codec_options=RAW, session=self._session)
        cursor = reply["cursor"].raw
        documents = b""
        for element in elements(cursor):
            value = cursor[element.value : element.end]
            if element.name in {b"firstBatch", b"nextBatch"}:
                documents = documents_of_array(value)
            elif element.name == b"id":
                self._id = int.from_bytes(value, "little", signed=True)
            elif element.name == b"ns":
                self._name = bytes(value[4:-1]).decode().partition(".")[2]
        self._adapt(len(documents))
        return documents

    def _adapt(self, batch_bytes: int) -> None:
        """Ask for as many documents as the last batch tells to be near the target."""
        wanted = self._batch_documents * _TARGET_BYTES // max(batch_bytes, 1)
        self._batch_documents = min(max(wanted, 1), _MOST_BATCH_DOCUMENTS)


def _read_concern(at: ClusterTime | None, after: ClusterTime | None) -> dict[str, object]:
    if at is not None:
        return {"level": "snapshot", "atClusterTime": Timestamp(at.seconds, at.increment)}
    if after is not None:
        return {"level": "majority", "afterClusterTime": Timestamp(after.seconds, after.increment)}
    return {"level": "majority"}


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
