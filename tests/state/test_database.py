"""Opening, migrating, and transactions of real SQLite files."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from telamon.errors import ConfigurationError, Unavailable
from telamon.state import database
from telamon.state.database import Database
from telamon.state.tables import metadata, organization
from tests.state.samples import ORG


def name_of(tx: Connection) -> str:
    return str(
        tx.execute(sa.select(organization.c.name).where(organization.c.id == ORG)).scalar_one()
    )


def rename(tx: Connection, name: str) -> None:
    tx.execute(organization.update().where(organization.c.id == ORG).values(name=name))


def schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        rows = found.fetchall()
    connection.close()
    return rows


def test_the_migrated_schema_is_that_of_the_tables(db: Database) -> None:
    with db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "telamon_schema_version"}
        )
        assert compare_metadata(context, metadata) == []


def test_the_migrated_indexes_are_those_of_the_tables(db: Database, tmp_path: Path) -> None:
    """Also their conditions, which alembic does not compare."""
    made = Database.sqlite(tmp_path / "made.db")
    metadata.create_all(made.engine)
    made.close()

    indexes = [
        [row for row in schema(tmp_path / name) if row[0] == "index" and row[2]]
        for name in ("telamon.db", "made.db")
    ]

    assert indexes[0] == indexes[1]
    assert [row[1] for row in indexes[0]] == [
        "instance_name",
        "ix_access_token_expires_at",
        "ix_access_token_secret_id",
        "ix_digest_use_expires_at",
        "ix_service_account_org_id",
        "ix_service_account_secret_service_account_id",
        "restore_job_order",
        "restore_job_running",
        "restore_job_snapshot",
        "snapshot_deletion",
        "snapshot_order",
    ]


def test_migrating_twice_changes_nothing(db: Database, tmp_path: Path) -> None:
    before = schema(tmp_path / "telamon.db")

    db.migrate()

    assert schema(tmp_path / "telamon.db") == before
    assert db.look(name_of) == "Org"


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


def test_no_update_is_lost_between_two_databases_over_one_file(
    db: Database, tmp_path: Path
) -> None:
    """As the API and the worker have them."""
    db.transact(lambda tx: rename(tx, "0"))
    other = Database.sqlite(tmp_path / "telamon.db")
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
    db.look(lambda tx: rename(tx, "New"))

    assert db.look(name_of) == "Org"


async def test_run_and_read_do_the_same_for_the_event_loop(db: Database) -> None:
    await db.run(lambda tx: rename(tx, "New"))

    assert await db.read(name_of) == "New"


def test_a_commit_is_forced_to_the_disk(db: Database) -> None:
    def pragmas(tx: Connection) -> list[object]:
        return [
            tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert db.look(pragmas) == ["wal", 2, 1]


def test_a_file_that_is_no_database_is_a_wrong_setting(tmp_path: Path) -> None:
    path = tmp_path / "telamon.db"
    path.write_bytes(b"anything but a database" * 100)
    db = Database.sqlite(path)

    with pytest.raises(ConfigurationError) as caught:
        db.migrate()

    assert caught.value.message == "The database cannot be opened: file is not a database."
    db.close()


def test_a_database_in_a_directory_that_is_missing_is_a_wrong_setting(tmp_path: Path) -> None:
    db = Database.sqlite(tmp_path / "missing" / "telamon.db")

    with pytest.raises(ConfigurationError) as caught:
        db.look(name_of)

    assert caught.value.message == "The database cannot be opened: unable to open database file."


def test_a_database_that_stays_locked_is_unavailable(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_BUSY_MILLISECONDS", 1)
    impatient = Database.sqlite(tmp_path / "telamon.db")

    def work(_tx: Connection) -> None:
        impatient.transact(lambda tx: rename(tx, "New"))

    with pytest.raises(Unavailable) as caught:
        db.transact(work)
    impatient.close()

    assert caught.value.message == "The database does not work: database is locked."


def test_a_database_that_takes_no_writes_is_unavailable(db: Database) -> None:
    def work(tx: Connection) -> None:
        tx.exec_driver_sql("PRAGMA query_only=ON")
        rename(tx, "New")

    with pytest.raises(Unavailable) as caught:
        db.transact(work)

    assert (
        caught.value.message == "The database does not work: attempt to write a readonly database."
    )
