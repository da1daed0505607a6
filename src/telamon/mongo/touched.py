"""Documents that were written to while they were read, and what became of them.

On disk, in a file of this snapshot's own: there may be more than memory holds.
"""

import sqlite3
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from xxhash import xxh3_64_intdigest

from telamon.mongo.elements import document_bounds, id_element

Key = tuple[bytes, bytes]
"""UUID of a collection, and the whole ``_id`` element of a document in it."""

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
CREATE TABLE touched (
    sequence INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL,
    id BLOB NOT NULL,
    document BLOB,
    placed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (uuid, id)
)
"""


class Touched:
    """A context manager; its file goes with it. May be used by any thread."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="telamon-touched-")
        path = Path(self._folder.name) / "touched.db"
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript(_SCHEMA)
        self._lock = Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()
        self._folder.cleanup()

    def add(self, keys: Iterable[Key]) -> None:
        """Note that these documents were written to, or may have been."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO touched (uuid, id) VALUES (?, ?)", keys)

    def uuids(self) -> set[bytes]:
        """The collections of which documents were touched."""
        with self._lock:
            return {uuid for (uuid,) in self._db.execute("SELECT DISTINCT uuid FROM touched")}

    def forget_documents(self) -> None:
        """Before what has become of them is asked again."""
        with self._lock:
            self._db.execute("UPDATE touched SET document = NULL, placed = 0")

    def ids(self, uuid: bytes, most_bytes: int, most: int) -> Iterator[list[bytes]]:
        """The touched ``_id`` elements of one collection, some at a time."""
        last = -1
        while True:
            with self._lock:
                rows = self._db.execute(
                    "SELECT sequence, id FROM touched WHERE uuid = ? AND sequence > ? "
                    "ORDER BY sequence LIMIT ?",
                    (uuid, last, most),
                ).fetchall()
            if not rows:
                return
            some: list[bytes] = []
            size_bytes = 0
            for sequence, id_ in rows:
                if some and size_bytes + len(id_) > most_bytes:
                    break
                some.append(id_)
                size_bytes += len(id_)
                last = sequence
            yield some

    def set_documents(self, uuid: bytes, documents: Iterable[tuple[bytes, bytes]]) -> None:
        """What some of them are in the end, each after its ``_id`` element."""
        with self._transaction():
            self._db.executemany(
                "UPDATE touched SET document = ? WHERE uuid = ? AND id = ?",
                ((document, uuid, id_) for id_, document in documents),
            )

    def change(self, uuid: bytes, buffers: Iterable[bytes]) -> Iterator[bytes]:
        """The documents of a collection as they are in the end.

        Of those in ``buffers``, whole documents in order, the touched ones are replaced or left out;
        then come touched ones that were not among them, in the order of their first touch.
        """
        hashes = self._hashes(uuid)
        for buffer in buffers:
            pieces = self._changed(uuid, hashes, buffer)
            if pieces:
                yield pieces
        yield from self._unplaced(uuid)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Half of it may stay after an error: whoever gets one asks for all anew."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def _changed(self, uuid: bytes, hashes: "array[int]", buffer: bytes) -> bytes:
        pieces = []
        untouched = 0  # where the documents begin that are to be taken over as they are
        for start, end in document_bounds(buffer):
            id_ = id_element(buffer, start)
            digest = xxh3_64_intdigest(id_)
            position = bisect_left(hashes, digest)
            if position == len(hashes) or hashes[position] != digest:
                continue
            with self._lock:
                row = self._db.execute(
                    "SELECT sequence, document, placed FROM touched WHERE uuid = ? AND id = ?",
                    (uuid, id_),
                ).fetchone()
                if row is None:
                    continue  # another _id of the same hash
                sequence, document, placed = row
                self._db.execute("UPDATE touched SET placed = 1 WHERE sequence = ?", (sequence,))
            pieces.append(buffer[untouched:start])
            untouched = end
            # A document that was deleted and inserted again may have been read twice.
            if document is not None and not placed:
                pieces.append(document)
        pieces.append(buffer[untouched:])
        return b"".join(pieces)

    def _hashes(self, uuid: bytes) -> "array[int]":
        with self._lock:
            rows = self._db.execute("SELECT id FROM touched WHERE uuid = ?", (uuid,))
            hashes = array("Q", (xxh3_64_intdigest(id_) for (id_,) in rows))
        return array("Q", sorted(hashes))

    def _unplaced(self, uuid: bytes) -> Iterator[bytes]:
        last = -1
        while True:
            with self._lock:
                rows = self._db.execute(
                    "SELECT sequence, document FROM touched WHERE uuid = ? AND sequence > ? "
                    "AND placed = 0 AND document IS NOT NULL ORDER BY sequence LIMIT 100",
                    (uuid, last),
                ).fetchall()
            if not rows:
                return
            yield b"".join(document for _, document in rows)
            last = rows[-1][0]
