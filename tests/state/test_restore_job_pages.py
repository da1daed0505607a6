"""Pages of restore jobs: right at any depth, at one cost."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from telamon.model.restore_job import RestoreStage
from telamon.state import restore_jobs
from telamon.state.database import Database
from telamon.state.tables import instance as instance_table
from telamon.state.tables import restore_job as job_table
from tests.databases import Maker, opened
from tests.places import Place
from tests.state.samples import (
    INSTANCE,
    NOW,
    SECOND_INSTANCE,
    insert_instance,
    insert_restore_job,
    restore_job,
)

MANY = 40


@pytest.fixture(scope="module")
def many(maker: Maker, prepared_database: Place) -> Iterator[Database]:
    """An instance with 40 finished restore jobs, and another with one."""
    with opened(maker, prepared_database) as db:
        insert_instance(db)
        insert_instance(db, id=SECOND_INSTANCE, name="Second")
        for number in range(1, MANY + 1):
            insert_restore_job(db, id=f"{number:024}", target_instance_id=f"{number:024}")
        insert_restore_job(db, id=f"{99:024}", instance_id=SECOND_INSTANCE)
        yield db


def prune(tx: Connection, first: int) -> None:
    tx.execute(
        job_table.delete().where(job_table.c.instance_id == INSTANCE, job_table.c.sequence < first)
    )
    tx.execute(
        instance_table.update()
        .where(instance_table.c.id == INSTANCE)
        .values(first_restore_job=first)
    )


class UndoneError(Exception):
    """Ends a transaction that is not to be kept."""


@given(
    limit=st.integers(0, MANY + 5),
    offset=st.integers(0, MANY + 5),
    first=st.integers(1, MANY + 1),
)
def test_a_page_is_a_slice_of_all_that_was_not_pruned(
    many: Database, limit: int, offset: int, first: int
) -> None:
    kept = list(range(MANY, first - 1, -1))
    seen: list[tuple[list[int], int]] = []

    def work(tx: Connection) -> None:
        prune(tx, first)
        page = restore_jobs.page(tx, INSTANCE, limit=limit, offset=offset)
        seen.append(([job.sequence for job in page.items], page.total))
        raise UndoneError

    with pytest.raises(UndoneError):
        many.transact(work)

    assert seen == [(kept[offset : offset + limit], len(kept))]


def test_a_page_holds_whole_restore_jobs(many: Database) -> None:
    page = many.look(lambda tx: restore_jobs.page(tx, INSTANCE, limit=1, offset=0))

    assert page.items == (
        restore_job(id=f"{MANY:024}", sequence=MANY, target_instance_id=f"{MANY:024}"),
    )


def test_an_instance_without_restore_jobs_has_an_empty_page(db: Database) -> None:
    insert_instance(db)

    page = db.look(lambda tx: restore_jobs.page(tx, INSTANCE, limit=100, offset=0))

    assert (page.items, page.total) == ((), 0)


def plan(db: Database, offset: int) -> list[str]:
    """How the database says it would find the rows of a page."""
    asked: list[tuple[str, object]] = []

    def keep(
        _connection: object,
        _cursor: object,
        statement: str,
        parameters: object,
        _context: object,
        _many: object,
    ) -> None:
        asked.append((statement, parameters))

    event.listen(db.engine, "before_cursor_execute", keep)
    try:
        db.look(lambda tx: restore_jobs.page(tx, INSTANCE, limit=5, offset=offset))
    finally:
        event.remove(db.engine, "before_cursor_execute", keep)
    statement, parameters = next(one for one in asked if "BETWEEN" in one[0])
    explain = "EXPLAIN (COSTS OFF)" if db.is_shared else "EXPLAIN QUERY PLAN"

    def work(tx: Connection) -> list[str]:
        if db.is_shared:
            tx.exec_driver_sql("SET LOCAL enable_seqscan = off")  # so few rows are read at once
            tx.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        rows = tx.exec_driver_sql(f"{explain} {statement}", parameters).all()  # type: ignore[arg-type]
        return [str(row[-1]) for row in rows]

    return db.look(work)


@pytest.mark.parametrize("offset", [0, MANY - 5])
def test_a_page_at_any_depth_is_a_range_of_an_index(many: Database, offset: int) -> None:
    details = plan(many, offset)

    if many.is_shared:
        (scan,) = (line for line in details if "restore_job_order" in line)
        assert "Index Scan Backward" in scan
        assert not [line for line in details if "Sort" in line or "Seq Scan" in line]
        return
    assert (
        "SEARCH restore_job USING INDEX restore_job_order "
        "(instance_id=? AND sequence>? AND sequence<?)"
    ) in details
    assert not [detail for detail in details if "SCAN" in detail or "TEMP B-TREE" in detail]


def test_a_page_past_100_000_rows_reads_no_more_than_its_own(db: Database) -> None:
    """Counted in what does not depend on the machine's pace: SQLite's steps, PostgreSQL's buffers."""
    insert_instance(db)
    _insert_many(db, 100_000)

    cost = _buffers if db.is_shared else _steps
    first, last = (cost(db, offset) for offset in (0, 99_900))

    assert 0 < last <= first * 1.1 + 5  # a range may begin in the middle of a buffer


def _insert_many(db: Database, count: int) -> None:
    job = replace(restore_job(), stage=RestoreStage.FINISHED, finished_at=NOW)

    def work(tx: Connection) -> None:
        restore_jobs.insert(tx, job)
        restore_jobs.finish(tx, job.id, at=NOW)
        columns = [column.name for column in job_table.c if column.name not in {"id", "sequence"}]
        names = ", ".join(columns)
        tx.exec_driver_sql(
            "WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number "
            f"WHERE n < {count}) "
            f"INSERT INTO restore_job (id, sequence, {names}) "
            f"SELECT '{'0' * 18}' || (n + 200000), n, {names} FROM number, restore_job"
        )
        tx.execute(instance_table.update().values(last_restore_job=count))

    db.transact(work)
    if db.is_shared:
        db.transact(lambda tx: tx.exec_driver_sql("ANALYZE"))
    rows = sa.select(sa.func.count()).select_from(job_table)
    assert db.look(lambda tx: tx.execute(rows).scalar_one()) == count


def _buffers(db: Database, offset: int) -> int:
    """Pages of tables and indexes that PostgreSQL's server has looked at for a page of jobs."""
    looked_at = sa.text(
        "SELECT sum(pg_stat_get_xact_blocks_fetched(oid)) FROM pg_class "
        "WHERE relname LIKE 'restore_job%' OR relname LIKE 'instance%'"
    )

    def work(tx: Connection) -> int:
        before = int(tx.execute(looked_at).scalar_one())  # by this connection, also earlier
        page = restore_jobs.page(tx, INSTANCE, limit=100, offset=offset)
        assert len(page.items) == 100
        return int(tx.execute(looked_at).scalar_one()) - before

    return db.look(work)


def _steps(db: Database, offset: int) -> int:
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    def work(tx: Connection) -> None:
        raw = tx.connection.dbapi_connection
        assert raw is not None
        raw.set_progress_handler(tick, 10)
        try:
            page = restore_jobs.page(tx, INSTANCE, limit=100, offset=offset)
        finally:
            raw.set_progress_handler(None, 10)
        assert len(page.items) == 100

    db.look(work)
    return ticks
