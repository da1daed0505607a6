"""What is PostgreSQL's alone: its transactions, its locks, and what can be wrong with a server."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.errors import ConfigurationError, InvalidAttribute, TelamonError, Unavailable
from telamon.state import postgresql
from telamon.state.database import Database
from telamon.state.tables import organization
from tests.databases import NEWEST_SCHEMA, PostgresMaker, templates
from tests.places import Place
from tests.state.samples import ORG, fill_database
from tests.state.test_database import name_of, rename

SECRET = "a%20very secret word"


@pytest.fixture(scope="module")
def filled(postgres: PostgresMaker) -> Iterator[Place]:
    with templates(postgres, fill_database) as place:
        yield place


@pytest.fixture
def place(postgres: PostgresMaker, filled: Place) -> Iterator[Place]:
    made = postgres.make(filled)
    yield made
    postgres.drop(made)


@pytest.fixture
def db(place: Place) -> Iterator[Database]:
    with closing(place.open()) as opened:
        yield opened


def test_of_two_transactions_that_read_what_the_other_writes_one_is_done_again(
    db: Database,
) -> None:
    """Both would commit on their own view: neither writes a row that the other writes."""
    barrier = Barrier(2)
    runs: list[str] = []

    def swap(reads: str, writes: str) -> None:
        def work(tx: Connection) -> None:
            runs.append(writes)
            found = tx.execute(sa.select(organization.c.name).where(organization.c.id == reads))
            name = found.scalar_one()
            if len(runs) < 3:
                barrier.wait(30)
            tx.execute(organization.update().where(organization.c.id == writes).values(name=name))

        db.transact(work)

    other = "65f0000000000000000000a1"
    db.transact(lambda tx: tx.execute(_named(ORG, "left")))
    db.transact(lambda tx: tx.execute(_named(other, "right")))
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(swap, ORG, other), pool.submit(swap, other, ORG)
        first.result(60)
        second.result(60)

    names = db.look(lambda tx: set(tx.execute(sa.select(organization.c.name)).scalars()))
    assert names in ({"left"}, {"right"})  # one after the other, in either order
    assert len(runs) == 3


def test_a_conflict_that_never_ends_is_told_after_a_while(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_RETRY_SECONDS", 0.05)

    def work(tx: Connection) -> None:
        name_of(tx)
        threading.Thread(target=db.transact, args=(lambda other: rename(other, "x"),)).run()
        rename(tx, "y")

    with pytest.raises(Unavailable, match="could not serialize access"):
        db.transact(work)


def test_an_insert_that_another_was_faster_with_is_looked_at_again(db: Database) -> None:
    """Though the first look saw that there was room."""
    others = {"name": "x", "created_at": 0, "requires_access_list": False}
    runs: list[bool] = []

    def insert(tx: Connection) -> None:
        tx.execute(organization.insert().values(id="new", **others))

    def insert_if_missing(tx: Connection) -> None:
        runs.append(
            tx.execute(sa.select(organization).where(organization.c.id == "new")).first() is None
        )
        if len(runs) == 1:
            db.transact(insert)
        if runs[-1]:
            insert(tx)

    db.transact(insert_if_missing)

    assert runs == [True, False]


async def test_neither_reads_nor_writes_hold_up_the_event_loop(db: Database) -> None:
    loop_went_on = threading.Event()

    def work(tx: Connection) -> str:
        assert loop_went_on.wait(30)
        return name_of(tx)

    asking = [asyncio.ensure_future(act(work)) for act in (db.read, db.run)]
    asyncio.get_running_loop().call_soon(loop_went_on.set)

    assert await asyncio.gather(*asking) == ["Org", "Org"]


def test_a_transaction_that_stands_still_ends_and_is_undone(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a stopped process: its locks would be in everybody's way."""
    monkeypatch.setattr(postgresql, "_IDLE_IN_TRANSACTION_MILLISECONDS", 50)
    with closing(Database(postgresql.open_engine(db.engine.url.render_as_string(False)))) as slow:

        def work(tx: Connection) -> None:
            rename(tx, "New")
            db.transact(lambda other: rename(other, "Other"))  # waits for the end of the first
            rename(tx, "Newer")

        with pytest.raises(Unavailable):
            slow.transact(work)

    assert db.look(name_of) == "Other"


def test_connections_that_the_server_ended_are_made_anew(db: Database) -> None:
    assert db.look(name_of) == "Org"
    with db.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    assert [db.look(name_of) for _ in range(3)] == ["Org"] * 3


def test_text_that_postgresql_cannot_hold_is_the_callers_fault(db: Database) -> None:
    with pytest.raises(InvalidAttribute, match="NUL"):
        db.transact(lambda tx: rename(tx, "a\0b"))


def test_an_error_shows_no_values(db: Database) -> None:
    wrong = sa.text("SELECT CAST(:value AS integer), 1 / 0")

    with pytest.raises(Unavailable) as caught:
        db.look(lambda tx: tx.execute(wrong, {"value": "1"}))

    assert caught.value.message == "The database does not work: division by zero."


def test_migrations_at_once_are_one_after_the_other(postgres: PostgresMaker) -> None:
    place = postgres.make()

    def migrate(_number: int) -> None:
        with closing(place.open()) as db:
            db.migrate()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, range(4)))

    with closing(place.open()) as db:
        db.require_schema()
    postgres.drop(place)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            None,
            f"The database has no schema, and this Telamon needs {NEWEST_SCHEMA}: run telamon db upgrade.",
        ),
        (
            "0002",
            f"The database has schema 0002, and this Telamon needs {NEWEST_SCHEMA}: run telamon db upgrade.",
        ),
        (
            "9999",
            f"The database has schema 9999, which a later Telamon made; this one knows {NEWEST_SCHEMA}. "
            "Run that version.",
        ),
    ],
)
def test_another_schema_is_refused(db: Database, found: str | None, sentence: str) -> None:
    change = "DELETE FROM telamon_schema_version"
    if found is not None:
        change = f"UPDATE telamon_schema_version SET version_num = '{found}'"
    db.transact(lambda tx: tx.exec_driver_sql(change))

    with pytest.raises(ConfigurationError) as caught:
        db.require_schema()

    assert caught.value.message == sentence


def _address(postgres: PostgresMaker, *, netloc: str = "", path: str = "", query: str = "") -> str:
    parts = urlsplit(postgres.url)
    return urlunsplit(
        parts._replace(netloc=netloc or parts.netloc, path=path or parts.path, query=query)
    )


def _refusal(address: str) -> TelamonError:
    with closing(Database.postgresql(address)) as db, pytest.raises(TelamonError) as caught:
        db.look(name_of)
    assert "secret" not in "".join(map(str, (caught.value, repr(db.engine.url))))
    return caught.value


def test_a_wrong_password_is_a_wrong_setting(postgres: PostgresMaker) -> None:
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS locked")
        admin.execute("CREATE ROLE locked LOGIN PASSWORD 'right'")
    host = urlsplit(postgres.url).netloc.rpartition("@")[2]

    refusal = _refusal(_address(postgres, netloc=f"locked:{SECRET}@{host}"))

    assert isinstance(refusal, ConfigurationError)
    assert refusal.message == (
        "TELAMON_DATABASE_URL: the database server refuses: "
        'password authentication failed for user "locked".'
    )


def test_a_database_that_is_not_there_is_a_wrong_setting(postgres: PostgresMaker) -> None:
    refusal = _refusal(_address(postgres, path="/nowhere"))

    assert isinstance(refusal, ConfigurationError)
    assert refusal.message == (
        'TELAMON_DATABASE_URL: the database server refuses: database "nowhere" does not exist.'
    )


def test_an_unknown_option_is_a_wrong_setting(postgres: PostgresMaker) -> None:
    refusal = _refusal(_address(postgres, query="colour=red"))

    assert isinstance(refusal, ConfigurationError)
    assert refusal.message == 'TELAMON_DATABASE_URL: invalid connection option "colour".'


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refusal = _refusal(f"postgresql://somebody:{SECRET}@127.0.0.1:{port}/telamon")

    assert isinstance(refusal, Unavailable)
    assert refusal.message == (
        "The database server of TELAMON_DATABASE_URL does not answer: Connection refused."
    )


def _named(org_id: str, name: str) -> sa.Update:
    return organization.update().where(organization.c.id == org_id).values(name=name)
