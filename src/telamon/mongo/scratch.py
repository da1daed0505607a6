"""A database file for what one piece of work has to remember and memory does not hold."""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Lock

_PIECE_BYTES = 4 * 1024 * 1024


def open_scratch(prefix: str, schema: str, folder: Path | None) -> sqlite3.Connection:
    """A new database with no name: it goes with its connection, also if the process is killed.

    In ``folder``, by default where temporary files are. For any thread, one at a time.
    """
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder) as made:
        path = Path(made) / "scratch.db"
        db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        db.executescript(schema)
        # It holds users' documents, and nobody else is to open it: its name goes now.
    return db


def in_pieces(after: Callable[[int], sqlite3.Cursor], lock: Lock) -> Iterator[bytes]:
    """Documents joined to pieces of 4 MB or a little more; ``lock`` is free between two of them.

    ``after`` asks for a number, which is above the one given and grows, and a document.
    """
    last = 0
    while True:
        pieces: list[bytes] = []
        size_bytes = 0
        with lock, closing(after(last)) as rows:
            for last, document in rows:  # noqa: B007  # the next page begins behind it
                pieces.append(document)
                size_bytes += len(document)
                if size_bytes >= _PIECE_BYTES:
                    break
        if not pieces:
            return
        yield b"".join(pieces)
