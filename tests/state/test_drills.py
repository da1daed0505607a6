"""Rows of drills."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from telamon.errors import DrillInProgress, DrillNotFound
from telamon.model.drill import Drill, DrillState
from telamon.state import drills, instances, measurements, snapshots
from telamon.state.database import Database
from tests.drills import DRILL, queued_drill
from tests.state.samples import (
    INSTANCE,
    NOW,
    SECOND_INSTANCE,
    SNAPSHOT,
    insert_instance,
    insert_snapshot,
    manifest,
)

SECOND = "65f0000000000000000000f8"
DAY = timedelta(days=1)
REPORT = b'{"a":"\xc3\xa9"}'


def insert(db: Database, **changes: Any) -> Drill:
    made = queued_drill(**changes)
    db.transact(lambda tx: drills.insert(tx, made))
    return made


def finish(
    db: Database, drill_id: str = DRILL, *, failure: str | None = None, at: datetime = NOW
) -> None:
    db.transact(lambda tx: drills.finish(tx, drill_id, failure=failure, report=REPORT, at=at))


def get(db: Database, drill_id: str = DRILL) -> Drill:
    return db.look(lambda tx: drills.by_id(tx, drill_id))


def report(db: Database) -> bytes | None:
    return db.look(lambda tx: drills.report(tx, DRILL))


@pytest.fixture
def asked(db: Database) -> Database:
    insert_instance(db)
    insert(db)
    return db


def test_what_was_asked_for_is_read_back(asked: Database) -> None:
    assert get(asked) == queued_drill()
    assert asked.look(lambda tx: drills.of_instance(tx, INSTANCE, "x", DRILL)) == queued_drill()
    assert report(asked) is None


def test_what_is_not_there_is_not_found(asked: Database) -> None:
    with pytest.raises(DrillNotFound):
        get(asked, SECOND)
    with pytest.raises(DrillNotFound) as caught:
        asked.look(lambda tx: drills.of_instance(tx, SECOND_INSTANCE, "other", DRILL))
    assert caught.value.parameters == (DRILL, "other")


def test_an_instance_has_one_at_a_time(asked: Database) -> None:
    insert_instance(asked, id=SECOND_INSTANCE, name="Second")
    with pytest.raises(DrillInProgress):
        insert(asked, id=SECOND)
    insert(asked, id=SECOND, instance_id=SECOND_INSTANCE)

    finish(asked)

    insert(asked, id="65f0000000000000000000f9")


def test_it_begins_again_and_ends_once(asked: Database) -> None:
    begun = [asked.transact(lambda tx: drills.start(tx, DRILL, at=NOW + DAY)) for _ in range(2)]
    running = get(asked)
    finish(asked, failure="no")
    finish(asked)
    asked.transact(lambda tx: drills.start(tx, DRILL, at=NOW))

    found = get(asked)
    assert begun == [1, 2]
    assert (running.state, running.started_at) == (DrillState.RUNNING, NOW + DAY)
    assert (found.state, found.failure, found.finished_at) == (DrillState.FAILED, "no", NOW)
    assert report(asked) == REPORT


def test_a_snapshot_is_drilled_until_the_drill_has_ended(asked: Database) -> None:
    def is_drilled(snapshot_id: str) -> bool:
        return asked.look(lambda tx: drills.is_drilled(tx, snapshot_id))

    assert (is_drilled(SNAPSHOT), is_drilled(DRILL)) == (True, False)
    assert asked.look(drills.is_any_unfinished)
    finish(asked)
    assert not is_drilled(SNAPSHOT)
    assert not asked.look(drills.is_any_unfinished)


def test_a_page_has_the_newest_first(asked: Database) -> None:
    ids = [f"65f0000000000000000000{0xF7 + number:x}" for number in range(4)]
    for number in range(1, 4):
        finish(asked, ids[number - 1])
        insert(asked, id=ids[number], requested_at=NOW + number * DAY)

    page = asked.look(lambda tx: drills.page(tx, INSTANCE, limit=2, offset=1))

    assert page.total == 4
    assert [each.requested_at for each in page.items] == [NOW + 2 * DAY, NOW + DAY]


# Whose turn it is


def complete(db: Database, instance_id: str, snapshot_id: str) -> None:
    insert_snapshot(db, id=snapshot_id, instance_id=instance_id)
    found = manifest(snapshot_id)
    db.transact(lambda tx: snapshots.start(tx, snapshot_id, mongodb_version="6.0.5", at=NOW))
    db.transact(lambda tx: snapshots.complete(tx, found, new_bytes=1, at=NOW))


def next_one(db: Database, since: datetime = NOW) -> str | None:
    return db.look(lambda tx: drills.longest_undrilled(tx, since=since))


def test_the_one_without_a_drill_for_the_longest_time_is_next(db: Database) -> None:
    ids = [f"65f0000000000000000000c{number}" for number in range(4)]
    for number, instance_id in enumerate(ids):
        insert_instance(db, id=instance_id, name=f"I{number}")
    assert next_one(db) is None  # none has a snapshot
    for number, instance_id in enumerate(ids[:3]):
        complete(db, instance_id, f"65f0000000000000000000d{number}")
    insert(db, instance_id=ids[0], requested_at=NOW - 2 * DAY)
    insert(db, id=SECOND, instance_id=ids[2], requested_at=NOW - 3 * DAY)

    assert next_one(db) == ids[1]
    db.transact(lambda tx: instances.set_deleted(tx, ids[1], NOW))
    assert next_one(db) == ids[2]
    assert next_one(db, NOW - 3 * DAY) == ids[2]
    assert next_one(db, NOW - 3 * DAY - timedelta(seconds=1)) is None


def test_a_snapshot_that_failed_or_goes_is_nothing_to_drill(db: Database) -> None:
    insert_instance(db)
    insert_snapshot(db)
    assert next_one(db) is None
    complete(db, INSTANCE, SECOND)
    db.transact(lambda tx: snapshots.hide(tx, SECOND, deletion_id=DRILL))

    assert next_one(db) is None


# What is measured, and what goes


def test_the_last_that_passed_is_measured(asked: Database) -> None:
    def drilled_at() -> datetime | None:
        (found,) = asked.look(measurements.measured_instances)
        return found.drilled_at

    assert drilled_at() is None
    finish(asked, at=NOW + DAY)
    insert(asked, id=SECOND)
    finish(asked, SECOND, failure="no", at=NOW + 2 * DAY)

    assert drilled_at() == NOW + DAY


def test_what_was_asked_for_long_ago_and_has_ended_goes(asked: Database) -> None:
    def prune(before: datetime) -> int:
        return asked.transact(lambda tx: drills.prune(tx, before, limit=10))

    assert prune(NOW) == 0  # it has not ended
    finish(asked)

    assert prune(NOW - timedelta(seconds=1)) == 0
    assert prune(NOW) == 1
    with pytest.raises(DrillNotFound):
        get(asked)
