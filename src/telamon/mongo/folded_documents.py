"""What became of documents since a snapshot, by the oplog: kept on disk, put in their places.

A document of the snapshot that was changed stays in its place, one that was inserted comes at the
end, in the order of the inserts. So is the order of the server's own records.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from telamon.errors import RestoreFailed
from telamon.mongo.elements import MalformedBson, document_bounds, id_element
from telamon.mongo.id_filter import IdFilter
from telamon.mongo.oplog_diff import UnknownDiff, apply_diff
from telamon.mongo.scratch import in_pieces, open_scratch

# ``base`` is what becomes of the snapshot's document: 0 there is none, 1 it is changed in its place,
# 2 it goes. What comes instead is ``document``, or, for a change in place without one, what the
# diffs make of the snapshot's.
_NO_BASE, _CHANGED, _GONE = 0, 1, 2
_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE folded (
    sequence INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    id BLOB NOT NULL,
    base INTEGER NOT NULL,
    UNIQUE (collection, id)
);
CREATE TABLE document (
    position INTEGER PRIMARY KEY,
    sequence INTEGER NOT NULL UNIQUE,
    collection INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
CREATE INDEX document_order ON document (collection, position);
CREATE TABLE diff (number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, bytes BLOB NOT NULL);
CREATE INDEX diff_order ON diff (sequence, number);
"""
_AT_ONCE = 10_000


class FoldedDocuments:
    """A context manager; its file goes with it, also if the process is killed.

    Changes come from one thread, before the first reading; readings may then run in any.
    """

    def __init__(self, scratch: Path | None = None) -> None:
        """The file is in the directory ``scratch``, by default where temporary files are."""
        self._db = open_scratch("telamon-folded-", _SCHEMA, scratch)
        self._lock = Lock()
        self._numbers: dict[bytes, int] = {}
        self._pending = 0
        self._db.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def insert(self, uuid: bytes, id_: bytes, document: bytes) -> None:
        """Raises RestoreFailed where there is such a document already."""
        sequence, base, known = self._find(uuid, id_)
        if sequence is None:
            sequence = self._add(uuid, id_, _NO_BASE)
        elif known is not None or base != _GONE:
            raise RestoreFailed("The oplog inserts a document that is there already.")
        self._put(uuid, sequence, document)

    def replace(self, uuid: bytes, id_: bytes, document: bytes) -> None:
        """Raises RestoreFailed where there is no such document."""
        sequence = self._to_change(uuid, id_)[0]
        self._db.execute("DELETE FROM diff WHERE sequence = ?", (sequence,))
        self._put(uuid, sequence, document)

    def change(self, uuid: bytes, id_: bytes, diff: bytes) -> None:
        """As ``replace``. Raises UnknownDiff as well, now or in ``read``."""
        sequence, known = self._to_change(uuid, id_)
        if known is not None:
            self._put(uuid, sequence, apply_diff(known, diff))
        else:
            self._db.execute("INSERT INTO diff (sequence, bytes) VALUES (?, ?)", (sequence, diff))

    def delete(self, uuid: bytes, id_: bytes) -> None:
        """Raises RestoreFailed where it was deleted already."""
        sequence, base, known = self._find(uuid, id_)
        if sequence is None:
            self._add(uuid, id_, _GONE)
            return
        if known is None and base != _CHANGED:
            raise RestoreFailed("The oplog deletes a document twice.")
        self._db.execute("DELETE FROM document WHERE sequence = ?", (sequence,))
        self._db.execute("DELETE FROM diff WHERE sequence = ?", (sequence,))
        if base == _NO_BASE:
            self._db.execute("DELETE FROM folded WHERE sequence = ?", (sequence,))
        else:
            self._db.execute("UPDATE folded SET base = ? WHERE sequence = ?", (_GONE, sequence))

    def is_touched(self, uuid: bytes) -> bool:
        """Whether anything was written to the collection."""
        return uuid in self._numbers

    def growth(self, uuid: bytes) -> tuple[int, int]:
        """How many more documents a collection has than in the snapshot, and bytes of known ones."""
        number = self._numbers.get(uuid)
        with self._lock:
            counted = self._db.execute(
                "SELECT coalesce(sum(bytes IS NOT NULL AND base != 1), 0) "
                "- coalesce(sum(base = 2), 0), coalesce(sum(length(bytes)), 0) "
                "FROM folded LEFT JOIN document USING (sequence) "
                "WHERE folded.collection = ?",
                (number,),
            ).fetchone()
        return int(counted[0]), int(counted[1])

    def read(self, uuid: bytes, buffers: Iterable[bytes]) -> Iterator[bytes]:
        """The documents of a collection as they are in the end, of those that the snapshot has.

        Raises RestoreFailed where the snapshot lacks a document that the oplog changes, or has one
        that it inserts.
        """
        number = self._numbers.get(uuid)
        if number is None:
            yield from buffers
            return
        candidates, expected = self._candidates(number)
        met = 0
        for buffer in buffers:
            pieces: list[bytes] = []
            untouched = 0  # where the documents begin that are to be taken over as they are
            for start, end in document_bounds(buffer):
                id_ = id_element(buffer, start)
                if id_ not in candidates:
                    continue
                found = self._outcome(number, id_, buffer[start:end])
                if found is None:
                    continue
                met += 1
                pieces += (buffer[untouched:start], found)
                untouched = end
            pieces.append(buffer[untouched:])
            if joined := b"".join(pieces):
                yield joined
        if met != expected:
            raise RestoreFailed(
                f"The oplog changes {expected} documents of the snapshot, which has {met} of them."
            )
        yield from in_pieces(partial(self._inserted_after, number), self._lock)

    def _find(self, uuid: bytes, id_: bytes) -> tuple[int | None, int, bytes | None]:
        """Sequence number, what becomes of the snapshot's document, and what is there now."""
        number = self._numbers.setdefault(uuid, len(self._numbers) + 1)
        row = self._db.execute(
            "SELECT sequence, base, bytes FROM folded LEFT JOIN document USING (sequence) "
            "WHERE folded.collection = ? AND id = ?",
            (number, id_),
        ).fetchone()
        return row if row is not None else (None, _NO_BASE, None)

    def _to_change(self, uuid: bytes, id_: bytes) -> tuple[int, bytes | None]:
        """Of a document that must be there: its sequence number, and what it is if that is known."""
        sequence, base, known = self._find(uuid, id_)
        if sequence is None:
            return self._add(uuid, id_, _CHANGED), None
        if known is None and base != _CHANGED:
            raise RestoreFailed("The oplog changes a document that it deleted before.")
        return sequence, known

    def _add(self, uuid: bytes, id_: bytes, base: int) -> int:
        self._pending += 1
        if self._pending % _AT_ONCE == 0:
            self._db.execute("COMMIT")
            self._db.execute("BEGIN")
        added = self._db.execute(
            "INSERT INTO folded (collection, id, base) VALUES (?, ?, ?)",
            (self._numbers[uuid], id_, base),
        )
        assert added.lastrowid is not None
        return added.lastrowid

    def _put(self, uuid: bytes, sequence: int, document: bytes) -> None:
        """Behind all others, unless it has a position."""
        self._db.execute(
            "INSERT INTO document (sequence, collection, bytes) VALUES (?, ?, ?) "
            "ON CONFLICT (sequence) DO UPDATE SET bytes = excluded.bytes",
            (sequence, self._numbers[uuid], document),
        )

    def _candidates(self, number: int) -> tuple[IdFilter, int]:
        with self._lock:
            count, expected = self._db.execute(
                "SELECT count(*), coalesce(sum(base > 0), 0) FROM folded WHERE collection = ?",
                (number,),
            ).fetchone()
            candidates = IdFilter(count)
            for (id_,) in self._db.execute("SELECT id FROM folded WHERE collection = ?", (number,)):
                candidates.add(id_)
        return candidates, int(expected)

    def _outcome(self, number: int, id_: bytes, document: bytes) -> bytes | None:
        """What a document of the snapshot becomes, nothing if it goes; None if it is untouched."""
        with self._lock:
            row = self._db.execute(
                "SELECT sequence, base, bytes FROM folded LEFT JOIN document USING (sequence) "
                "WHERE folded.collection = ? AND id = ?",
                (number, id_),
            ).fetchone()
            if row is None:
                return None
            sequence, base, known = row
            if base == _NO_BASE:
                raise RestoreFailed("The oplog inserts a document that the snapshot has.")
            if base == _GONE:
                return b""
            if known is not None:
                return bytes(known)
            diffs = self._db.execute(
                "SELECT bytes FROM diff WHERE sequence = ? ORDER BY number", (sequence,)
            )
            for (diff,) in diffs:
                document = apply_diff(document, diff)
        return document

    def _inserted_after(self, number: int, position: int) -> sqlite3.Cursor:
        return self._db.execute(
            "SELECT position, bytes FROM document JOIN folded USING (sequence) "
            "WHERE document.collection = ? AND position > ? AND base != 1 ORDER BY position",
            (number, position),
        )


@contextmanager
def explained(namespace: object) -> Iterator[None]:
    """What is wrong with the oplog leaves the block as RestoreFailed that names the namespace."""
    try:
        yield
    except UnknownDiff as error:
        raise RestoreFailed(
            f"The oplog has an update of {namespace} of a form that is not known: {error}."
        ) from error
    except MalformedBson as error:
        raise RestoreFailed(f"The oplog of {namespace} is not BSON: {error}.") from error
    except RestoreFailed as error:
        raise RestoreFailed(f"{namespace}: {error.message}") from error
