"""The job that puts a part of a snapshot back, on real deployments."""

import itertools
from typing import Any

import pytest

from telamon.errors import RestoreNotPossible, TelamonError
from telamon.model.manifest import Namespace
from telamon.model.restore_job import RestoreStage
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection
from telamon.operations.selecting import amounts_of, collections_of
from tests.conftest import Mongod, drop_user_databases
from tests.databases import on_sqlite
from tests.operations.conftest import World
from tests.operations.crashes import CrashingSteps, fill, hashes, plainly, twice
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import JOB, SECOND_INSTANCE, SNAPSHOT, insert_restore_job

pytestmark = on_sqlite


@pytest.fixture
def asked(world: World, source: Mongod, target: Mongod) -> World:
    """A snapshot of one filled deployment is there, and another one to restore into."""
    fill(source.client)
    world.attach(source.uri)
    world.ask_for_snapshot()
    world.snapshot_handler().run(SNAPSHOT, plainly)
    fill(target.client, mark="target")
    world.attach(target.uri, instance_id=SECOND_INSTANCE, name="Target")
    return world


def ask(world: World, *namespaces: str, **changes: Any) -> None:
    """Queue a restore of a part, as an operation does."""
    options = RestoreOptions(selection=Selection(namespaces=namespaces, **changes))
    amounts = world.db.look(
        lambda tx: amounts_of(tx, world.snapshot(), options, is_of_moment=False)
    )
    insert_restore_job(
        world.db,
        target_instance_id=SECOND_INSTANCE,
        documents_total=amounts.documents,
        size_bytes_total=amounts.size_bytes,
        namespaces_total=amounts.namespaces,
        options=options,
    )


def run(world: World, steps: Any = plainly) -> None:
    """As a worker does."""
    handler = world.restore_handler()
    try:
        handler.run(JOB, steps)
    except TelamonError as error:
        handler.fail(JOB, error)


def require_finished(world: World, documents: int) -> None:
    job = world.restore_job()
    assert (job.stage, job.failure) == (RestoreStage.FINISHED, None)
    assert (job.documents, job.documents_total) == (documents, documents)
    assert (job.size_bytes, job.namespaces) == (job.size_bytes_total, job.namespaces_total)


def test_a_part_stands_beside_what_was_there(asked: World, source: Mongod, target: Mongod) -> None:
    before = hashes(target.client)
    ask(asked, "shop.orders", renames=(("shop.orders", "shop.orders_old"),))

    run(asked, twice)

    restored = {"orders_old": hashes(source.client)["shop"]["orders"]}
    assert hashes(target.client) == before | {"shop": before["shop"] | restored}
    assert list(target.client.shop.orders_old.index_information()) == ["_id_", "n_1"]
    require_finished(asked, 300)
    assert asked.restore_job().namespaces_total == 1


def test_only_what_is_chosen_is_replaced(asked: World, source: Mongod, target: Mongod) -> None:
    before, wanted = hashes(target.client), hashes(source.client)
    ask(asked, "shop.people", "only_source", existing=Existing.REPLACE)

    run(asked)

    assert hashes(target.client) == {
        "only_source": wanted["only_source"],
        "only_target": before["only_target"],
        "shop": before["shop"] | {"people": wanted["shop"]["people"]},
    }
    require_finished(asked, 21)


def test_what_nobody_asked_to_replace_fails_the_job(asked: World, target: Mongod) -> None:
    before = hashes(target.client)
    ask(asked, "shop", "only_source")

    run(asked)

    job = asked.restore_job()
    assert hashes(target.client) == before
    assert (job.stage, job.failure) == (
        RestoreStage.FAILED,
        "The restore cannot start: the target has shop.orders, shop.people, which nobody asked to "
        "replace. The target's own data is as it was.",
    )


def test_a_query_keeps_what_matches(asked: World, source: Mongod, target: Mongod) -> None:
    ask(
        asked,
        "shop.orders",
        query='{"n": 3}',
        collection_suffix="_filtered",
        indexes=IndexStrategy.NONE,
    )

    run(asked, twice)

    kept = list(source.client.shop.orders.find({"n": 3}))
    assert list(target.client.shop.orders_filtered.find()) == kept
    assert list(target.client.shop.orders_filtered.index_information()) == ["_id_"]
    (told,) = asked.db.look(lambda tx: collections_of(tx, asked.restore_job()))
    assert (told.source.documents, told.restored) == (300, len(kept))
    require_finished(asked, len(kept))


def test_a_query_that_the_target_refuses_fails_the_job_with_its_words(
    asked: World, target: Mongod
) -> None:
    before = hashes(target.client)
    ask(asked, "shop.orders", query='{"$bad": 3}', existing=Existing.REPLACE)

    run(asked)

    assert hashes(target.client) == before
    assert "the target does not take the query: " in str(asked.restore_job().failure)
    assert "unknown top level operator: $bad" in str(asked.restore_job().failure)


def test_a_name_that_the_target_has_is_gone_round(
    asked: World, source: Mongod, target: Mongod
) -> None:
    before, wanted = hashes(target.client), hashes(source.client)["shop"]
    target.client.shop.orders_restored.insert_one({"_id": 1})
    there = hashes(target.client)
    ask(asked, "shop", existing=Existing.RENAME)

    run(asked, twice)

    restored = {
        "orders_restored_2": wanted["orders"],
        "people_restored": wanted["people"],
    }
    assert hashes(target.client) == there | {"shop": there["shop"] | restored}
    assert before["only_target"] == there["only_target"]
    job = asked.restore_job()
    told = asked.db.look(lambda tx: collections_of(tx, job))
    assert {str(each.source.namespace): str(each.place) for each in told} == {
        "shop.orders": "shop.orders_restored_2",
        "shop.people": "shop.people_restored",
    }
    require_finished(asked, 320)


def ask_again(world: World, target: Mongod) -> None:
    world.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
    drop_user_databases(target.client)
    fill(target.client, mark="target")
    ask(world, "shop", "only_source", existing=Existing.RENAME, query='{"_id": {"$ne": 7}}')


def test_a_crash_at_any_point_of_any_step_is_made_up_for(
    asked: World, source: Mongod, target: Mongod
) -> None:
    """Also the names are the same then, though the target has them by now."""
    for at in itertools.count(1):
        ask_again(asked, target)
        before = hashes(target.client)
        steps = CrashingSteps(at)
        crashed = False
        try:
            asked.restore_handler().run(JOB, steps)
        except CrashError:
            crashed = True
            asked.restore_handler().run(JOB, steps)
        there = hashes(target.client)
        assert there.keys() == {"only_source", "only_target", "shop"}
        assert there["shop"].keys() == {"orders", "people", "orders_restored", "people_restored"}
        assert {name: there["shop"][name] for name in before["shop"]} == before["shop"]
        assert target.client.shop.orders_restored.count_documents({}) == 299
        require_finished(asked, 319)
        if not crashed:
            break
    assert at == 10


def test_names_are_settled_before_anything_is_written(asked: World, target: Mongod) -> None:
    ask(asked, "shop.people", existing=Existing.RENAME)
    target.client.drop_database("shop")
    handler = asked.restore_handler()

    handler.run(JOB, plainly)

    assert asked.restore_job().options.moved == ()
    assert target.client.shop.people.count_documents({}) == 20


def test_what_appears_between_load_and_swap_stays(asked: World, target: Mongod) -> None:
    """The job fails, and says that it may have left its own beside."""
    ask(asked, "only_source")

    def meddling(name: str, work: Any) -> Any:
        if name == "swap":
            target.client.only_source.things.insert_one({"_id": "theirs"})
        return work()

    with pytest.raises(RestoreNotPossible):
        asked.restore_handler().run(JOB, meddling)

    assert [each["_id"] for each in target.client.only_source.things.find()] == ["theirs"]


def test_what_is_restored_is_told_without_a_target(asked: World) -> None:
    ask(asked, "shop.people", collection_suffix="_c")

    (told,) = asked.db.look(lambda tx: collections_of(tx, asked.restore_job()))

    assert told.source.documents == 20
    assert told.asked == told.place == Namespace("shop", "people_c")
