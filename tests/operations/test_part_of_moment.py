"""Restores of a part of what was there at a moment between snapshots."""

from collections.abc import Iterator
from typing import Any

import pytest

from telamon.errors import InvalidSelection
from telamon.model.manifest import ClusterTime, CollectionKind, Namespace
from telamon.model.restore_job import DeliveryType, RestoreStage
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Existing, Selection
from telamon.mongo.oplog import last_write
from telamon.operations.oplog_capture import OplogCapture
from telamon.operations.selecting import collections_of
from tests.conftest import Mongod
from tests.databases import on_sqlite
from tests.mongo import zoo
from tests.mongo.memory import content
from tests.operations.capturing import capturing, take_continuous
from tests.operations.conftest import World
from tests.operations.crashes import CrashingSteps, fill, hashes, plainly, twice
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import INSTANCE, JOB, SECOND_INSTANCE, insert_restore_job

pytestmark = on_sqlite


@pytest.fixture
def taken(world: World, source: Mongod, target: Mongod) -> World:
    """A snapshot is there, and another deployment, which has data of its own."""
    fill(source.client)
    zoo.fill_timeseries(source.client)
    fill(target.client, mark="target")
    take_continuous(world, source, target)
    return world


@pytest.fixture
def capture(taken: World) -> Iterator[OplogCapture]:
    with capturing(taken) as made:
        yield made


@pytest.fixture
def moment(taken: World, capture: OplogCapture, source: Mongod) -> ClusterTime:
    """After which everything was lost; what was there then, the snapshot does not have."""
    client = source.client
    client.shop.orders.rename("orders_of_today")
    client.shop.orders_of_today.update_many({"n": 3}, {"$set": {"late": True}})
    client.shop.orders_of_today.create_index("late")
    client.made_since.c.insert_many([{"_id": number, "n": number % 3} for number in range(30)])
    client.made_since.create_collection("v", viewOn="c", pipeline=[{"$match": {"n": 1}}])
    found = last_write(client)
    client.shop.drop_collection("orders_of_today")
    client.drop_database("made_since")
    capture.pass_over(INSTANCE)
    return found


def ask(world: World, until: ClusterTime, *namespaces: str, **changes: Any) -> None:
    """Queue a restore, as an operation does."""
    insert_restore_job(
        world.db,
        delivery_type=DeliveryType.POINT_IN_TIME,
        point_in_time=until,
        target_instance_id=SECOND_INSTANCE,
        documents_total=0,
        size_bytes_total=0,
        namespaces_total=0,
        options=RestoreOptions(selection=Selection(namespaces=namespaces, **changes)),
    )


def finish(world: World, steps: Any = plainly) -> None:
    world.restore_handler().run(JOB, steps)
    job = world.restore_job()
    assert (job.stage, job.failure) == (RestoreStage.FINISHED, None)
    assert job.documents == job.documents_total


def test_what_was_made_and_renamed_since_the_snapshot_stands_beside_what_was_there(
    taken: World, moment: ClusterTime, target: Mongod
) -> None:
    before = hashes(target.client)
    ask(taken, moment, "shop.orders_of_today", "made_since")

    finish(taken, twice)

    after = hashes(target.client)
    assert after == before | {
        "shop": before["shop"] | {"orders_of_today": after["shop"]["orders_of_today"]},
        "made_since": after["made_since"],
    }
    orders = target.client.shop.orders_of_today
    assert orders.count_documents({}) == 300
    assert orders.count_documents({"late": True}) == orders.count_documents({"n": 3}) > 0
    assert set(orders.index_information()) == {"_id_", "n_1", "late_1"}
    assert target.client.made_since.v.count_documents({}) == 10
    job = taken.restore_job()
    assert (job.documents_total, job.namespaces_total) == (330, 3)


def test_it_is_as_it_was_to_the_last_byte(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    source.client.shop.orders.delete_many({"n": {"$lt": 3}})
    source.client.series["measured"].insert_one({"t": zoo.DAY, "m": {"sensor": 9}})
    expected, until = content(source.client), last_write(source.client)
    source.client.shop.orders.delete_many({})
    source.client.drop_database("series")
    capture.pass_over(INSTANCE)
    ask(taken, until, "shop.orders", "series", existing=Existing.REPLACE)

    finish(taken)

    chosen = {
        what: value
        for what, value in expected.items()
        if what.startswith("series: ") or what.endswith(" orders")
    }
    restored = content(target.client)
    assert len(chosen) > 5
    assert {what: restored.get(what) for what in chosen} == chosen


def test_what_is_restored_is_told(taken: World, moment: ClusterTime) -> None:
    ask(
        taken,
        moment,
        "shop.orders_of_today",
        "made_since.c",
        renames=(("shop.orders_of_today", "shop.orders"),),
        existing=Existing.RENAME,
    )
    assert taken.db.look(lambda tx: collections_of(tx, taken.restore_job())) == ()

    finish(taken)

    told = taken.db.look(lambda tx: collections_of(tx, taken.restore_job()))
    assert [
        (str(each.source.namespace), str(each.asked), str(each.place), each.restored)
        for each in told
    ] == [
        ("made_since.c", "made_since.c", "made_since.c", 30),
        ("shop.orders_of_today", "shop.orders", "shop.orders_restored", 300),
    ]
    assert {each.source.kind for each in told} == {CollectionKind.COLLECTION}
    assert taken.restore_job().options.moved == (
        (Namespace("shop", "orders_of_today"), Namespace("shop", "orders_restored")),
    )


def test_a_query_keeps_what_matches(taken: World, moment: ClusterTime, target: Mongod) -> None:
    ask(taken, moment, "made_since.c", query='{"n": 2}', collection_suffix="_two")

    finish(taken)

    kept = [one["_id"] for one in target.client.made_since.c_two.find()]
    assert kept == [number for number in range(30) if number % 3 == 2]
    assert taken.restore_job().documents_total == 10


@pytest.mark.parametrize("name", ["made_later", "shop.orders"])
def test_what_was_not_there_at_the_moment_fails_the_job_with_its_name(
    taken: World, moment: ClusterTime, target: Mongod, name: str
) -> None:
    """Even if the snapshot has it: it was renamed."""
    before = hashes(target.client)
    ask(taken, moment, name)
    handler = taken.restore_handler()

    with pytest.raises(InvalidSelection, match=f"there is no .* {name} to restore") as caught:
        handler.run(JOB, plainly)
    handler.fail(JOB, caught.value)

    assert hashes(target.client) == before
    what = "collection" if "." in name else "database"
    assert taken.restore_job().failure == (
        f"The selection cannot be restored: there is no {what} {name} to restore. "
        "The target's own data is as it was."
    )


@pytest.mark.parametrize("at", [2, 5])
def test_killed_in_any_step_the_job_goes_on(
    taken: World, moment: ClusterTime, target: Mongod, at: int
) -> None:
    ask(taken, moment, "made_since.c", existing=Existing.RENAME)
    steps = CrashingSteps(at)
    with pytest.raises(CrashError):
        taken.restore_handler().run(JOB, steps)

    finish(taken, steps)

    assert target.client.made_since.c.count_documents({}) == 30
    assert target.client.made_since.list_collection_names() == ["c"]
