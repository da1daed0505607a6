"""Documents that were written to while they were read, and what became of them.

On disk, in a file of this snapshot's own: there may be more than memory holds.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from telamon.model.manifest import ClusterTime
from telamon.mongo.elements import document_bounds, id_element
from telamon.mongo.id_filter import IdFilter
from telamon.mongo.scratch import in_pieces, open_scratch

Key = tuple[bytes, bytes]
"""UUID of a collection, and the whole ``_id`` element of a document in it."""

# Times are eight bytes that compare as the times do. A document is settled, which is to say that what
# became of it is known, as of ``settled``; that stays true until it is written to again.
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE touched (
    sequence INTEGER PRIMARY KEY,
    uuid BLOB NOT NULL,
    id BLOB NOT NULL,
    written BLOB NOT NULL,
    settled BLOB NOT NULL DEFAULT x'',
    placed INTEGER NOT NULL DEFAULT 0,
    UNIQUE (uuid, id)
);
CREATE INDEX in_order ON touched (uuid);
CREATE TABLE document (sequence INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
"""
_PIECE_BYTES = 4 * 1024 * 1024


class Touched:
    """A context manager; its file goes with it, also if the process is killed. For any thread."""

    def __init__(self, scratch: Path | None = None) -> None:
        """The file is in the directory ``scratch``, by default where temporary files are."""
        self._db = open_scratch("telamon-touched-", _SCHEMA, scratch)
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

    def add(self, keys: Iterable[Key], at: ClusterTime) -> None:
        """Note that these documents were written to by ``at``, or may have been."""
        written = _sortable(at)
        with self._transaction():
            self._db.executemany(
                "INSERT INTO touched (uuid, id, written) VALUES (?, ?, ?) "
                "ON CONFLICT (uuid, id) DO UPDATE SET written = excluded.written",
                ((uuid, id_, written) for uuid, id_ in keys),
            )

    def uuids(self) -> set[bytes]:
        """The collections of which documents were touched."""
        with self._lock:
            return {uuid for (uuid,) in self._db.execute("SELECT DISTINCT uuid FROM touched")}

    def unsettled(self, uuid: bytes, most_bytes: int, most: int) -> Iterator[list[bytes]]:
        """The ``_id`` elements of one collection's documents that are to be asked for.

        Some at a time, each once; what is touched meanwhile is not among them.
        """
        with self._lock:
            (end,) = self._db.execute("SELECT max(sequence) FROM touched").fetchone()
        last = 0
        while True:
            with self._lock:
                rows = self._db.execute(
                    "SELECT sequence, id FROM touched INDEXED BY in_order "
                    "WHERE uuid = ? AND sequence > ? AND sequence <= ? AND written > settled "
                    "ORDER BY sequence LIMIT ?",
                    (uuid, last, end, most),
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

    def settle(
        self,
        uuid: bytes,
        ids: Sequence[bytes],
        documents: Iterable[tuple[bytes, bytes]],
        at: ClusterTime,
    ) -> None:
        """Note what became of the documents with these ``ids`` as of ``at``.

        ``documents`` are those that are there, each after its ``_id`` element. If it raises, the
        others are as unsettled as they were.
        """
        gone = set(ids)
        with self._transaction():
            for id_, document in documents:
                gone.discard(id_)
                sequence = self._set_settled(uuid, id_, at)
                self._db.execute(
                    "INSERT OR REPLACE INTO document VALUES (?, ?)", (sequence, document)
                )
            for id_ in gone:
                sequence = self._set_settled(uuid, id_, at)
                self._db.execute("DELETE FROM document WHERE sequence = ?", (sequence,))

    def change(self, uuid: bytes, buffers: Iterable[bytes]) -> Iterator[bytes]:
        """The documents of a collection as they are in the end. Call once all are settled.

        Of those in ``buffers``, whole documents in order, the touched ones are replaced or left out;
        then come touched ones that were not among them, in the order of their first touch. What
        nobody asked for, since it was first touched after the end, stays as it is.
        """
        candidates = self._candidates(uuid)
        for buffer in buffers:
            yield from self._changed(uuid, candidates, buffer)
        yield from in_pieces(partial(self._unplaced_after, uuid), self._lock)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Half of it stays after an error, since nothing is there to take it back with."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def _set_settled(self, uuid: bytes, id_: bytes, at: ClusterTime) -> int:
        """Returns the document's sequence number."""
        ((sequence,),) = self._db.execute(
            "UPDATE touched SET settled = ? WHERE uuid = ? AND id = ? RETURNING sequence",
            (_sortable(at), uuid, id_),
        ).fetchall()
        return int(sequence)

    def _changed(self, uuid: bytes, candidates: IdFilter, buffer: bytes) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size_bytes = 0
        untouched = 0  # where the documents begin that are to be taken over as they are
        for start, end in document_bounds(buffer):
            id_ = id_element(buffer, start)
            if id_ not in candidates:
                continue
            row = self._place(uuid, id_)
            if row is None:
                continue
            pieces.append(buffer[untouched:start])
            untouched = end
            document, is_placed = row
            # A document that was deleted and inserted again may have been read twice.
            if document is not None and not is_placed:
                pieces.append(document)
                size_bytes += len(document)
            if size_bytes >= _PIECE_BYTES:
                yield b"".join(pieces)
                pieces, size_bytes = [], 0
        pieces.append(buffer[untouched:])
        if joined := b"".join(pieces):
            yield joined

    def _place(self, uuid: bytes, id_: bytes) -> tuple[bytes | None, bool] | None:
        """What a document is in the end, and whether that was known here before; None: untouched."""
        with self._lock:
            row = self._db.execute(
                "SELECT sequence, bytes, placed FROM touched LEFT JOIN document USING (sequence) "
                "WHERE uuid = ? AND id = ? AND settled != x''",
                (uuid, id_),
            ).fetchone()
            if row is None:
                return None
            sequence, document, placed = row
            self._db.execute("UPDATE touched SET placed = 1 WHERE sequence = ?", (sequence,))
        return document, bool(placed)

    def _candidates(self, uuid: bytes) -> IdFilter:
        with self._lock:
            (count,) = self._db.execute(
                "SELECT count(*) FROM touched WHERE uuid = ?", (uuid,)
            ).fetchone()
            candidates = IdFilter(count)
            for (id_,) in self._db.execute("SELECT id FROM touched WHERE uuid = ?", (uuid,)):
                candidates.add(id_)
        return candidates

    def _unplaced_after(self, uuid: bytes, sequence: int) -> sqlite3.Cursor:
        return self._db.execute(
            "SELECT sequence, bytes FROM touched INDEXED BY in_order JOIN document USING (sequence) "
            "WHERE uuid = ? AND sequence > ? AND placed = 0 AND settled != x'' ORDER BY sequence",
            (uuid, sequence),
        )


def _sortable(time: ClusterTime) -> bytes:
    return time.seconds.to_bytes(4) + time.increment.to_bytes(4)
