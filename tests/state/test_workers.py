"""Rows of workers, by the clock of the database."""

import pytest
from sqlalchemy import Connection

from telamon.errors import WorkerReplaced
from telamon.state import workers
from telamon.state.database import Database
from telamon.state.tables import worker as table
from telamon.state.workers import LivingWorker


def living(worker_id: str, *, machine: str = "m", has_mongod: bool = True) -> LivingWorker:
    return LivingWorker(id=worker_id, machine=machine, has_mongod=has_mongod, version="v")


def insert(db: Database, *found: LivingWorker, silent_seconds: int = 0) -> None:
    def work(tx: Connection) -> None:
        for each in found:
            workers.insert(tx, each)
            tx.execute(
                table.update()
                .where(table.c.id == each.id)
                .values(beat_at=table.c.beat_at - silent_seconds)
            )

    db.transact(work)


def ids(db: Database) -> list[str]:
    return sorted(each.id for each in db.look(workers.living))


def test_a_worker_is_found_as_it_was_inserted(db: Database) -> None:
    insert(db, living("a", machine="x", has_mongod=False))

    assert db.look(workers.living) == (living("a", machine="x", has_mongod=False),)


def test_only_the_silent_are_taken(db: Database) -> None:
    insert(db, living("silent"), silent_seconds=100)
    insert(db, living("quiet"), silent_seconds=50)
    insert(db, living("loud"))

    assert db.transact(lambda tx: workers.take_silent(tx, lease_seconds=75)) == ("silent",)
    assert ids(db) == ["loud", "quiet"]
    assert db.transact(lambda tx: workers.take_silent(tx, lease_seconds=75)) == ()


def test_a_beat_is_as_of_now(db: Database) -> None:
    insert(db, living("a"), silent_seconds=100)

    db.transact(lambda tx: workers.beat(tx, "a"))

    assert db.transact(lambda tx: workers.take_silent(tx, lease_seconds=75)) == ()


def test_who_has_no_row_is_told_so(db: Database) -> None:
    insert(db, living("a"))
    db.transact(lambda tx: workers.require(tx, "a"))
    db.transact(lambda tx: workers.delete(tx, "a"))

    for act in (workers.require, workers.beat):
        with pytest.raises(WorkerReplaced, match="The worker a was silent for too long"):
            db.transact(lambda tx, act=act: act(tx, "a"))  # type: ignore[misc]


def test_all_but_one_are_taken(db: Database) -> None:
    insert(db, living("a"), living("b"), living("c"))

    db.transact(lambda tx: workers.take_all_but(tx, "b"))

    assert ids(db) == ["b"]


def test_instances_can_be_where_a_worker_that_lives_has_a_mongod(db: Database) -> None:
    insert(db, living("a", machine="x"), living("b", machine="y", has_mongod=False))
    insert(db, living("c", machine="z"), silent_seconds=100)

    found = db.look(lambda tx: workers.machines_with_mongod(tx, lease_seconds=10))

    assert found == {"x"}
