"""Rows of restore jobs, but for their pages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from threading import Barrier

import pytest

from telamon.errors import RestoreInProgress, RestoreJobNotFound
from telamon.model.restore_job import RestoreStage
from telamon.state import ended_jobs, restore_jobs
from telamon.state.database import Database
from tests.state.samples import (
    INSTANCE,
    JOB,
    NOW,
    SECOND_INSTANCE,
    insert_instance,
    insert_restore_job,
    restore_job,
)

LATER = NOW + timedelta(minutes=1)
SECOND_JOB = "65f0000000000000000000e1"
FINISHED = restore_job(
    stage=RestoreStage.FINISHED, finished_at=LATER, documents=10, size_bytes=1000
)


@pytest.fixture(autouse=True)
def _instances(db: Database) -> None:
    insert_instance(db)
    insert_instance(db, id=SECOND_INSTANCE, name="Second")


def finish(db: Database, job_id: str = JOB, at: datetime = LATER) -> None:
    db.transact(lambda tx: restore_jobs.finish(tx, job_id, at=at))


def fail(db: Database, failure: str = "no room", at: datetime = LATER) -> None:
    db.transact(lambda tx: restore_jobs.fail(tx, JOB, failure=failure, at=at))


def start(db: Database) -> int:
    return db.transact(lambda tx: restore_jobs.start(tx, JOB))


def test_a_restore_job_is_read_as_it_was_inserted(db: Database) -> None:
    insert_restore_job(db)

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)) == restore_job()


def test_a_restore_job_is_found_only_with_the_instance_of_its_snapshot(db: Database) -> None:
    insert_restore_job(db, target_instance_id=SECOND_INSTANCE)
    found = db.look(lambda tx: restore_jobs.of_instance(tx, INSTANCE, "Instance0", JOB))
    assert found.target_instance_id == SECOND_INSTANCE

    with pytest.raises(RestoreJobNotFound) as caught:
        db.look(lambda tx: restore_jobs.of_instance(tx, SECOND_INSTANCE, "Second", JOB))
    assert caught.value.parameters == (JOB, "Second")


def test_an_unknown_restore_job_is_not_found(db: Database) -> None:
    with pytest.raises(RestoreJobNotFound):
        db.look(lambda tx: restore_jobs.by_id(tx, JOB))


def test_one_restore_at_a_time_runs_into_a_target(db: Database) -> None:
    insert_restore_job(db)

    with pytest.raises(RestoreInProgress):
        insert_restore_job(db, id=SECOND_JOB, instance_id=SECOND_INSTANCE)


def test_a_refused_restore_leaves_no_gap_in_the_numbers(db: Database) -> None:
    insert_restore_job(db)
    with pytest.raises(RestoreInProgress):
        insert_restore_job(db, id=SECOND_JOB)
    finish(db)

    assert insert_restore_job(db, id=SECOND_JOB).sequence == 2


def test_restores_into_different_targets_run_at_once(db: Database) -> None:
    insert_restore_job(db)

    second = insert_restore_job(db, id=SECOND_JOB, target_instance_id=SECOND_INSTANCE)

    assert second.sequence == 2


@pytest.mark.parametrize("end", [finish, fail])
def test_a_restore_that_has_ended_makes_room_for_the_next(db: Database, end: object) -> None:
    insert_restore_job(db)
    assert callable(end)
    end(db)

    assert insert_restore_job(db, id=SECOND_JOB).sequence == 2


def test_of_threads_that_race_for_one_target_exactly_one_wins(db: Database) -> None:
    barrier = Barrier(4)

    def race(number: int) -> str:
        barrier.wait()
        try:
            return insert_restore_job(db, id=f"{number:024}").id
        except RestoreInProgress:
            return "in progress"

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(race, range(4)))

    assert answers[1:] == ["in progress"] * 3
    assert answers[0] in {f"{number:024}" for number in range(4)}


def test_starting_counts_the_attempts_and_begins_anew(db: Database) -> None:
    insert_restore_job(db)

    first = start(db)
    db.transact(
        lambda tx: restore_jobs.set_progress(tx, JOB, documents=4, size_bytes=400, namespaces=2)
    )
    found = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert found == restore_job(
        stage=RestoreStage.LOADING, documents=4, size_bytes=400, namespaces=2
    )

    assert [first, start(db)] == [1, 2]
    found = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert found == restore_job(stage=RestoreStage.LOADING)


def test_a_swap_shows(db: Database) -> None:
    insert_restore_job(db)

    db.transact(lambda tx: restore_jobs.set_swapping(tx, JOB))

    found = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert found.stage is RestoreStage.SWAPPING


def test_a_finished_restore_has_restored_everything(db: Database) -> None:
    insert_restore_job(db)

    finish(db)

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)) == FINISHED


def test_finishing_again_changes_nothing(db: Database) -> None:
    insert_restore_job(db)
    finish(db)

    finish(db, at=LATER + timedelta(hours=1))

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)) == FINISHED


def test_a_finished_restore_never_fails(db: Database) -> None:
    insert_restore_job(db)
    finish(db)

    fail(db)

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)) == FINISHED


def test_a_failed_restore_says_why(db: Database) -> None:
    insert_restore_job(db)

    fail(db)

    found = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert found == restore_job(stage=RestoreStage.FAILED, finished_at=LATER, failure="no room")
    assert found.failed is True


def test_failing_again_changes_nothing(db: Database) -> None:
    insert_restore_job(db)
    fail(db)

    fail(db, "something else", LATER + timedelta(hours=1))

    found = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (found.failure, found.finished_at) == ("no room", LATER)


def test_a_failed_restore_is_never_finished(db: Database) -> None:
    insert_restore_job(db)
    fail(db)

    finish(db)

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)).failed is True


@pytest.mark.parametrize("end", [finish, fail])
def test_a_restore_that_has_ended_is_neither_started_nor_swapped(db: Database, end: object) -> None:
    insert_restore_job(db)
    assert callable(end)
    end(db)
    before = db.look(lambda tx: restore_jobs.by_id(tx, JOB))

    start(db)
    db.transact(lambda tx: restore_jobs.set_swapping(tx, JOB))
    db.transact(
        lambda tx: restore_jobs.set_progress(tx, JOB, documents=1, size_bytes=1, namespaces=1)
    )

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)) == before


def test_a_record_is_expired_from_its_last_moment_on() -> None:
    job = replace(restore_job(), expires_at=LATER)

    assert job.is_expired(LATER - timedelta(seconds=1)) is False
    assert job.is_expired(LATER) is True


def test_a_begin_that_is_handed_back_does_not_count(db: Database) -> None:
    insert_restore_job(db)
    db.transact(lambda tx: restore_jobs.start(tx, JOB))

    for _ in range(2):
        db.transact(lambda tx: restore_jobs.hand_back(tx, JOB))

    assert db.transact(lambda tx: restore_jobs.start(tx, JOB)) == 1


def test_a_begin_counts_once_the_target_is_being_changed(db: Database) -> None:
    """The loading has ended then, and was not what the worker was stopped in."""
    insert_restore_job(db)
    db.transact(lambda tx: restore_jobs.start(tx, JOB))
    db.transact(lambda tx: restore_jobs.set_swapping(tx, JOB))

    db.transact(lambda tx: restore_jobs.hand_back(tx, JOB))

    assert db.transact(lambda tx: restore_jobs.start(tx, JOB)) == 2
    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)).stage is RestoreStage.SWAPPING


# Cancelled by its worker


def request(db: Database) -> bool:
    return db.transact(lambda tx: restore_jobs.request_cancel(tx, JOB, at=LATER))


def swap(db: Database) -> bool:
    return db.transact(lambda tx: restore_jobs.set_swapping(tx, JOB))


def is_requested(db: Database) -> bool:
    return db.look(lambda tx: restore_jobs.is_cancel_requested(tx, JOB))


def test_a_cancel_keeps_the_swap_from_beginning(db: Database) -> None:
    insert_restore_job(db)
    start(db)
    assert not is_requested(db)

    assert request(db)
    assert request(db)

    assert is_requested(db)
    assert not swap(db)
    job = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (job.stage, job.cancel_requested_at) == (RestoreStage.LOADING, LATER)


def test_a_swap_keeps_a_cancel_from_beginning(db: Database) -> None:
    insert_restore_job(db)
    start(db)
    assert swap(db)

    assert not request(db)

    assert swap(db)
    assert not is_requested(db)


def test_of_a_swap_and_a_cancel_that_race_one_wins(db: Database) -> None:
    insert_restore_job(db)
    start(db)
    barrier = Barrier(2)

    def race(act: Callable[[Database], bool]) -> bool:
        barrier.wait()
        return act(db)

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(race, [swap, request])) == [False, True]


@pytest.mark.parametrize("end", [finish, fail])
def test_what_has_ended_or_not_begun_is_not_to_be_cancelled(
    db: Database, end: Callable[[Database], None]
) -> None:
    insert_restore_job(db)
    assert not request(db)
    start(db)
    end(db)

    assert not request(db)
    assert is_requested(db)  # a worker that works on it has no reason to


def test_the_end_of_a_cancelled_job_is_told_and_counted_once(db: Database) -> None:
    insert_restore_job(db)
    start(db)
    end = partial(restore_jobs.end_cancelled, restore_job_id=JOB, failure="Cancelled.", at=LATER)
    db.transact(end)
    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)).finished_at is None  # nobody had asked
    request(db)

    db.transact(end)
    db.transact(end)

    job = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (job.stage, job.cancelled, job.failure) == (RestoreStage.FAILED, True, "Cancelled.")
    counted = db.look(ended_jobs.totals)
    assert [one.jobs for one in counted if one.outcome == "cancelled"] == [1]


def test_progress_of_a_job_that_has_ended_is_none(db: Database) -> None:
    insert_restore_job(db)
    note = partial(
        restore_jobs.set_progress, restore_job_id=JOB, documents=1, size_bytes=1, namespaces=1
    )
    assert db.transact(note)
    finish(db)

    assert not db.transact(note)


# Attempts


def keep(db: Database, kept: int) -> int:
    return db.transact(lambda tx: restore_jobs.note_kept(tx, JOB, kept))


def test_only_attempts_that_had_no_more_to_go_on_with_are_counted(db: Database) -> None:
    insert_restore_job(db)

    counted = []
    for kept in (0, 0, 5, 5, 3, 9):
        start(db)
        counted.append(keep(db, kept))

    assert counted == [1, 2, 1, 2, 3, 1]
