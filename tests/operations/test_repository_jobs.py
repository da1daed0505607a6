"""When prunes and checks of the repository are asked for, and how often."""

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from threading import Barrier, Thread

import pytest

from telamon.errors import RepositoryJobInProgress
from telamon.jobs.records import JobRecords, in_flight
from telamon.model.repository_job import RepositoryJob, RepositoryJobKind, RepositoryReport
from telamon.operations.pruning import Pruning
from telamon.operations.repository_jobs import DueRepositoryJobs, enqueue
from telamon.state import repository_jobs as rows
from telamon.state.database import Database, Work
from tests.operations.schedules import Scheduling
from tests.operations.upkeep import CHECK, PRUNE, job
from tests.state.samples import NOW

WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)


def due(
    scheduling: Scheduling, db: Database | None = None, **every: timedelta
) -> DueRepositoryJobs:
    return DueRepositoryJobs(
        db or scheduling.db,
        scheduling.queue,
        every={RepositoryJobKind(name): after for name, after in every.items()},
        read_data_percent=12.5,
        clock=scheduling.clock,
        new_id=scheduling.new_id,
    )


def end(scheduling: Scheduling, failure: str | None = None) -> None:
    """Whatever is under way."""
    now = scheduling.clock()

    def work(tx):  # type: ignore[no-untyped-def]  # of a connection
        for one in rows.page(tx, limit=99, offset=0).items:
            if one.finished_at is None and failure:
                rows.fail(tx, one.id, failure=failure, at=now)
            elif one.finished_at is None:
                rows.finish(tx, one, RepositoryReport(), at=now)

    scheduling.db.transact(work)


def all_jobs(scheduling: Scheduling) -> tuple[RepositoryJob, ...]:
    return scheduling.db.look(lambda tx: rows.page(tx, limit=99, offset=0)).items


def test_the_first_is_due_so_long_after_the_beginning(scheduling: Scheduling) -> None:
    asking = due(scheduling, prune=WEEK)
    scheduling.clock.now = NOW + WEEK - SECOND
    assert asking.ask() == ()

    scheduling.clock.now = NOW + WEEK
    (asked,) = asking.ask()

    assert (asked.kind, asked.due_at, asked.dry_run) == (PRUNE, NOW + WEEK, False)
    assert all_jobs(scheduling) == (asked,)
    (queued,) = scheduling.db.look(in_flight)
    assert (queued.kind, queued.jobs, queued.is_running) == ("prune", 1, False)


def test_a_check_reads_so_much_as_the_settings_say(scheduling: Scheduling) -> None:
    scheduling.clock.now = NOW + WEEK

    asked = due(scheduling, prune=WEEK, check=WEEK).ask()

    assert [(one.kind, one.read_data_percent) for one in asked] == [(PRUNE, 0.0), (CHECK, 12.5)]


def test_what_was_missed_is_made_up_for_once(scheduling: Scheduling) -> None:
    scheduling.clock.now = NOW + 10 * WEEK
    asking = due(scheduling, prune=WEEK)
    assert len(asking.ask()) == 1
    end(scheduling)

    assert asking.ask() == ()
    scheduling.clock.now += WEEK
    assert len(asking.ask()) == 1


def test_nothing_is_asked_for_while_one_has_not_ended(scheduling: Scheduling) -> None:
    scheduling.clock.now = NOW + WEEK
    asking = due(scheduling, prune=WEEK)
    asking.ask()
    scheduling.clock.now += 9 * WEEK

    assert asking.ask() == ()


def test_one_that_failed_is_asked_for_again_on_the_next_day(scheduling: Scheduling) -> None:
    scheduling.clock.now = NOW + WEEK
    asking = due(scheduling, prune=WEEK)
    asking.ask()
    end(scheduling, failure="The store does not answer.")

    scheduling.clock.advance(hours=23)
    assert asking.ask() == ()
    scheduling.clock.advance(hours=1)
    assert len(asking.ask()) == 1


def test_what_a_caller_asked_for_counts_but_no_dry_run(scheduling: Scheduling) -> None:
    scheduling.clock.now = NOW + WEEK
    asking = due(scheduling, prune=WEEK)
    dry = job(PRUNE, id="d" * 24, requested_at=scheduling.clock(), dry_run=True)
    scheduling.db.transact(lambda tx: enqueue(tx, scheduling.queue, dry))
    assert asking.ask() == ()  # until it has ended: of a kind there is one at a time
    end(scheduling)
    assert len(asking.ask()) == 1
    end(scheduling)

    scheduling.clock.advance(days=6)
    own = job(PRUNE, id="e" * 24, requested_at=scheduling.clock())
    scheduling.db.transact(lambda tx: enqueue(tx, scheduling.queue, own))
    end(scheduling)
    scheduling.clock.advance(days=6)
    assert asking.ask() == ()


@pytest.mark.parametrize("finished", [False, True])
def test_another_of_the_kind_or_of_the_moment_is_refused(
    scheduling: Scheduling, finished: bool
) -> None:
    first = job(PRUNE, id="d" * 24, due_at=NOW)
    scheduling.db.transact(partial(rows.insert, new=first))
    if finished:
        end(scheduling)

    with pytest.raises(RepositoryJobInProgress):
        scheduling.db.transact(partial(rows.insert, new=job(PRUNE, due_at=NOW)))
    scheduling.db.transact(partial(rows.insert, new=job(CHECK, due_at=NOW)))


class Meeting(Database):
    """Two that have both seen what is due before either asks for it."""

    def __init__(self, inner: Database, barrier: Barrier) -> None:
        super().__init__(inner.engine)
        self._barrier = barrier

    def transact(self, work: Work[object]) -> object:  # type: ignore[override]  # of any type
        self._barrier.wait(10)
        return super().transact(work)


def test_two_workers_ask_once(scheduling: Scheduling) -> None:
    scheduling.clock.now = NOW + WEEK
    barrier = Barrier(2)
    asked: list[RepositoryJob] = []

    def ask() -> None:
        asked.extend(due(scheduling, Meeting(scheduling.db, barrier), prune=WEEK).ask())

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(asked) == 1
    assert all_jobs(scheduling) == tuple(asked)


# Their end


@pytest.fixture
def records(scheduling: Scheduling) -> Iterator[JobRecords]:
    opened = JobRecords(scheduling.db.engine)
    yield opened
    opened.close()


def test_old_ones_go_but_those_that_tell_when_the_next_is_due(
    scheduling: Scheduling, records: JobRecords
) -> None:
    def put(number: int, days: int, *, failure: str | None = None, **changes: object) -> None:
        made = job(PRUNE, id=f"{number:024x}", requested_at=NOW + timedelta(days=days), **changes)
        scheduling.db.transact(partial(rows.insert, new=made))
        scheduling.clock.now = made.requested_at
        end(scheduling, failure=failure)

    put(1, 0)
    put(2, 1)
    put(3, 2, failure="No.")
    put(4, 3, dry_run=True)
    put(5, 50, dry_run=True)
    scheduling.clock.now = NOW + timedelta(days=60)

    kept = timedelta(days=30)
    pruned = Pruning(scheduling.db, records, kept=kept, clock=scheduling.clock).prune()

    assert pruned.repository_jobs == 2
    assert [int(one.id, 16) for one in all_jobs(scheduling)] == [5, 3, 2]


def test_one_that_has_not_ended_stays(scheduling: Scheduling, records: JobRecords) -> None:
    scheduling.db.transact(partial(rows.insert, new=job(PRUNE, dry_run=True)))
    scheduling.clock.advance(days=400)

    kept = timedelta(days=30)
    pruned = Pruning(scheduling.db, records, kept=kept, clock=scheduling.clock).prune()

    assert (pruned.repository_jobs, len(all_jobs(scheduling))) == (0, 1)
