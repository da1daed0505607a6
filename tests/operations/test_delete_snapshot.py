"""The job that deletes a snapshot, on a real repository."""

import itertools
from dataclasses import replace

import pytest

from telamon.errors import Unavailable
from telamon.model.manifest import (
    CollectionKind,
    CollectionSpec,
    Namespace,
    StoredCollection,
)
from telamon.model.page import Page
from telamon.model.snapshot import Snapshot
from telamon.operations.kept_snapshots import DeleteSnapshot
from telamon.repository.repository import Repository
from telamon.state import snapshot_collections, snapshots
from telamon.state.database import Database
from tests.operations.conftest import World
from tests.operations.crashes import CrashingDatabase, CrashingSteps, plainly, twice
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import INSTANCE, NOW, SNAPSHOT, insert_instance, insert_snapshot, manifest

OTHER = "65f0000000000000000000d9"
DELETION = "65f0000000000000000000ea"
SPEC = CollectionSpec(
    namespace=Namespace("shop", "orders"),
    kind=CollectionKind.COLLECTION,
    options=b"",
    indexes=(),
    uuid=None,
)


def put(world: World, snapshot_id: str) -> None:
    """A completed snapshot, its manifest in the repository and its row in the database."""
    made = replace(manifest(snapshot_id), collections=(StoredCollection(spec=SPEC, chunks=()),))
    with Repository.open(world.store).begin() as writer:
        writer.commit(made)
    insert_snapshot(world.db, id=snapshot_id)
    world.db.transact(lambda tx: snapshots.complete(tx, made, new_bytes=1, at=NOW))


def hide(world: World) -> None:
    world.db.transact(lambda tx: snapshots.hide(tx, SNAPSHOT, deletion_id=DELETION))


def handler(world: World, db: Database | None = None) -> DeleteSnapshot:
    return DeleteSnapshot(db or world.db, Repository.open(world.store))


def shown(world: World) -> Page[Snapshot]:
    return world.db.look(lambda tx: snapshots.page(tx, INSTANCE, limit=9, offset=0))


def require_gone(world: World) -> None:
    """The one snapshot with everything of it, and the other one not."""
    assert Repository.open(world.store).snapshot_ids() == (OTHER,)
    assert [each.id for each in shown(world).items] == [OTHER]
    with world.db.engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT DISTINCT snapshot_id FROM snapshot_collection")
        assert [row[0] for row in left] == [OTHER]


@pytest.fixture
def asked(world: World) -> World:
    """Of two snapshots of an instance one is to be deleted."""
    insert_instance(world.db)
    put(world, SNAPSHOT)
    put(world, OTHER)
    hide(world)
    return world


def test_the_manifest_goes_and_then_the_row(asked: World) -> None:
    handler(asked).run(DELETION, plainly)

    require_gone(asked)


def test_deleting_twice_ends_as_deleting_once(asked: World) -> None:
    handler(asked).run(DELETION, twice)

    require_gone(asked)


def test_a_crash_at_any_point_of_its_step_is_made_up_for(asked: World) -> None:
    for at in itertools.count(1):
        steps = CrashingSteps(at)
        try:
            handler(asked).run(DELETION, steps)
        except CrashError:
            handler(asked).run(DELETION, steps)
            require_gone(asked)
            put(asked, SNAPSHOT)
            hide(asked)
        else:
            break
    require_gone(asked)
    assert at == 4


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_its_transaction_is_made_up_for(asked: World, after: bool) -> None:
    db = CrashingDatabase(asked.db, at=1, after=after)
    with pytest.raises(CrashError):
        handler(asked, db).run(DELETION, plainly)
    assert Repository.open(asked.store).snapshot_ids() == (OTHER,)
    assert [each.id for each in shown(asked).items] == [OTHER]

    handler(asked).run(DELETION, plainly)

    require_gone(asked)


def test_a_snapshot_that_could_not_be_deleted_is_shown_again_whole(asked: World) -> None:
    before = shown(asked)

    handler(asked).fail(DELETION, Unavailable("The disk is away."))

    assert [each.id for each in before.items] == [OTHER]
    assert {each.id for each in shown(asked).items} == {OTHER, SNAPSHOT}
    assert SNAPSHOT in Repository.open(asked.store).snapshot_ids()
    assert asked.db.look(lambda tx: snapshot_collections.are_known(tx, SNAPSHOT))


def test_what_failed_can_be_deleted_by_another_job(asked: World) -> None:
    handler(asked).fail(DELETION, Unavailable("The disk is away."))
    asked.db.transact(lambda tx: snapshots.hide(tx, SNAPSHOT, deletion_id=OTHER))

    handler(asked).run(OTHER, plainly)

    require_gone(asked)


def test_a_snapshot_that_failed_has_no_manifest_and_is_deleted_all_the_same(world: World) -> None:
    insert_instance(world.db)
    put(world, OTHER)
    insert_snapshot(world.db)
    world.db.transact(lambda tx: snapshots.fail(tx, SNAPSHOT, failure="No.", at=NOW))
    hide(world)

    handler(world).run(DELETION, plainly)

    require_gone(world)
