"""What is read once and answered again while the database stays as it is."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.state.database import Database


class Reader:
    """Reads the note, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.readings = 0

    def __call__(self, tx: Connection) -> str:
        self.readings += 1
        return str(tx.execute(sa.text("SELECT text FROM note")).scalar_one())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notes.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    database = Database.sqlite(path)
    database.transact(lambda tx: tx.execute(sa.text("CREATE TABLE note (text TEXT)")))
    database.transact(lambda tx: tx.execute(sa.text("INSERT INTO note VALUES ('first')")))
    yield database
    database.close()


def write(db: Database, text: str) -> None:
    db.transact(lambda tx: tx.execute(sa.text("UPDATE note SET text = :text"), {"text": text}))


def replace_file(path: Path) -> None:
    path.unlink()
    other = Database.sqlite(path)
    other.transact(lambda tx: tx.execute(sa.text("CREATE TABLE note (text TEXT)")))
    other.transact(lambda tx: tx.execute(sa.text("INSERT INTO note VALUES ('of another file')")))
    other.close()


def commit_elsewhere(path: Path) -> None:
    program = (
        "import sqlite3, sys; theirs = sqlite3.connect(sys.argv[1]); "
        "theirs.execute(\"UPDATE note SET text = 'theirs'\"); theirs.commit()"
    )
    subprocess.run([sys.executable, "-c", program, path], check=True)


async def test_what_nobody_has_written_to_is_read_once(db: Database) -> None:
    reader = Reader()

    answers = [await db.recall("note", reader) for _ in range(5)]

    assert answers == ["first"] * 5
    assert reader.readings == 1


async def test_it_is_read_again_after_every_commit(db: Database) -> None:
    reader = Reader()
    for number in range(5):
        write(db, str(number))

        assert await db.recall("note", reader) == str(number)
        assert await db.recall("note", reader) == str(number)

    assert reader.readings == 5


async def test_it_is_read_again_after_another_process_has_committed(
    db: Database, path: Path
) -> None:
    reader = Reader()
    await db.recall("note", reader)
    await asyncio.to_thread(commit_elsewhere, path)

    assert await db.recall("note", reader) == "theirs"


async def test_what_was_undone_is_never_answered(db: Database, path: Path) -> None:
    reader = Reader()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE note SET text = 'not yet'")

        assert await db.recall("note", reader) == "first"
        other.rollback()

    assert await db.recall("note", reader) == "first"


async def test_a_commit_during_the_reading_is_seen_by_the_next(db: Database) -> None:
    """What was read of the time before must not be kept for the time after."""

    def overtaken(tx: Connection) -> str:
        found = Reader()(tx)
        write(db, "second")
        return found

    assert await db.recall("note", overtaken) == "first"
    assert await db.recall("note", Reader()) == "second"


async def test_keys_are_kept_apart(db: Database) -> None:
    reader = Reader()

    await db.recall(("note", 1), reader)
    await db.recall(("note", 2), reader)
    await db.recall(("note", 1), reader)

    assert reader.readings == 2


async def test_nothing_is_remembered_beyond_a_close(db: Database, path: Path) -> None:
    """Two connections may give two contents the same version."""
    await db.recall("note", Reader())
    db.close()
    replace_file(path)

    assert await db.recall("note", Reader()) == "of another file"


async def test_an_error_is_not_kept(db: Database) -> None:
    def failing(_tx: Connection) -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await db.recall("note", failing)

    assert await db.recall("note", Reader()) == "first"


async def test_the_least_asked_for_is_forgotten(db: Database) -> None:
    reader = Reader()
    await db.recall("asked for now and then", reader)
    await db.recall("asked for once", reader)
    for number in range(62):
        await db.recall(number, reader)
    await db.recall("asked for now and then", reader)
    await db.recall("one more", reader)
    before = reader.readings

    await db.recall("asked for now and then", reader)
    assert reader.readings == before
    await db.recall("asked for once", reader)
    assert reader.readings == before + 1
