"""Locks that connections of PostgreSQL hold."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
import sqlalchemy as sa

from telamon.errors import LockLost
from telamon.state.advisory_locks import AdvisoryLock
from telamon.state.database import Database
from tests.databases import PostgresMaker, opened

KILL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def db(postgres: PostgresMaker) -> Iterator[Database]:
    with opened(postgres) as db:
        yield db


@pytest.fixture
def lock(db: Database) -> AdvisoryLock:
    return AdvisoryLock(db.engine, "repository")


def test_many_share_it_and_one_is_alone(lock: AdvisoryLock) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            check = stack.enter_context(lock.held(shared=True, wait_seconds=0))
            check()
        with pytest.raises(TimeoutError), lock.held(shared=False, wait_seconds=0):
            pass
    with (
        lock.held(shared=False, wait_seconds=0),
        pytest.raises(TimeoutError),
        lock.held(shared=True, wait_seconds=0),
    ):
        pass


def test_locks_of_other_names_and_databases_are_others(
    db: Database, lock: AdvisoryLock, postgres: PostgresMaker
) -> None:
    with (
        opened(postgres) as elsewhere,
        lock.held(shared=False, wait_seconds=0),
        AdvisoryLock(db.engine, "schema").held(shared=False, wait_seconds=0),
        AdvisoryLock(elsewhere.engine, "repository").held(shared=False, wait_seconds=0),
    ):
        pass


def test_it_is_waited_for_in_the_order_of_asking(db: Database, lock: AdvisoryLock) -> None:
    """So nobody who wants it alone waits for ever while others share it by turns."""
    order: list[str] = []

    def alone() -> None:
        with lock.held(shared=False, wait_seconds=None):
            order.append("alone")

    def shared() -> None:
        with lock.held(shared=True, wait_seconds=60):
            order.append("shared")

    threads = [threading.Thread(target=alone), threading.Thread(target=shared)]
    with lock.held(shared=True, wait_seconds=0):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            _await_waiting(db, number)
        order.append("first")
    for thread in threads:
        thread.join(60)

    assert order == ["first", "alone", "shared"]


def test_the_loss_of_its_connection_is_noticed(db: Database, lock: AdvisoryLock) -> None:
    with lock.held(shared=False, wait_seconds=0) as check:
        check()
        with closing(Database.postgresql(db.engine.url.render_as_string(False))) as killer:
            killer.transact(lambda tx: tx.exec_driver_sql(KILL_OTHERS))

        with pytest.raises(LockLost, match="lost"):
            check()
        with lock.held(shared=False, wait_seconds=0):
            pass
        with pytest.raises(LockLost, match="lost"):
            check()


def _await_waiting(db: Database, count: int) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    while db.look(lambda tx: tx.exec_driver_sql(waiting).scalar_one()) < count:
        pass


def test_the_server_soon_sees_that_a_holders_machine_is_gone(
    db: Database, lock: AdvisoryLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or nobody could prune for hours, or nobody do anything beside a prune that is gone."""
    seen: list[str] = []
    check = AdvisoryLock._check

    def look(connection: sa.Connection) -> None:
        for name in ("idle", "interval", "count"):
            asked = connection.exec_driver_sql(f"SHOW tcp_keepalives_{name}")
            seen.append(str(asked.scalar_one()))
        check(connection)

    monkeypatch.setattr(AdvisoryLock, "_check", staticmethod(look))

    with lock.held(shared=True, wait_seconds=0) as confirm:
        confirm()

    assert seen == ["10", "5", "3"]
