"""Following the oplog while a deployment is read: which documents are written to meanwhile."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

from bson.raw_bson import RawBSONDocument
from bson.timestamp import Timestamp
from pymongo import CursorType
from pymongo.cursor import Cursor
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from telamon.errors import DeploymentUnavailable, SnapshotFailed, TelamonError
from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client, reason
from telamon.mongo.elements import id_element
from telamon.mongo.line import RAW
from telamon.mongo.oplog import from_timestamp, last_write, oldest_entry, to_timestamp
from telamon.mongo.shadow import SYSTEM_DATABASES
from telamon.mongo.touched import Key, Touched

_OPLOG = "oplog.rs"
_POSITION_LOST = 136  # CappedPositionLost
_AT_ONCE = 1000
_WAIT_MILLISECONDS = 200
# Whole documents need not come: what was written to is enough. Two layers of applyOps are one more
# than MongoDB 6.0 writes down, which takes deeper ones apart.
_FIELDS = {
    "ts": 1,
    "op": 1,
    "ns": 1,
    "ui": 1,
    "o._id": 1,
    "o2._id": 1,
    "o.commitTransaction": 1,
    "o.applyOps.op": 1,
    "o.applyOps.ns": 1,
    "o.applyOps.ui": 1,
    "o.applyOps.o._id": 1,
    "o.applyOps.o2._id": 1,
    "o.applyOps.o.applyOps.op": 1,
    "o.applyOps.o.applyOps.ns": 1,
    "o.applyOps.o.applyOps.ui": 1,
    "o.applyOps.o.applyOps.o._id": 1,
    "o.applyOps.o.applyOps.o2._id": 1,
}

Entry = RawBSONDocument


class Follower:
    """Notes every document written to after ``since``, in a thread of its own. A context manager."""

    def __init__(self, client: Client, since: ClusterTime, touched: Touched) -> None:
        self._client = client
        self._since = since
        self._touched = touched
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._passed = Timestamp(0, 0)
        self._failure: TelamonError | None = None
        self._thread = threading.Thread(target=self._run, name="telamon-follow", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def check(self) -> None:
        """Raise SnapshotFailed or DeploymentUnavailable if the following has come to an end."""
        if self._failure is not None:
            raise self._failure

    def wait(self, until: ClusterTime) -> None:
        """Until everything written up to then has been noted. Raises as ``check``."""
        wanted = to_timestamp(until)
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None or self._passed >= wanted)
        self.check()

    def _run(self) -> None:
        failure: TelamonError | None = None
        try:
            self._follow()
        except TelamonError as error:
            failure = error
        except AutoReconnect as error:
            failure = DeploymentUnavailable(f"The deployment does not answer: {reason(error)}")
        except PyMongoError as error:
            failure = self._explained(error)
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    def _explained(self, error: PyMongoError) -> TelamonError:
        if isinstance(error, OperationFailure) and error.code == _POSITION_LOST:
            return self._too_short()
        return SnapshotFailed(f"The oplog cannot be followed: {reason(error)}")

    def _too_short(self) -> TelamonError:
        try:
            now, oldest = last_write(self._client), oldest_entry(self._client)
        except PyMongoError as error:
            return DeploymentUnavailable(f"The deployment does not answer: {reason(error)}")
        return SnapshotFailed(
            "Reading took longer than the deployment's oplog reaches back: it began "
            f"{now.seconds - self._since.seconds} seconds ago, and the oplog holds the last "
            f"{now.seconds - oldest.seconds}. Make the oplog larger (replSetResizeOplog), or take "
            "the snapshot at a quieter time."
        )

    def _follow(self) -> None:
        oplog = self._client.local[_OPLOG].with_options(
            codec_options=RAW, read_concern=ReadConcern("majority")
        )
        with oplog.find(
            {"ts": {"$gte": to_timestamp(self._since)}},
            _FIELDS,
            cursor_type=CursorType.TAILABLE_AWAIT,
            batch_size=_AT_ONCE,
        ).max_await_time_ms(_WAIT_MILLISECONDS) as cursor:
            first = True
            while not self._stopping.is_set():
                if not cursor.alive:
                    raise self._too_short()
                entries = self._some(cursor)
                if entries and first and from_timestamp(entries[0]["ts"]) != self._since:
                    raise self._too_short()  # the entry of the beginning is gone
                first = first and not entries
                self._note(entries)

    @staticmethod
    def _some(cursor: Cursor[Entry]) -> list[Entry]:
        """What is there now; waits a moment for more."""
        entries: list[Entry] = []
        with suppress(StopIteration):
            while len(entries) < _AT_ONCE:
                entries.append(cursor.next())
        return entries

    def _note(self, entries: list[Entry]) -> None:
        if not entries:
            return
        last: Timestamp = entries[-1]["ts"]
        keys = (key for entry in entries for key in written(entry))
        self._touched.add(keys, from_timestamp(last))
        with self._changed:
            self._passed = last
            self._changed.notify_all()


def written(entry: Entry) -> Iterator[Key]:
    """The documents that an entry of the oplog writes to.

    Raises SnapshotFailed for entries whose documents it does not name.
    """
    kind = entry["op"]
    if kind == "c":
        if "commitTransaction" in entry["o"]:
            raise SnapshotFailed(
                "A prepared transaction was committed while the deployment was read. "
                "Take the snapshot again."
            )
        for inner in entry["o"].get("applyOps", []):
            yield from written(inner)
    elif kind in {"i", "u", "d"}:
        document = entry.get("o2" if kind == "u" else "o", {})
        id_ = id_element(bytes(document.raw), 0) if isinstance(document, RawBSONDocument) else b""
        if id_ and "ui" in entry:
            yield bytes(entry["ui"]), id_
        elif entry["ns"].partition(".")[0] not in SYSTEM_DATABASES:
            raise SnapshotFailed(
                f"The oplog does not name a document of {entry['ns']} that was written to while the "
                "deployment was read. Take the snapshot again."
            )
