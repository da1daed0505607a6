"""Migrating and transactions, of every kind of database."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from telamon.errors import Unavailable
from telamon.state.database import Database
from telamon.state.tables import metadata, organization
from tests.places import Place
from tests.state.samples import ORG

OTHERS = {"created_at": 0, "requires_access_list": False}


def name_of(tx: Connection) -> str:
    return str(
        tx.execute(sa.select(organization.c.name).where(organization.c.id == ORG)).scalar_one()
    )


def rename(tx: Connection, name: str) -> None:
    tx.execute(organization.update().where(organization.c.id == ORG).values(name=name))


def test_the_migrated_schema_is_that_of_the_tables(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "telamon_schema_version"}
        )
        assert compare_metadata(context, metadata) == []


def test_what_transact_did_is_there_afterwards(db: Database) -> None:
    db.transact(lambda tx: rename(tx, "New"))

    assert db.look(name_of) == "New"


def test_an_exception_undoes_a_transaction(db: Database) -> None:
    def work(tx: Connection) -> None:
        rename(tx, "New")
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        db.transact(work)

    assert db.look(name_of) == "Org"


def test_a_transaction_sees_its_own_writes(db: Database) -> None:
    def work(tx: Connection) -> str:
        rename(tx, "New")
        return name_of(tx)

    assert db.transact(work) == "New"


def test_no_update_is_lost_between_threads_that_read_then_write(db: Database) -> None:
    db.transact(lambda tx: rename(tx, "0"))
    barrier = Barrier(4)

    def count(_thread: int) -> None:
        barrier.wait()
        for _ in range(10):
            db.transact(lambda tx: rename(tx, str(int(name_of(tx)) + 1)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))

    assert db.look(name_of) == "40"


def test_no_update_is_lost_between_two_databases_over_one_place(db: Database, place: Place) -> None:
    """As the API and the worker have them."""
    db.transact(lambda tx: rename(tx, "0"))
    other = place.open()
    barrier = Barrier(2)

    def count(opened: Database) -> None:
        barrier.wait()
        for _ in range(10):
            opened.transact(lambda tx: rename(tx, str(int(name_of(tx)) + 1)))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, (db, other)))
    other.close()

    assert db.look(name_of) == "20"


def test_a_look_during_a_transaction_sees_what_was_before_it(db: Database) -> None:
    def work(tx: Connection) -> str:
        rename(tx, "New")
        return db.look(name_of)

    assert db.transact(work) == "Org"


def test_a_look_sees_one_state_from_its_first_read_on(db: Database) -> None:
    def work(tx: Connection) -> tuple[str, str]:
        first = name_of(tx)
        db.transact(lambda other: rename(other, "New"))
        return first, name_of(tx)

    assert db.look(work) == ("Org", "Org")
    assert db.look(name_of) == "New"


def test_a_look_keeps_nothing_that_it_writes(db: Database) -> None:
    """PostgreSQL does not even begin with it."""
    with pytest.raises(Unavailable, match="read-only") if db.is_shared else nullcontext():
        db.look(lambda tx: rename(tx, "New"))

    assert db.look(name_of) == "Org"


async def test_run_and_read_do_the_same_for_the_event_loop(db: Database) -> None:
    await db.run(lambda tx: rename(tx, "New"))

    assert await db.read(name_of) == "New"


def test_migrating_twice_changes_nothing(db: Database) -> None:
    before = columns(db)

    db.migrate()

    assert columns(db) == before
    assert db.look(name_of) == "Org"
    db.require_schema()


def test_what_was_looked_for_in_vain_is_still_not_there_at_the_commit(db: Database) -> None:
    """Of two that insert what they have not found, one finds it."""
    barrier = Barrier(2)
    runs: list[str] = []

    def insert_if_missing(name: str) -> None:
        def work(tx: Connection) -> None:
            runs.append(name)
            wanted = organization.c.name.in_(["a", "b"])
            if tx.execute(sa.select(organization.c.id).where(wanted)).first() is None:
                if db.is_shared and len(runs) < 3:
                    barrier.wait(30)  # both have looked; SQLite lets in only one
                tx.execute(organization.insert().values(id=name, name=name, **OTHERS))

        db.transact(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(insert_if_missing, ("a", "b")))

    names = sa.select(organization.c.name).where(organization.c.name.in_(["a", "b"]))
    assert len(db.look(lambda tx: tx.execute(names).all())) == 1
    assert sorted(set(runs)) == ["a", "b"]


def test_names_are_ordered_byte_by_byte(db: Database) -> None:
    def work(tx: Connection) -> list[str]:
        for name in ("b", "B", "a", "_", "é"):
            tx.execute(organization.insert().values(id=name, name=name, **OTHERS))
        names = sa.select(organization.c.name).where(organization.c.name != "Org")
        return list(tx.execute(names.order_by(organization.c.name)).scalars())

    assert db.transact(work) == ["B", "_", "a", "b", "é"]


def columns(db: Database) -> object:
    inspector = sa.inspect(db.engine)
    return [(table, repr(inspector.get_columns(table))) for table in inspector.get_table_names()]
