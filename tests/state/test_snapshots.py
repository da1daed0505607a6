"""Rows of snapshots."""

from datetime import UTC, datetime, timedelta

import pytest

from telamon.errors import SnapshotNotFound
from telamon.model.manifest import ClusterTime, Consistency
from telamon.model.snapshot import SnapshotStatus
from telamon.state import snapshots
from telamon.state.database import Database
from tests.state.samples import (
    INSTANCE,
    NOW,
    SECOND_INSTANCE,
    SNAPSHOT,
    insert_instance,
    insert_snapshot,
    manifest,
    snapshot,
)

LATER = NOW + timedelta(minutes=1)
COMPLETED = snapshot(
    status=SnapshotStatus.COMPLETED,
    finished_at=LATER,
    taken_at=datetime(2026, 1, 22, 12, 30, tzinfo=UTC),
    cluster_time=ClusterTime(seconds=1769085000, increment=7),
    consistency=Consistency.SNAPSHOT,
    mongodb_version="6.0.5",
    new_bytes=123,
)


@pytest.fixture(autouse=True)
def _instances(db: Database) -> None:
    insert_instance(db)
    insert_instance(db, id=SECOND_INSTANCE, name="Second")


def complete(db: Database, *, new_bytes: int = 123, at: datetime = LATER) -> None:
    db.transact(lambda tx: snapshots.complete(tx, manifest(), new_bytes=new_bytes, at=at))


def fail(db: Database, failure: str = "no room", at: datetime = LATER) -> None:
    db.transact(lambda tx: snapshots.fail(tx, SNAPSHOT, failure=failure, at=at))


def start(db: Database) -> int:
    return db.transact(lambda tx: snapshots.start(tx, SNAPSHOT, mongodb_version="6.0.5", at=NOW))


def test_a_snapshot_is_read_as_it_was_inserted(db: Database) -> None:
    insert_snapshot(db)

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)) == snapshot()


def test_a_snapshot_is_found_only_with_its_own_instance(db: Database) -> None:
    insert_snapshot(db)
    found = db.look(lambda tx: snapshots.of_instance(tx, INSTANCE, "Instance0", SNAPSHOT))
    assert found == snapshot()

    with pytest.raises(SnapshotNotFound) as caught:
        db.look(lambda tx: snapshots.of_instance(tx, SECOND_INSTANCE, "Second", SNAPSHOT))
    assert caught.value.parameters == (SNAPSHOT, "Second")


def test_an_unknown_snapshot_is_not_found(db: Database) -> None:
    with pytest.raises(SnapshotNotFound):
        db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT))


def test_a_page_is_newest_first_and_by_id_within_a_second(db: Database) -> None:
    for number, age in ((1, 2), (2, 1), (3, 1), (4, 0), (5, 1)):
        insert_snapshot(db, id=f"{number:024}", requested_at=NOW - timedelta(seconds=age))
    insert_snapshot(db, id=f"{9:024}", instance_id=SECOND_INSTANCE)

    def numbers(limit: int, offset: int) -> list[int]:
        found = db.look(lambda tx: snapshots.page(tx, INSTANCE, limit=limit, offset=offset))
        assert found.total == 5
        return [int(one.id) for one in found.items]

    assert numbers(9, 0) == [4, 5, 3, 2, 1]
    assert numbers(2, 1) == [5, 3]
    assert numbers(2, 4) == [1]
    assert numbers(2, 5) == []


def test_starting_counts_the_attempts(db: Database) -> None:
    insert_snapshot(db)

    assert [start(db), start(db)] == [1, 2]

    found = db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT))
    assert found == snapshot(status=SnapshotStatus.IN_PROGRESS, mongodb_version="6.0.5")


def test_completing_says_what_the_manifest_says(db: Database) -> None:
    insert_snapshot(db)
    start(db)

    complete(db)

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)) == COMPLETED


def test_a_snapshot_may_be_completed_without_having_been_started(db: Database) -> None:
    """As after a crash between the manifest and the row."""
    insert_snapshot(db)

    complete(db)

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)) == COMPLETED


def test_completing_again_changes_nothing(db: Database) -> None:
    insert_snapshot(db)
    complete(db)

    complete(db, new_bytes=0, at=LATER + timedelta(hours=1))

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)) == COMPLETED


def test_a_completed_snapshot_never_fails(db: Database) -> None:
    insert_snapshot(db)
    complete(db)

    fail(db)

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)) == COMPLETED


def test_a_failed_snapshot_says_why(db: Database) -> None:
    insert_snapshot(db)

    fail(db)

    found = db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT))
    assert found == snapshot(status=SnapshotStatus.FAILED, finished_at=LATER, failure="no room")


def test_failing_again_changes_nothing(db: Database) -> None:
    insert_snapshot(db)
    fail(db)

    fail(db, "something else", LATER + timedelta(hours=1))

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)).failure == "no room"


def test_a_failed_snapshot_is_never_completed(db: Database) -> None:
    insert_snapshot(db)
    fail(db)

    complete(db)

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)).status is SnapshotStatus.FAILED


@pytest.mark.parametrize("end", [complete, fail])
def test_a_snapshot_that_has_ended_is_not_started_again(db: Database, end: object) -> None:
    insert_snapshot(db)
    assert callable(end)
    end(db)
    before = db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT))

    start(db)

    assert db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT)) == before


def test_a_begin_that_is_handed_back_does_not_count(db: Database) -> None:
    insert_snapshot(db)
    db.transact(lambda tx: snapshots.start(tx, SNAPSHOT, mongodb_version="6.0.5", at=NOW))

    for _ in range(2):
        db.transact(lambda tx: snapshots.hand_back(tx, SNAPSHOT))

    assert (
        db.transact(lambda tx: snapshots.start(tx, SNAPSHOT, mongodb_version="6.0.5", at=NOW)) == 1
    )
