"""Snapshots that schedules ask for: when, which, how many, and once."""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from telamon.jobs.queue import JobKind
from telamon.model.instance import InstanceKind, InstanceState
from telamon.model.retention import Retention, RetentionUnit
from telamon.model.schedule import Frequency, PolicyItem
from telamon.model.snapshot import SnapshotStatus, SnapshotType
from telamon.operations.scheduled_snapshots import Skipped
from telamon.state import instances, snapshots
from telamon.state.database import Database, Work
from tests.operations.crashes import CrashingDatabase
from tests.operations.schedules import Scheduling
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import INSTANCE, NOW, SECOND_INSTANCE, insert_snapshot

T = TypeVar("T")
DAILY = PolicyItem(
    id="d" * 24,
    frequency=Frequency.DAILY,
    interval=1,
    retention=Retention(unit=RetentionUnit.DAYS, value=7),
)
HOURLY = PolicyItem(
    id="e" * 24,
    frequency=Frequency.HOURLY,
    interval=6,
    retention=Retention(unit=RetentionUnit.DAYS, value=2),
)


def asked_jobs(scheduling: Scheduling) -> list[str]:
    """The subjects of the jobs in the queue."""
    jobs = sa.table("workflow_status", sa.column("workflow_uuid"), schema=_schema(scheduling))
    ids = scheduling.db.look(lambda tx: tx.execute(sa.select(jobs.c.workflow_uuid)).scalars().all())
    return sorted(str(one).removeprefix(f"{JobKind.TAKE_SNAPSHOT}:") for one in ids)


def _schema(scheduling: Scheduling) -> str | None:
    return "dbos" if scheduling.db.engine.dialect.name == "postgresql" else None


@pytest.mark.parametrize(
    ("kind", "hours", "days", "frequency"),
    [
        (InstanceKind.SERVERLESS, 6, 35, Frequency.HOURLY),
        (InstanceKind.FLEX, 24, 8, Frequency.DAILY),
    ],
)
def test_an_instance_gets_its_first_one_so_many_hours_after_it_was_made(
    scheduling: Scheduling, kind: InstanceKind, hours: int, days: int, frequency: Frequency
) -> None:
    scheduling.add(kind=kind)
    scheduling.clock.advance(hours=hours, seconds=-1)
    assert scheduling.tick() == ()

    scheduling.clock.advance(seconds=1)
    (run,) = scheduling.tick()

    (taken,) = scheduling.snapshots()
    assert (run.snapshot_id, run.due_at) == (taken.id, NOW + timedelta(hours=hours))
    assert (taken.status, taken.snapshot_type) == (SnapshotStatus.QUEUED, SnapshotType.SCHEDULED)
    assert (taken.frequency, taken.policy_item_ids) == (frequency, ())
    assert taken.requested_at == scheduling.clock()
    assert taken.expires_at == scheduling.clock() + timedelta(days=days)
    assert asked_jobs(scheduling) == [taken.id]


def test_then_one_is_taken_every_six_hours(scheduling: Scheduling) -> None:
    scheduling.add()
    for _ in range(60 * 26):
        scheduling.clock.advance(minutes=1)
        scheduling.tick()
        scheduling.complete_all()

    assert [(run.due_at - NOW) / timedelta(hours=1) for run in scheduling.runs()] == [6, 12, 18, 24]
    assert [taken.id for taken in scheduling.snapshots()] == [
        run.snapshot_id for run in scheduling.runs()
    ]


def test_the_rules_of_a_dedicated_cluster_decide_and_are_named(scheduling: Scheduling) -> None:
    scheduling.add(kind=InstanceKind.DEDICATED)
    scheduling.set_rules(DAILY, HOURLY)

    scheduling.clock.now = NOW.replace(hour=15, minute=0)
    scheduling.tick()
    scheduling.complete_all()
    scheduling.clock.now = NOW.replace(hour=3, minute=0) + timedelta(days=1)
    scheduling.tick()

    hourly, both = scheduling.snapshots()
    assert (hourly.frequency, hourly.policy_item_ids) == (Frequency.HOURLY, (HOURLY.id,))
    assert hourly.expires_at == hourly.requested_at + timedelta(days=2)
    assert (both.frequency, both.policy_item_ids) == (Frequency.DAILY, (DAILY.id, HOURLY.id))
    assert both.expires_at == both.requested_at + timedelta(days=7)


def test_a_rule_asks_for_nothing_before_it_was_made(scheduling: Scheduling) -> None:
    """Nor does a cluster without rules."""
    scheduling.add(kind=InstanceKind.DEDICATED)
    scheduling.clock.advance(days=30)
    assert scheduling.tick() == ()
    scheduling.set_rules(DAILY)

    assert scheduling.tick() == ()
    scheduling.clock.advance(days=1)
    assert len(scheduling.tick()) == 1


def test_what_was_missed_is_made_up_for_once(scheduling: Scheduling) -> None:
    scheduling.add()
    scheduling.clock.advance(days=10, hours=1)

    (run,) = scheduling.tick()
    assert scheduling.tick() == ()

    scheduling.complete_all()
    assert run.due_at == NOW + timedelta(days=10)
    scheduling.clock.advance(hours=5)
    assert [one.due_at for one in scheduling.tick()] == [NOW + timedelta(days=10, hours=6)]
    assert len(scheduling.snapshots()) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"state": InstanceState.CREATING}, Skipped.CREATING),
        ({"state": InstanceState.DELETING}, Skipped.DELETING),
        ({"managed": False, "address": None}, Skipped.NO_DEPLOYMENT),
    ],
)
def test_an_instance_that_cannot_be_read_is_passed_over_and_the_reason_noted(
    scheduling: Scheduling, changes: dict[str, Any], reason: Skipped
) -> None:
    scheduling.add(**changes)
    scheduling.clock.advance(hours=6)

    with capture_logs() as logs:
        (run,) = scheduling.tick()

    assert (run.skipped, run.snapshot_id, scheduling.snapshots()) == (reason, None, ())
    assert [(log["event"], log["reason"]) for log in logs] == [
        ("scheduled_snapshot_skipped", reason.value)
    ]
    assert [one.skipped for one in scheduling.runs()] == [reason.value]
    assert scheduling.tick() == ()


def test_no_second_snapshot_is_asked_for_while_one_is_taken(scheduling: Scheduling) -> None:
    """Whoever asked for the first."""
    scheduling.add()
    insert_snapshot(scheduling.db)
    scheduling.clock.advance(hours=6)

    (run,) = scheduling.tick()
    assert run.skipped is Skipped.BEING_TAKEN

    scheduling.complete_all()
    scheduling.clock.advance(hours=6)
    (run,) = scheduling.tick()
    assert run.skipped is None


def test_a_run_waits_for_a_mongod_that_is_being_started_again(scheduling: Scheduling) -> None:
    scheduling.add(state=InstanceState.REPAIRING)
    scheduling.clock.advance(hours=7)
    assert (scheduling.tick(), scheduling.runs()) == ((), ())

    scheduling.db.transact(lambda tx: instances.set_state(tx, INSTANCE, InstanceState.IDLE))

    (run,) = scheduling.tick()
    assert (run.skipped, run.due_at) == (None, NOW + timedelta(hours=6))


def test_a_deleted_instance_is_left_alone(scheduling: Scheduling) -> None:
    scheduling.add()
    scheduling.db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))
    scheduling.clock.advance(days=1)

    assert scheduling.tick() == ()


class MeetingDatabase(Database):
    """Both who look wait for each other before either goes on."""

    def __init__(self, inner: Database, barrier: Barrier) -> None:
        super().__init__(inner.engine)
        self._barrier = barrier

    def look(self, work: Work[T]) -> T:
        seen = super().look(work)
        self._barrier.wait(30)
        return seen


def test_two_schedulers_at_once_make_one_run_of_each_instance(scheduling: Scheduling) -> None:
    """Both have seen that it is due before either acts."""
    scheduling.add()
    scheduling.add(id=SECOND_INSTANCE, name="Second")
    scheduling.clock.advance(hours=6)
    barrier = Barrier(2)
    schedulers = [scheduling.scheduler(MeetingDatabase(scheduling.db, barrier)) for _ in range(2)]

    with ThreadPoolExecutor(2) as threads:
        made = [future.result() for future in [threads.submit(one.take_due) for one in schedulers]]

    assert sorted(run.instance_id for runs in made for run in runs) == [INSTANCE, SECOND_INSTANCE]
    for instance_id in (INSTANCE, SECOND_INSTANCE):
        (taken,) = scheduling.snapshots(instance_id)
        assert [run.snapshot_id for run in scheduling.runs(instance_id)] == [taken.id]
    assert len(asked_jobs(scheduling)) == 2


@pytest.mark.parametrize("after", [False, True])
def test_a_scheduler_killed_in_the_middle_is_made_up_for_and_nothing_is_made_twice(
    scheduling: Scheduling, after: bool
) -> None:
    """At each of its transactions in turn, before it begins or after its commit."""
    ids = [INSTANCE, SECOND_INSTANCE]
    for number, instance_id in enumerate(ids):
        scheduling.add(id=instance_id, name=f"Instance{number}")
    scheduling.clock.advance(hours=6)
    for at in itertools.count(1):
        crashing = CrashingDatabase(scheduling.db, at=at, after=after)
        try:
            scheduling.scheduler(crashing).take_due()
        except CrashError:
            for instance_id in ids:
                assert len(scheduling.runs(instance_id)) == len(scheduling.snapshots(instance_id))
            continue
        break

    taken = [scheduling.snapshots(instance_id) for instance_id in ids]
    assert [len(found) for found in taken] == [1, 1]
    assert asked_jobs(scheduling) == sorted(one.id for found in taken for one in found)


def broken_after(method: Callable[..., Any]) -> Callable[..., Any]:
    def act(*args: Any, **words: Any) -> Any:
        method(*args, **words)
        raise CrashError

    return act


def test_of_a_run_that_breaks_after_its_job_was_asked_for_nothing_is_left(
    scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduling.add()
    scheduling.clock.advance(hours=6)
    with monkeypatch.context() as broken:
        broken.setattr(scheduling.queue, "enqueue", broken_after(scheduling.queue.enqueue))
        with pytest.raises(CrashError):
            scheduling.tick()
    assert (scheduling.snapshots(), scheduling.runs(), asked_jobs(scheduling)) == ((), (), [])

    scheduling.tick()

    assert len(scheduling.snapshots()) == len(asked_jobs(scheduling)) == 1


def test_a_clock_that_was_wrong_for_a_while_stops_nothing(scheduling: Scheduling) -> None:
    """42 days ahead, then right again: the runs that are due by the right time are made."""
    scheduling.add()
    scheduling.clock.advance(days=42)
    scheduling.tick()
    scheduling.complete_all()
    scheduling.clock.now = NOW + timedelta(hours=6)

    (run,) = scheduling.tick()

    assert run.due_at == NOW + timedelta(hours=6)


def test_a_failed_one_is_shown_and_the_next_is_taken_all_the_same(scheduling: Scheduling) -> None:
    scheduling.add()
    scheduling.clock.advance(hours=6)
    (run,) = scheduling.tick()
    failed = str(run.snapshot_id)
    scheduling.db.transact(
        lambda tx: snapshots.fail(tx, failed, failure="no answer", at=scheduling.clock())
    )
    scheduling.clock.advance(hours=6)

    scheduling.tick()

    assert [one.status for one in scheduling.snapshots()] == [
        SnapshotStatus.FAILED,
        SnapshotStatus.QUEUED,
    ]


# Tried again


def fail_newest(scheduling: Scheduling) -> None:
    newest = scheduling.snapshots()[-1].id
    scheduling.db.transact(
        lambda tx: snapshots.fail(tx, newest, failure="no answer", at=scheduling.clock())
    )


@pytest.fixture
def failed(scheduling: Scheduling) -> Scheduling:
    """The first run of an instance has failed."""
    scheduling.add()
    scheduling.clock.advance(hours=6)
    scheduling.tick()
    fail_newest(scheduling)
    return scheduling


def test_a_failed_one_is_tried_again_after_growing_pauses_and_three_times(
    failed: Scheduling,
) -> None:
    scheduler = failed.scheduler()
    for minutes in (5, 15, 45):
        failed.clock.advance(minutes=minutes, seconds=-1)
        assert scheduler.try_again() == ()
        failed.clock.advance(seconds=1)
        (snapshot_id,) = scheduler.try_again()
        assert scheduler.try_again() == ()  # it is being taken
        assert failed.snapshots()[-1].id == snapshot_id
        assert snapshot_id in asked_jobs(failed)
        fail_newest(failed)

    failed.clock.advance(hours=2)
    assert scheduler.try_again() == ()
    assert len(failed.snapshots()) == 4


def test_the_new_one_is_of_the_same_rules_and_kept_for_as_long(failed: Scheduling) -> None:
    failed.clock.advance(minutes=5)
    failed.scheduler().try_again()

    first, second = failed.snapshots()
    assert second.snapshot_type is SnapshotType.SCHEDULED
    assert (second.frequency, second.policy_item_ids) == (first.frequency, first.policy_item_ids)
    assert second.expires_at - second.requested_at == first.expires_at - first.requested_at
    (run,) = failed.runs()
    assert run.snapshot_id == second.id


def test_one_that_ends_well_is_not_tried_again(failed: Scheduling) -> None:
    failed.clock.advance(minutes=5)
    failed.scheduler().try_again()
    failed.complete_all()
    failed.clock.advance(minutes=15)

    assert failed.scheduler().try_again() == ()


def test_once_the_next_is_due_the_failed_one_is_forgotten(failed: Scheduling) -> None:
    failed.clock.advance(hours=6)
    failed.tick()
    failed.complete_all()
    failed.clock.advance(hours=1)

    assert failed.scheduler().try_again() == ()
    assert len(failed.snapshots()) == 2


@pytest.mark.parametrize("state", [InstanceState.REPAIRING, InstanceState.DELETING])
def test_what_cannot_be_read_now_is_not_tried(failed: Scheduling, state: InstanceState) -> None:
    failed.db.transact(lambda tx: instances.set_state(tx, INSTANCE, state))
    failed.clock.advance(minutes=5)

    assert failed.scheduler().try_again() == ()


def test_two_schedulers_at_once_try_once(failed: Scheduling) -> None:
    failed.clock.advance(minutes=5)
    barrier = Barrier(2)
    schedulers = [failed.scheduler(MeetingDatabase(failed.db, barrier)) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        asked = list(pool.map(lambda scheduler: scheduler.try_again(), schedulers))

    assert sorted(map(len, asked)) == [0, 1]
    assert len(failed.snapshots()) == 2
