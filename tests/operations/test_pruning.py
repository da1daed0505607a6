"""Records of what is long over: which go, which stay, in what portions."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telamon.jobs.records import JobRecords
from telamon.operations import pruning as module
from telamon.operations.pruning import Pruned, Pruning
from telamon.state import instances as instance_rows
from telamon.state import old_restore_jobs, restore_jobs, schedule_runs
from telamon.state.database import Database
from tests.operations.crashes import CrashingDatabase
from tests.operations.ended import add_records, add_restore_jobs, count
from tests.operations.schedules import Scheduling
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import (
    INSTANCE,
    JOB,
    NOW,
    SECOND_INSTANCE,
    insert_instance,
    insert_restore_job,
    instance,
    restore_job,
)

DAY = timedelta(days=1)
KEPT = 30 * DAY
ENGINE_TABLES = ("workflow_status", "workflow_input", "workflow_output", "operation_outputs")


@pytest.fixture
def records(scheduling: Scheduling) -> Iterator[JobRecords]:
    opened = JobRecords(scheduling.db.engine)
    yield opened
    opened.close()


def pruning(scheduling: Scheduling, records: JobRecords, *, db: Database | None = None) -> Pruning:
    return Pruning(db or scheduling.db, records, kept=KEPT, clock=scheduling.clock)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """A batch small enough to have several of them."""
    monkeypatch.setattr(module, "BATCH", 4)
    return 4


# The engine's records


def test_records_of_jobs_that_ended_long_ago_go_with_all_that_belongs_to_them(
    scheduling: Scheduling, records: JobRecords
) -> None:
    add_records(scheduling.db, NOW - KEPT - timedelta(seconds=1), last=5)
    add_records(scheduling.db, NOW - KEPT + timedelta(seconds=10), first=6, last=8)

    pruned = pruning(scheduling, records).prune()

    assert pruned == Pruned(
        job_records=5, restore_jobs=0, schedule_runs=0, repository_jobs=0, drills=0
    )
    assert [count(scheduling.db, table) for table in ENGINE_TABLES] == [3] * 4


def test_a_job_that_has_not_ended_stays_however_old(
    scheduling: Scheduling, records: JobRecords
) -> None:
    scheduling.add()
    scheduling.clock.advance(hours=6)
    scheduling.tick()
    scheduling.clock.advance(days=4000)

    assert pruning(scheduling, records).prune().job_records == 0
    assert count(scheduling.db, "workflow_status") == 1


def test_records_go_in_batches_of_bounded_size(
    scheduling: Scheduling, records: JobRecords, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    add_records(scheduling.db, NOW - 2 * KEPT, last=10)
    batches: list[int] = []
    forget = records.forget

    def counted(job_ids: Any) -> None:
        batches.append(len(job_ids))
        forget(job_ids)

    monkeypatch.setattr(records, "forget", counted)

    pruning(scheduling, records).prune()

    assert batches == [few, few, 2]


def test_a_killed_pruning_has_done_whole_batches_and_the_next_does_the_rest(
    scheduling: Scheduling, records: JobRecords, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    add_records(scheduling.db, NOW - 2 * KEPT, last=10)
    forget, left = records.forget, [2]

    def crashing(job_ids: Any) -> None:
        if not left[0]:
            raise CrashError
        left[0] -= 1
        forget(job_ids)

    with monkeypatch.context() as killed:
        killed.setattr(records, "forget", crashing)
        with pytest.raises(CrashError):
            pruning(scheduling, records).prune()
    assert count(scheduling.db, "workflow_status") == 10 - 2 * few

    pruning(scheduling, records).prune()

    assert [count(scheduling.db, table) for table in ENGINE_TABLES] == [0] * 4


# Restore jobs


def add_old_restore_jobs(scheduling: Scheduling, last: int) -> None:
    """Of one instance, all ended and made at the same moment."""
    insert_instance(scheduling.db)
    insert_restore_job(scheduling.db)
    scheduling.db.transact(lambda tx: restore_jobs.finish(tx, JOB, at=NOW))
    add_restore_jobs(scheduling.db, JOB, last=last)


def listed(scheduling: Scheduling, limit: int = 500) -> tuple[list[int], int]:
    page = scheduling.db.look(lambda tx: restore_jobs.page(tx, INSTANCE, limit=limit, offset=0))
    return [job.sequence for job in page.items], page.total


def test_a_restore_job_can_be_read_for_a_year(scheduling: Scheduling, records: JobRecords) -> None:
    add_old_restore_jobs(scheduling, 3)
    scheduling.clock.advance(days=365, seconds=-1)
    assert pruning(scheduling, records).prune().restore_jobs == 0
    assert listed(scheduling) == ([3, 2, 1], 3)

    scheduling.clock.advance(seconds=1)

    assert pruning(scheduling, records).prune().restore_jobs == 3
    assert listed(scheduling) == ([], 0)


def test_numbers_go_on_where_they_were_after_all_are_gone(
    scheduling: Scheduling, records: JobRecords
) -> None:
    add_old_restore_jobs(scheduling, 3)
    scheduling.clock.advance(days=365)
    pruning(scheduling, records).prune()

    made = insert_restore_job(scheduling.db, id="f" * 24)

    assert made.sequence == 4
    assert listed(scheduling) == ([4], 1)


def test_a_kept_job_keeps_those_after_it(scheduling: Scheduling, records: JobRecords) -> None:
    """Numbers without gaps: the third is not over, so that the fourth and fifth stay with it."""
    add_old_restore_jobs(scheduling, 5)
    third = f"{3:024}"
    scheduling.db.transact(
        lambda tx: tx.exec_driver_sql(
            f"UPDATE restore_job SET created_at = created_at + 86400 WHERE id = '{third}'"
        )
    )
    scheduling.clock.advance(days=365)

    pruning(scheduling, records).prune()
    assert listed(scheduling) == ([5, 4, 3], 3)

    scheduling.clock.advance(days=1)
    pruning(scheduling, records).prune()
    assert listed(scheduling) == ([], 0)


def test_one_that_has_not_ended_is_never_forgotten(
    scheduling: Scheduling, records: JobRecords
) -> None:
    insert_instance(scheduling.db)
    insert_restore_job(scheduling.db)
    scheduling.clock.advance(days=4000)

    pruning(scheduling, records).prune()

    assert listed(scheduling) == ([1], 1)


def test_restore_jobs_go_in_batches_and_their_bounds_move_with_each(
    scheduling: Scheduling, records: JobRecords, few: int
) -> None:
    add_old_restore_jobs(scheduling, 10)
    insert_instance(scheduling.db, id=SECOND_INSTANCE, name="Second")
    scheduling.clock.advance(days=365)
    crashing = CrashingDatabase(scheduling.db, at=2, after=True)

    with pytest.raises(CrashError):
        pruning(scheduling, records, db=crashing).prune()

    assert listed(scheduling) == ([10, 9], 2)
    assert 2 * few == 8
    pruning(scheduling, records).prune()
    bounds = scheduling.db.look(lambda tx: instance_rows.restore_job_bounds(tx, INSTANCE))
    assert (listed(scheduling), bounds) == (([], 0), (11, 10))


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_transaction_leaves_pages_without_gaps(
    scheduling: Scheduling, records: JobRecords, few: int, after: bool
) -> None:
    add_old_restore_jobs(scheduling, 10)
    scheduling.clock.advance(days=365)
    for at in range(1, 8):
        try:
            pruning(
                scheduling, records, db=CrashingDatabase(scheduling.db, at=1, after=after)
            ).prune()
        except CrashError:
            numbers, total = listed(scheduling)
            assert numbers == list(range(10, 10 - total, -1))
            assert total == (max(0, 10 - at * few) if after else 10)
    pruning(scheduling, records).prune()

    assert listed(scheduling) == ([], 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(over=st.lists(st.booleans(), min_size=1, max_size=9), limit=st.integers(1, 9))
def test_what_goes_is_the_longest_run_of_old_ones_from_the_first(
    scheduling: Scheduling, over: list[bool], limit: int
) -> None:
    class UndoneError(Exception):
        """Ends a transaction that is not to be kept."""

    seen: list[tuple[int, list[int]]] = []

    def work(tx: sa.Connection) -> None:
        scheduling_db_rows(tx, over)
        went = old_restore_jobs.prune(tx, INSTANCE, NOW, limit=limit)
        page = restore_jobs.page(tx, INSTANCE, limit=50, offset=0)
        assert page.total == len(page.items)
        seen.append((went, [job.sequence for job in page.items]))
        raise UndoneError

    with pytest.raises(UndoneError):
        scheduling.db.transact(work)

    expected = next((n for n, is_over in enumerate(over) if not is_over), len(over))
    expected = min(expected, limit)
    assert seen == [(expected, list(range(len(over), expected, -1)))]


def scheduling_db_rows(tx: sa.Connection, over: list[bool]) -> None:
    """Ended restore jobs of an instance, those that are over and those that are not."""
    instance_rows.insert(tx, instance(), sealed_credentials=b"sealed")
    for number, is_over in enumerate(over, 1):
        sequence = instance_rows.next_restore_job(tx, INSTANCE)
        created_at = NOW if is_over else NOW + timedelta(seconds=1)
        job = restore_job(id=f"{number:024}", sequence=sequence, created_at=created_at)
        restore_jobs.insert(tx, job)
        restore_jobs.finish(tx, job.id, at=NOW)


def test_a_job_whose_download_is_over_can_be_read_for_a_year_all_the_same(
    scheduling: Scheduling, records: JobRecords
) -> None:
    insert_instance(scheduling.db)
    insert_restore_job(scheduling.db, expires_at=NOW + timedelta(hours=4))
    scheduling.db.transact(lambda tx: restore_jobs.finish(tx, JOB, at=NOW))
    scheduling.clock.advance(days=364)

    assert pruning(scheduling, records).prune().restore_jobs == 0


# Runs of schedules


def test_old_runs_go_but_for_the_last_of_each_instance(
    scheduling: Scheduling, records: JobRecords, few: int
) -> None:
    """Without it the scheduler would take what it named for missed."""
    scheduling.add()
    scheduling.add(id=SECOND_INSTANCE, name="Second")
    for _ in range(10):
        scheduling.clock.advance(hours=6)
        scheduling.tick()
        scheduling.complete_all()
    last = {each: scheduling.runs(each)[-1] for each in (INSTANCE, SECOND_INSTANCE)}
    scheduling.clock.advance(days=31)

    pruned = pruning(scheduling, records).prune()

    assert pruned.schedule_runs == 18 > few
    for instance_id, run in last.items():
        assert scheduling.runs(instance_id) == (run,)


def test_a_run_younger_than_that_stays(scheduling: Scheduling, records: JobRecords) -> None:
    scheduling.add()
    for _ in range(3):
        scheduling.clock.advance(hours=6)
        scheduling.tick()
    scheduling.clock.advance(days=29)

    assert pruning(scheduling, records).prune().schedule_runs == 0
    assert len(scheduling.db.look(lambda tx: schedule_runs.of_instance(tx, INSTANCE))) == 3
