"""Drills that schedules ask for, and what a drill keeps others from."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from telamon.jobs.engine_tables import jobs_table
from telamon.jobs.queue import MONGOD_QUEUE_NAME, QUEUE_NAME
from telamon.jobs.records import JobRecords
from telamon.model.drill import Drill
from telamon.model.expiry import Reason
from telamon.operations.drills import ScheduledDrills
from telamon.operations.expired_snapshots import ExpiredSnapshots
from telamon.operations.pruning import Pruning
from telamon.state import drills, workers
from telamon.state.database import Database
from telamon.state.workers import LivingWorker
from tests.operations.crashes import CrashingDatabase
from tests.operations.schedules import Scheduling
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import INSTANCE, SECOND_INSTANCE

WEEK = 7


def ask_due(scheduling: Scheduling, db: Database | None = None) -> Drill | None:
    return ScheduledDrills(
        db or scheduling.db,
        scheduling.queue,
        every_days=WEEK,
        clock=scheduling.clock,
        new_id=scheduling.new_id,
    ).ask_due()


def end(scheduling: Scheduling, drill: Drill | None) -> None:
    assert drill is not None
    scheduling.db.transact(
        lambda tx: drills.finish(tx, drill.id, failure=None, report=b"{}", at=scheduling.clock())
    )


def queues(scheduling: Scheduling) -> list[str]:
    def work(tx: sa.Connection) -> list[str]:
        jobs = jobs_table(tx)
        rows = tx.execute(sa.select(jobs.c.queue_name).where(jobs.c.name == "drill"))
        return list(rows.scalars())

    return scheduling.db.look(work)


@pytest.fixture
def two(scheduling: Scheduling) -> Scheduling:
    """Two instances with a snapshot each, the first with two."""
    scheduling.add()
    scheduling.add(id=SECOND_INSTANCE, name="Second")
    scheduling.good(1)
    scheduling.clock.advance(hours=1)
    scheduling.good(2)
    scheduling.good(3, instance_id=SECOND_INSTANCE)
    return scheduling


def test_each_instance_gets_one_in_so_many_days_one_after_the_other(two: Scheduling) -> None:
    first = ask_due(two)
    assert ask_due(two) is None  # one at a time
    end(two, first)
    two.clock.advance(hours=1)
    second = ask_due(two)
    end(two, second)
    assert ask_due(two) is None

    assert first is not None
    assert second is not None
    assert (first.instance_id, first.snapshot_id) == (INSTANCE, f"{2:024x}")
    assert second.instance_id == SECOND_INSTANCE
    assert len(queues(two)) == 2
    two.clock.advance(days=WEEK, hours=-1)
    again = ask_due(two)
    end(two, again)
    assert again is not None
    assert again.instance_id == INSTANCE
    assert ask_due(two) is None


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_that_is_killed_has_asked_whole_or_not_at_all(
    two: Scheduling, after: bool
) -> None:
    with pytest.raises(CrashError):
        ask_due(two, CrashingDatabase(two.db, at=1, after=after))

    assert len(queues(two)) == int(after)
    assert (ask_due(two) is None) is after
    assert len(queues(two)) == 1


@pytest.mark.parametrize("has_mongod", [False, True])
def test_a_fleet_drills_where_there_is_a_mongod(two: Scheduling, has_mongod: bool) -> None:
    """If there is none at all, any worker says so."""
    living = LivingWorker(id="w", machine="m", has_mongod=has_mongod, version="v")
    two.db.transact(lambda tx: workers.insert(tx, living))

    ask_due(two)

    is_fleet = two.db.is_shared
    assert queues(two) == [MONGOD_QUEUE_NAME if is_fleet and has_mongod else QUEUE_NAME]


def test_a_snapshot_that_is_drilled_is_kept(two: Scheduling) -> None:
    drill = ask_due(two)
    assert drill is not None
    two.clock.advance(days=100)
    two.good(4)
    expired = ExpiredSnapshots(two.db, two.queue, clock=two.clock, new_id=two.new_id)

    def reason() -> Reason:
        verdicts = expired.plan()[0].verdicts
        return next(each.reason for each in verdicts if each.snapshot.id == drill.snapshot_id)

    assert reason() is Reason.IN_USE
    end(two, drill)
    assert reason() is Reason.EXPIRED


def test_reports_are_kept_for_a_year(two: Scheduling) -> None:
    drill = ask_due(two)
    end(two, drill)
    records = JobRecords(two.db.engine)
    pruning = Pruning(two.db, records, kept=timedelta(days=1), clock=two.clock)

    two.clock.advance(days=364)
    assert pruning.prune().drills == 0
    two.clock.advance(days=1)
    assert pruning.prune().drills == 1
    records.close()
