"""A hundred thousand jobs have ended, and nothing that is asked every second notices."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from dbos import DBOSClient, Queue
from dbos._queue import _INTERNAL_QUEUE_CONSTRUCTION
from sqlalchemy import Connection, event

from telamon.jobs.engine_polls import WaitingJobs
from telamon.jobs.queue import QUEUE_NAME, JobKind, JobQueue
from telamon.jobs.records import JobRecords, ended_before, in_flight
from telamon.jobs.worker import APPLICATION_VERSION
from telamon.operations.expired_snapshots import ExpiredSnapshots
from telamon.operations.metrics import Metrics
from telamon.operations.pruning import Pruning
from telamon.operations.scheduled_snapshots import ScheduledSnapshots
from telamon.state import restore_jobs, snapshots
from telamon.state.database import Database
from telamon.state.tables import snapshot as snapshot_table
from tests.operations.ended import add_records, add_restore_jobs, count
from tests.operations.schedules import Scheduling, scheduling
from tests.state.samples import (
    INSTANCE,
    JOB,
    NOW,
    SECOND_INSTANCE,
    SNAPSHOT,
    insert_restore_job,
    manifest,
    open_database,
    snapshot,
)

MANY = 100_000
SNAPSHOTS = 20_000
LARGE = ("workflow_status", "restore_job", "snapshot", "schedule_run")
NOT_ENDED = ("restore_job_running", "snapshot_unfinished", "in_flight_v2")
Act = Callable[[Scheduling], object]


def filled(db: Database, *, jobs: int, kept: int) -> Scheduling:
    """So many ended jobs and snapshots of an instance, all of them young, and one that runs."""
    made = scheduling(db)
    made.add()
    made.add(id=SECOND_INSTANCE, name="Second")
    insert_restore_job(db)
    db.transact(lambda tx: restore_jobs.finish(tx, JOB, at=NOW))
    add_restore_jobs(db, JOB, last=jobs)
    add_records(db, NOW, last=jobs)
    first = snapshot(requested_at=NOW - timedelta(days=1))
    db.transact(lambda tx: snapshots.insert(tx, first))
    done = replace(manifest(SNAPSHOT), collections=())
    db.transact(lambda tx: snapshots.complete(tx, done, new_bytes=1, at=NOW))
    db.transact(lambda tx: _more_snapshots(tx, kept))
    made.clock.advance(hours=6)
    made.tick()
    return made


def _more_snapshots(tx: Connection, last: int) -> None:
    names = ", ".join(column.name for column in snapshot_table.c if column.name != "id")
    tx.exec_driver_sql(
        f"INSERT INTO snapshot (id, {names}) WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL "
        f"SELECT n + 1 FROM number WHERE n < {last}) SELECT printf('%024d', n), {names} "
        "FROM number, snapshot"
    )


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """Of SQLite, whose plans and steps are counted here."""
    with closing(open_database(tmp_path / "telamon.db")) as opened:
        yield opened


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduling]:
    db = open_database(tmp_path_factory.mktemp("many") / "telamon.db")
    made = filled(db, jobs=MANY, kept=SNAPSHOTS)
    assert count(db, "restore_job") == MANY
    assert count(db, "workflow_status") == MANY + 2
    yield made
    made.queue.close()
    db.close()


def ask_for_a_job(made: Scheduling) -> None:
    queue = JobQueue(made.db.engine)
    made.db.transact(
        lambda tx: queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, made.new_id(NOW), lock="lock1")
    )
    queue.close()


def take_up_jobs(made: Scheduling) -> list[str]:
    """As the engine's worker does it each time it looks."""
    client = DBOSClient(system_database_engine=made.db.engine, lazy=True)
    queue = Queue(
        QUEUE_NAME,
        worker_concurrency=4,
        partition_concurrency=1,
        token=_INTERNAL_QUEUE_CONSTRUCTION,
    )
    try:
        return client._sys_db.start_queued_partitioned_workflows(queue, "one", APPLICATION_VERSION)
    finally:
        client.destroy()


def prune(made: Scheduling) -> None:
    records = JobRecords(made.db.engine)
    Pruning(made.db, records, kept=timedelta(days=30), clock=made.clock).prune()
    records.close()


STATEMENTS: dict[str, Act] = {
    "first page of restore jobs": lambda it: it.db.look(
        lambda tx: restore_jobs.page(tx, INSTANCE, limit=100, offset=0)
    ),
    "last page of restore jobs": lambda it: it.db.look(
        lambda tx: restore_jobs.page(tx, INSTANCE, limit=100, offset=MANY - 100)
    ),
    "page of snapshots": lambda it: it.db.look(
        lambda tx: snapshots.page(tx, INSTANCE, limit=100, offset=0)
    ),
    "newest snapshot": lambda it: it.db.look(lambda tx: snapshots.newest_completed(tx, INSTANCE)),
    "ask for a job": ask_for_a_job,
    "take up jobs": take_up_jobs,
    "is a job waiting": lambda it: WaitingJobs(it.db.engine)("telamon"),
    "jobs in flight": lambda it: it.db.look(in_flight),
    "ended jobs": lambda it: it.db.look(lambda tx: ended_before(tx, NOW, limit=500)),
    "deletion of a snapshot": lambda it: it.db.look(
        lambda tx: snapshots.being_deleted(tx, "e" * 24)
    ),
    "is it restored": lambda it: it.db.look(lambda tx: restore_jobs.is_restored(tx, SNAPSHOT)),
    "is it in use": lambda it: it.db.look(lambda tx: restore_jobs.is_in_use(tx, SNAPSHOT, at=NOW)),
    "is one being taken": lambda it: it.db.look(lambda tx: snapshots.is_being_taken(tx, INSTANCE)),
    "a tick of the scheduler": lambda it: ScheduledSnapshots(
        it.db, it.queue, clock=it.clock, new_id=it.new_id
    ).take_due(),
    "failed ones to try again": lambda it: ScheduledSnapshots(
        it.db, it.queue, clock=it.clock, new_id=it.new_id
    ).try_again(),
    "a pass of retention": lambda it: ExpiredSnapshots(
        it.db, it.queue, clock=it.clock, new_id=it.new_id
    ).delete(),
    "a pass of pruning": prune,
    "metrics": lambda it: Metrics(it.db, clock=it.clock, schedules=True)._db.look(
        Metrics(it.db, clock=it.clock, schedules=True)._measured
    ),
}


def plans(made: Scheduling, act: Act) -> list[str]:
    """How SQLite says it carries out each statement of an act."""
    asked: list[tuple[str, object]] = []

    def keep(*arguments: object) -> None:
        asked.append((str(arguments[2]), arguments[3]))

    event.listen(made.db.engine, "before_cursor_execute", keep)
    try:
        act(made)
    finally:
        event.remove(made.db.engine, "before_cursor_execute", keep)
    details: list[str] = []
    with made.db.engine.connect() as connection:
        for statement, parameters in asked:
            if statement.lstrip().upper().startswith(("SELECT", "UPDATE", "DELETE", "WITH")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]  # as they came
                details.extend(str(row.detail) for row in rows)
    return details


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_finds_its_rows_by_an_index(many: Scheduling, name: str) -> None:
    """A scan of an index that has only what has not ended is as good as one."""
    found = plans(many, STATEMENTS[name])

    assert found
    assert [detail for detail in found if not is_by_index(detail)] == []


def is_by_index(detail: str) -> bool:
    how, _, rest = detail.partition(" ")
    if how not in ("SCAN", "SEARCH") or rest.removeprefix("main.").split()[0] not in LARGE:
        return True
    # A search that names no index is a look at every row for the largest.
    return detail.endswith(NOT_ENDED) if how == "SCAN" else " USING " in detail


def steps(made: Scheduling, act: Act) -> int:
    """Of SQLite's virtual machine: they do not depend on the pace of this one."""
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    def begin(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        assert raw is not None
        raw.set_progress_handler(tick, 1)

    event.listen(made.db.engine, "begin", begin)
    try:
        act(made)
    finally:
        event.remove(made.db.engine, "begin", begin)
        made.db.close()  # connections that have the handler
    return ticks


@pytest.mark.parametrize(
    "name",
    [
        "metrics",
        "a tick of the scheduler",
        "a pass of retention",
        "is one being taken",
        "deletion of a snapshot",
        "is it in use",
        "first page of restore jobs",
        "ask for a job",
        "is a job waiting",
    ],
)
def test_it_costs_what_it_costs_where_little_has_happened(
    many: Scheduling, db: Database, name: str
) -> None:
    few = filled(db, jobs=150, kept=150)
    act = STATEMENTS[name]
    act(many), act(few)  # what is done but once is done now

    assert 0 < steps(many, act) <= 1.2 * steps(few, act) + 50


def test_all_of_them_are_pruned_in_batches_once_they_are_old(many: Scheduling) -> None:
    """The last test of the module: nothing is left."""
    many.clock.advance(days=366)
    records = JobRecords(many.db.engine)
    writes: list[int] = []

    def keep(_c: object, cursor: object, statement: str, *_rest: object) -> None:
        table = statement.removeprefix("DELETE FROM ").removeprefix("main.").split()[0]
        if table in ("workflow_status", "restore_job") and statement.startswith("DELETE"):
            writes.append(cursor.rowcount)  # type: ignore[attr-defined]  # a DBAPI cursor

    event.listen(many.db.engine, "after_cursor_execute", keep)

    pruned = Pruning(many.db, records, kept=timedelta(days=30), clock=many.clock).prune()

    records.close()
    assert (pruned.job_records, pruned.restore_jobs) == (MANY, MANY)
    assert (max(writes), sum(writes)) == (500, 2 * MANY)
    assert [count(many.db, table) for table in ("restore_job", "operation_outputs")] == [0, 0]
