"""How large the repository is, written down where a scrape can read it."""

import pytest

from telamon.operations.metrics import RepositoryMeasure
from telamon.repository.repository import Repository
from telamon.state import measurements, snapshots
from tests.operations.conftest import World
from tests.operations.schedules import SetClock
from tests.repository.samples import FIRST, noise, take
from tests.state.samples import insert_instance, insert_snapshot


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


def measured(world: World, clock: SetClock) -> tuple[int, int, int, int]:
    """After somebody was to look: packs, their bytes, snapshots, bytes of documents."""
    RepositoryMeasure(world.db, Repository.open(world.store), clock=clock).measure()
    found = world.db.look(measurements.find_repository_size)
    assert found is not None
    return found.packs, found.stored_bytes, found.snapshots, found.logical_bytes


def put(world: World, snapshot_id: str) -> int:
    """A completed snapshot; its bytes of documents."""
    taken = take(Repository.open(world.store), snapshot_id, {"orders": noise(300)})
    insert_snapshot(world.db, id=snapshot_id)
    world.db.transact(lambda tx: snapshots.complete(tx, taken, new_bytes=1, at=SetClock().now))
    return taken.size_bytes


def packs_on_disk(world: World) -> list[int]:
    return [info.size_bytes for info in world.store.list("packs/")]


def test_an_empty_one_is_measured(world: World, clock: SetClock) -> None:
    assert measured(world, clock) == (0, 0, 0, 0)


def test_packs_are_counted_as_they_are_stored_and_snapshots_as_they_were_read(
    world: World, clock: SetClock
) -> None:
    insert_instance(world.db)
    logical_bytes = put(world, FIRST)

    sizes = packs_on_disk(world)
    assert measured(world, clock) == (len(sizes), sum(sizes), 1, logical_bytes)
    assert sum(sizes) > 0


def test_a_snapshot_that_is_being_deleted_is_not_counted_and_its_packs_are(
    world: World, clock: SetClock
) -> None:
    insert_instance(world.db)
    put(world, FIRST)
    world.db.transact(lambda tx: snapshots.hide(tx, FIRST, deletion_id="e" * 24))

    sizes = packs_on_disk(world)
    assert measured(world, clock) == (len(sizes), sum(sizes), 0, 0)


@pytest.mark.parametrize(("minutes", "again"), [(29, False), (30, True), (-1, True)])
def test_what_was_measured_just_now_is_left_and_a_clock_that_was_wrong_passes(
    world: World, clock: SetClock, minutes: int, again: bool
) -> None:
    measured(world, clock)
    insert_instance(world.db)
    put(world, FIRST)
    clock.advance(minutes=minutes)

    assert (measured(world, clock)[2] == 1) is again
