"""The job that takes a snapshot, on a real deployment and a real repository."""

import itertools
import secrets
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from telamon.errors import SnapshotFailed, Unavailable
from telamon.model.snapshot import SnapshotStatus
from telamon.operations.snapshots import TakeSnapshot
from telamon.repository.repository import Repository
from telamon.state import snapshot_collections, snapshots
from tests.conftest import Mongod
from tests.databases import on_sqlite
from tests.operations.conftest import World
from tests.operations.crashes import (
    CrashingDatabase,
    CrashingSteps,
    fill,
    plainly,
    twice,
)
from tests.repository.wrapped_stores import CrashError, CrashingStore, FullStore
from tests.state.samples import INSTANCE, NOW, SNAPSHOT, insert_snapshot

pytestmark = on_sqlite

SECOND_SNAPSHOT = "65f0000000000000000000d1"
DOCUMENTS = 321  # what ``fill`` puts in


@pytest.fixture
def asked(world: World, source: Mongod) -> World:
    """A snapshot of a filled deployment is queued."""
    fill(source.client)
    world.attach(source.uri)
    world.ask_for_snapshot()
    return world


def require_completed(world: World) -> None:
    found = world.snapshot()
    assert (found.status, found.documents, found.failure) == (
        SnapshotStatus.COMPLETED,
        DOCUMENTS,
        None,
    )
    manifest = Repository.open(world.store).manifest(SNAPSHOT)
    assert manifest.documents == DOCUMENTS
    assert found.cluster_time == manifest.cluster_time


def test_a_completed_snapshot_says_what_its_manifest_says(asked: World) -> None:
    asked.snapshot_handler().run(SNAPSHOT, plainly)

    require_completed(asked)
    found = asked.snapshot()
    manifest = Repository.open(asked.store).manifest(SNAPSHOT)
    assert (manifest.instance_id, manifest.instance_name) == (INSTANCE, "Instance0")
    assert (found.taken_at, found.finished_at) == (manifest.taken_at, NOW)
    assert found.size_bytes == manifest.size_bytes
    assert found.new_bytes > 0
    assert [str(one.spec.namespace) for one in manifest.collections] == [
        "only_source.things",
        "shop.orders",
        "shop.people",
    ]


def test_a_completed_snapshot_has_its_collections_in_the_catalogue(asked: World) -> None:
    asked.snapshot_handler().run(SNAPSHOT, plainly)

    manifest = Repository.open(asked.store).manifest(SNAPSHOT)
    shop = asked.db.look(
        lambda tx: snapshot_collections.page(tx, SNAPSHOT, "shop", limit=9, offset=0)
    )
    assert [(each.namespace.name, each.documents) for each in shop.items] == [
        ("orders", 300),
        ("people", 20),
    ]
    assert [each.size_bytes for each in shop.items] == [
        stored.size_bytes
        for stored in manifest.collections
        if stored.spec.namespace.database == "shop"
    ]


def test_taking_it_twice_ends_as_taking_it_once(asked: World) -> None:
    asked.snapshot_handler().run(SNAPSHOT, twice)

    require_completed(asked)


def test_a_crash_at_any_point_of_its_step_is_made_up_for(asked: World) -> None:
    for at in itertools.count(1):
        asked.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM snapshot"))
        asked.ask_for_snapshot()
        steps = CrashingSteps(at)
        crashed = False
        try:
            asked.snapshot_handler().run(SNAPSHOT, steps)
        except CrashError:
            crashed = True
            asked.snapshot_handler().run(SNAPSHOT, steps)
        require_completed(asked)
        if not crashed:
            break
    assert at == 4


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_transaction_is_made_up_for(asked: World, after: bool) -> None:
    for at in itertools.count(1):
        asked.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM snapshot"))
        asked.store.delete(f"snapshots/{SNAPSHOT}")
        asked.ask_for_snapshot()
        db = CrashingDatabase(asked.db, at=at, after=after)
        crashed = False
        try:
            asked.snapshot_handler(db=db).run(SNAPSHOT, plainly)
        except CrashError:
            crashed = True
            asked.snapshot_handler().run(SNAPSHOT, plainly)
        require_completed(asked)
        if not crashed:
            break
    assert at == 3


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_write_to_the_repository_is_made_up_for(asked: World, after: bool) -> None:
    for at in itertools.count(1):
        for info in list(asked.store.list("")):
            if info.key != "config":
                asked.store.delete(info.key)
        asked.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM snapshot"))
        asked.ask_for_snapshot()
        store = CrashingStore(asked.store, at=at, after=after)
        crashed = False
        try:
            asked.snapshot_handler(store=store).run(SNAPSHOT, plainly)
        except CrashError:
            crashed = True
            assert asked.snapshot().status is SnapshotStatus.IN_PROGRESS
            asked.snapshot_handler().run(SNAPSHOT, plainly)
        require_completed(asked)
        if not crashed:
            break
    assert at == 3


def test_where_the_manifest_is_there_only_the_row_is_left_to_do(
    asked: World, source: Mongod
) -> None:
    """What has been written to the deployment since is not looked at."""
    asked.snapshot_handler().run(SNAPSHOT, plainly)
    asked.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM snapshot"))
    asked.ask_for_snapshot()
    source.client.shop.orders.insert_one({"_id": "later"})

    asked.snapshot_handler().run(SNAPSHOT, plainly)

    require_completed(asked)


def test_a_snapshot_that_has_ended_is_not_taken_again(asked: World) -> None:
    asked.db.transact(lambda tx: snapshots.fail(tx, SNAPSHOT, failure="no", at=NOW))

    asked.snapshot_handler().run(SNAPSHOT, plainly)

    assert asked.snapshot().failure == "no"
    assert Repository.open(asked.store).snapshot_ids() == ()


def test_after_three_crashes_it_fails_and_says_so(asked: World) -> None:
    for _ in range(3):
        with pytest.raises(CrashError):
            asked.snapshot_handler(store=CrashingStore(asked.store, at=1, after=False)).run(
                SNAPSHOT, plainly
            )

    failure = run_to_failure(asked.snapshot_handler())

    assert asked.snapshot().status is SnapshotStatus.FAILED
    assert asked.snapshot().failure == failure
    assert failure == "The worker ended 3 times while it took this snapshot."


def run_to_failure(handler: TakeSnapshot) -> str:
    """As the worker does it."""
    with pytest.raises((SnapshotFailed, Unavailable)) as caught:
        handler.run(SNAPSHOT, plainly)
    handler.fail(SNAPSHOT, caught.value)
    handler.fail(SNAPSHOT, caught.value)
    return caught.value.message


@pytest.mark.usefixtures("impatient")
def test_a_deployment_that_does_not_answer_is_the_reason(world: World) -> None:
    world.attach("mongodb://somebody:secret@127.0.0.1:1/?authSource=admin")
    world.ask_for_snapshot()

    failure = run_to_failure(world.snapshot_handler())

    found = world.snapshot()
    assert (found.status, found.failure, found.finished_at) == (
        SnapshotStatus.FAILED,
        failure,
        NOW,
    )
    assert failure.startswith("The deployment does not answer: 127.0.0.1:1: ")
    assert not [word for word in ("somebody", "secret", "mongodb://") if word in failure]


def test_a_wrong_password_is_a_reason_that_does_not_show_it(world: World, source: Mongod) -> None:
    world.attach(f"mongodb://somebody:secret@127.0.0.1:{source.port}/?authSource=admin")
    world.ask_for_snapshot()

    failure = run_to_failure(world.snapshot_handler())

    assert failure == "The deployment refused: Authentication failed. (code 18)"


def test_a_full_disk_is_a_reason_and_leaves_no_manifest(asked: World) -> None:
    handler = asked.snapshot_handler(store=FullStore(asked.store, "packs/"))

    failure = run_to_failure(handler)

    assert failure.endswith("No space left on device.")
    assert Repository.open(asked.store).snapshot_ids() == ()


# What was before


def test_the_next_snapshot_is_stored_as_differences(asked: World, source: Mongod) -> None:
    source.client["shop"]["large"].insert_many(
        {"_id": n, "text": secrets.token_hex(200)} for n in range(4000)
    )
    asked.snapshot_handler().run(SNAPSHOT, plainly)
    source.client["shop"]["large"].update_many({"_id": {"$mod": [200, 0]}}, {"$set": {"n": 1}})
    insert_snapshot(asked.db, id=SECOND_SNAPSHOT)
    asked.snapshot_handler().run(SECOND_SNAPSHOT, plainly)
    first = asked.snapshot()
    second = asked.db.look(lambda tx: snapshots.by_id(tx, SECOND_SNAPSHOT))
    assert second.status is SnapshotStatus.COMPLETED
    assert second.new_bytes < first.new_bytes / 20


def test_a_damaged_manifest_before_is_no_reason_to_fail(asked: World, source: Mongod) -> None:
    asked.snapshot_handler().run(SNAPSHOT, plainly)
    key = f"snapshots/{SNAPSHOT}"
    asked.store.delete(key)
    assert asked.store.put(key, b"damaged")
    insert_snapshot(asked.db, id=SECOND_SNAPSHOT)
    asked.snapshot_handler().run(SECOND_SNAPSHOT, plainly)
    second = asked.db.look(lambda tx: snapshots.by_id(tx, SECOND_SNAPSHOT))
    assert second.status is SnapshotStatus.COMPLETED


def test_how_far_it_is_is_written_down(asked: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by a second at every look has every batch noted."""
    noted: list[dict[str, int]] = []
    progress = snapshots.progress

    def watched(tx: Connection, snapshot_id: str, **told: int) -> None:
        noted.append(told)
        progress(tx, snapshot_id, **told)

    monkeypatch.setattr(snapshots, "progress", watched)
    seconds = itertools.count()
    handler = TakeSnapshot(
        asked.db,
        asked.credentials,
        Repository.open(asked.store),
        lambda: NOW + timedelta(seconds=next(seconds)),
    )
    handler.run(SNAPSHOT, plainly)
    assert noted
    assert all(told["expected_bytes"] > 0 for told in noted)
    assert noted[-1]["documents"] <= DOCUMENTS
    namespaces = max(told["namespaces"] for told in noted)
    assert namespaces == max(told["namespaces_total"] for told in noted) > 0
    found = asked.snapshot()
    assert (found.documents, found.expected_bytes) == (DOCUMENTS, found.size_bytes)
    assert found.namespaces == found.namespaces_total >= namespaces
