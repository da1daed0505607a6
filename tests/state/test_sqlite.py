"""Opening and migrating real SQLite files, and what can be wrong with them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from telamon.errors import ConfigurationError, Unavailable
from telamon.state import database
from telamon.state.database import Database
from telamon.state.tables import metadata
from tests.state.samples import open_database
from tests.state.test_database import name_of, rename


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path / "telamon.db")
    yield opened
    opened.close()


def schema(path: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
        rows = found.fetchall()
    connection.close()
    return rows


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
        "drill_age",
        "drill_order",
        "drill_outcome",
        "drill_running",
        "instance_name",
        "ix_access_token_expires_at",
        "ix_access_token_secret_id",
        "ix_digest_use_expires_at",
        "ix_service_account_org_id",
        "ix_service_account_secret_service_account_id",
        "repository_job_age",
        "repository_job_due",
        "repository_job_unfinished",
        "restore_job_order",
        "restore_job_running",
        "restore_job_snapshot",
        "schedule_run_age",
        "snapshot_deletion",
        "snapshot_expiry",
        "snapshot_order",
        "snapshot_unfinished",
    ]


def test_migrating_twice_changes_nothing(db: Database, tmp_path: Path) -> None:
    before = schema(tmp_path / "telamon.db")

    db.migrate()

    assert schema(tmp_path / "telamon.db") == before
    assert db.look(name_of) == "Org"


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

    assert caught.value.message == (
        "The database in TELAMON_DATA_DIR cannot be used: file is not a database."
    )
    db.close()


def test_a_database_in_a_directory_that_is_missing_is_a_wrong_setting(tmp_path: Path) -> None:
    db = Database.sqlite(tmp_path / "missing" / "telamon.db")

    with pytest.raises(ConfigurationError) as caught:
        db.look(name_of)

    assert caught.value.message == (
        "The database in TELAMON_DATA_DIR cannot be used: unable to open database file."
    )


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
