"""A part of a snapshot is restored, under names of its own, and all else in the target stays."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count as counter
from typing import Any

import bson
import pytest

from telamon.errors import InvalidSelection, RestoreFailed, RestoreNotPossible, TelamonError
from telamon.model.selection import IndexStrategy, Selection
from telamon.mongo.connect import Client
from telamon.mongo.journal import Journal
from telamon.mongo.parallel import Stopped
from telamon.mongo.part import names_of, read_query, taken_of
from telamon.mongo.swap import Swap
from tests.conftest import Mongod, drop_user_databases
from tests.mongo import zoo
from tests.mongo.memory import Memory, content, take
from tests.mongo.parts import named, plain, restore_of, restore_part, selected
from tests.mongo.test_restore_crash import crashing_steps
from tests.mongo.trouble import Crash, crash_at, fill_source, shadows

SHOP = ("orders", "ring", "series", "view", "system.js")


@dataclass(frozen=True)
class Taken:
    memory: Memory
    content: dict[str, Any]


@pytest.fixture(scope="module")
def taken(shared_mongod: Mongod) -> Taken:
    """A snapshot of three databases."""
    client = shared_mongod.client
    drop_user_databases(client)
    fill_source(client)
    client.audit.log.insert_many({"_id": n, "tenant": n % 3, "x": None} for n in range(12))
    client.audit.log.create_index("x")
    client.audit.log.create_index("at", expireAfterSeconds=60)
    client.audit.command({"create": "recent", "viewOn": "log", "pipeline": [{"$limit": 1}]})
    client.audit.command({"create": "latest", "viewOn": "recent", "pipeline": []})
    client.third.c.insert_one({"_id": 1})
    client.third.create_collection("names", collation={"locale": "en", "strength": 2})
    client.third.names.insert_many({"_id": name} for name in ("anna", "otto"))
    return Taken(take(client), content(client))


@pytest.fixture
def filled(target: Mongod) -> Client:
    """A target with data of its own, of which some has names of the snapshot's."""
    client = target.client
    client.shop.orders.insert_one({"_id": "mine"})
    client.shop.mine.insert_one({"_id": "mine"})
    client.audit.mine.insert_one({"_id": "mine"})
    client.own.c.insert_one({"_id": "mine"})
    return client


def test_one_database_of_three_is_restored(taken: Taken, filled: Client) -> None:
    filled.shop.orders.drop()
    before = content(filled)

    restore_part(taken.memory, filled, selected("shop"))

    shop = {f"shop.{name}": f"shop.{name}" for name in SHOP}
    assert plain(content(filled)) == before | named(taken.content, shop)
    assert shadows(filled) == []


def test_one_collection_is_restored_under_another_name(taken: Taken, filled: Client) -> None:
    before = content(filled)

    restore_part(taken.memory, filled, selected("shop.orders", renames={"shop.orders": "shop.o2"}))

    assert content(filled) == before | named(taken.content, {"shop.orders": "shop.o2"})


def test_collections_are_restored_across_databases(taken: Taken, filled: Client) -> None:
    """Capped ones and time series too."""
    names = {"shop.ring": "own.ring2", "shop.series": "own.series2", "third.c": "fourth.c"}
    before = content(filled)

    restore_part(taken.memory, filled, selected(*names, renames=names))

    assert plain(content(filled)) == before | named(taken.content, names)
    assert filled.own.series2.find_one({"t": zoo.DAY}) is not None
    assert filled.own.series2.count_documents({}) == 1


def test_views_follow_what_they_are_on(taken: Taken, filled: Client) -> None:
    restore_part(
        taken.memory,
        filled,
        selected("audit", database_suffix="_d", collection_suffix="_c"),
    )

    options = {entry["name"]: entry["options"] for entry in filled.audit_d.list_collections()}
    assert options["recent_c"] == {"viewOn": "log_c", "pipeline": [{"$limit": 1}]}
    assert options["latest_c"] == {"viewOn": "recent_c", "pipeline": []}
    assert filled.audit_d.latest_c.count_documents({}) == 1


def test_a_view_alone_stays_on_what_it_was_on(taken: Taken, filled: Client) -> None:
    restore_part(
        taken.memory,
        filled,
        selected("audit.recent", renames={"audit.recent": "audit.r"}),
    )

    (entry,) = filled.audit.list_collections(filter={"name": "r"})
    assert entry["options"]["viewOn"] == "log"


def test_a_view_cannot_be_parted_from_what_it_is_on(taken: Taken, filled: Client) -> None:
    selection = selected("audit", renames={"audit.log": "third.log"})

    with pytest.raises(RestoreFailed, match="a view cannot look into another database"):
        restore_of(taken.memory, filled, selection)


@pytest.mark.parametrize(
    ("strategy", "built"),
    [
        (IndexStrategy.ALL, ["_id_", "x_1", "at_1"]),
        (IndexStrategy.ALL_EXCEPT_TTL, ["_id_", "x_1"]),
        (IndexStrategy.NONE, ["_id_"]),
    ],
)
def test_indexes_are_built_as_asked(
    taken: Taken, filled: Client, strategy: IndexStrategy, built: list[str]
) -> None:
    restore_part(taken.memory, filled, selected("audit.log", indexes=strategy))

    assert list(filled.audit.log.index_information()) == built


# What is there already


@pytest.mark.parametrize(
    ("selection", "name"),
    [
        (selected("shop"), "shop.orders"),
        (selected("audit.log", renames={"audit.log": "shop.orders"}), "shop.orders"),
        (selected("shop.series", renames={"shop.series": "shop.mine"}), "shop.mine"),
        (selected("shop.view", renames={"shop.view": "shop.mine"}), "shop.mine"),
    ],
)
def test_what_is_there_is_not_replaced_unasked(
    taken: Taken, filled: Client, selection: Selection, name: str
) -> None:
    before = content(filled)
    job = restore_of(taken.memory, filled, selection)

    with pytest.raises(RestoreNotPossible, match=f"the target has {name}, which nobody asked"):
        job.load()

    assert content(filled) == before


def test_functions_of_the_target_are_not_replaced_unasked(taken: Taken, filled: Client) -> None:
    filled.shop["system.js"].insert_one({"_id": "mine", "value": 1})
    job = restore_of(taken.memory, filled, selected("shop.system.js"))

    with pytest.raises(RestoreNotPossible, match=r"the target has shop\.system\.js"):
        job.load()


def test_only_what_is_chosen_is_replaced(taken: Taken, filled: Client) -> None:
    """Whatever kind it is of."""
    filled.shop.create_collection("ring")
    filled.shop.command({"create": "series", "viewOn": "orders", "pipeline": []})
    filled.shop.create_collection("view", timeseries={"timeField": "t"})
    filled.shop["system.js"].insert_one({"_id": "mine", "value": 1})
    kept = {
        key: value
        for key, value in plain(content(filled)).items()
        if not key.startswith("shop") or key.endswith(" mine")
    }

    restore_part(taken.memory, filled, selected("shop"), replaces=True)

    shop = {f"shop.{name}": f"shop.{name}" for name in SHOP}
    assert plain(content(filled)) == kept | named(taken.content, shop)


def test_what_somebody_makes_in_the_meantime_is_not_replaced(taken: Taken, filled: Client) -> None:
    before = content(filled)
    job = restore_of(taken.memory, filled, selected("third.c", "shop.series"))
    job.load()
    filled.shop.series.insert_one({"_id": "theirs"})

    with pytest.raises(RestoreNotPossible, match=r"the target has shop\.series"):
        job.swap()
    job.discard()

    filled.shop.series.drop()
    assert content(filled) == before


def test_what_somebody_makes_during_the_swap_is_not_replaced(
    taken: Taken, filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = restore_of(taken.memory, filled, selected("third.c"))
    job.load()
    with monkeypatch.context() as patch:
        patch.setattr(Swap, "steps", crashing_steps(0))
        with pytest.raises(Crash):
            job.swap()
    filled.third.c.insert_one({"_id": "theirs"})

    with pytest.raises(RestoreFailed, match=r"third\.c was made by somebody during the restore"):
        restore_of(taken.memory, filled, selected("third.c")).swap()

    assert list(filled.third.c.find()) == [{"_id": "theirs"}]


def test_a_database_that_differs_in_case_is_in_the_way(taken: Taken, filled: Client) -> None:
    job = restore_of(taken.memory, filled, selected("audit.recent", renames={"audit": "Own"}))

    with pytest.raises(RestoreNotPossible, match="a database own and cannot have Own too"):
        job.load()


def test_names_in_a_target_are_known(filled: Client, taken: Taken) -> None:
    filled.shop["system.js"].insert_one({"_id": "f", "value": 1})
    filled.shop["system.js"].delete_many({})
    restore_part(taken.memory, filled, selected("shop.view", collection_suffix="_v"))

    there = {str(name) for name in names_of(filled, ["shop", "nowhere"])}

    assert there == {"shop.orders", "shop.mine", "shop.view_v", "shop.system.views"}
    assert taken_of(filled, names_of(filled, ["own"])) == names_of(filled, ["own"])


# Crashes


def everything(taken: Taken, client: Client, **changes: Any) -> Any:
    selection = selected("shop", "audit.log", collection_suffix="_r", query=None)
    return restore_of(taken.memory, client, selection, **changes)


def test_a_swap_that_crashes_before_any_step_can_be_run_again(
    taken: Taken, filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything(taken, filled).load()
    everything(taken, filled).swap()
    expected = content(filled)
    for at in counter():
        drop_user_databases(filled)
        filled.shop.orders.insert_one({"_id": "mine"})
        filled.shop.mine.insert_one({"_id": "mine"})
        filled.audit.mine.insert_one({"_id": "mine"})
        filled.own.c.insert_one({"_id": "mine"})
        everything(taken, filled).load()
        with monkeypatch.context() as patch:
            patch.setattr(Swap, "steps", crashing_steps(at))
            try:
                everything(taken, filled).swap()
            except Crash:
                pass
            else:
                break
        everything(taken, filled).swap()
        assert content(filled) == expected
    assert at == 7


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_swap_that_crashes_near_its_milestones_can_be_run_again(
    taken: Taken, filled: Client, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    before = content(filled)
    everything(taken, filled).load()
    with monkeypatch.context() as patch:
        moments = crash_at(at)
        patch.setattr(Journal, "mark", moments(Journal.mark))
        patch.setattr(Journal, "settle", moments(Journal.settle))
        with pytest.raises(Crash):
            everything(taken, filled).swap()

    everything(taken, filled).swap()

    assert {key: content(filled)[key] for key in before} == before
    assert filled.shop.orders_r.count_documents({}) == 10
    assert filled.shop.series_r.count_documents({}) == 1


@pytest.mark.parametrize("at", range(4))
def test_a_load_that_crashes_leaves_the_target_as_it_was(
    taken: Taken, filled: Client, at: int
) -> None:
    before = content(filled)
    moments = crash_at(at)
    job = everything(taken, filled, documents=moments(taken.memory.open), parallel=1)

    with pytest.raises(Crash):
        job.load()
    everything(taken, filled).discard()

    assert content(filled) == before


# Filters


def filtered(taken: Taken, client: Client, query: str) -> list[Any]:
    selection = selected("audit.log", collection_suffix="_f", query=query)
    restore_part(taken.memory, client, selection)
    return [document["_id"] for document in client.audit.log_f.find().sort("_id")]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ('{"tenant": 2}', [2, 5, 8, 11]),
        ('{"tenant": {"$numberInt": "2"}, "_id": {"$gt": 5}}', [8, 11]),
        ('{"$expr": {"$eq": ["$_id", {"$multiply": ["$tenant", 5]}]}}', [0]),
        ('{"$or": [{"_id": 1}, {"$nor": [{"_id": {"$gte": 1}}]}]}', [0, 1]),
        ('{"x": null}', list(range(12))),
        ('{"missing": null, "_id": 3}', [3]),
        ("{}", list(range(12))),
        ('{"tenant": 42}', []),
        ('{"$where": "this._id === 7"}', [7]),
    ],
)
def test_only_documents_that_match_are_restored(
    taken: Taken, filled: Client, query: str, left: list[int]
) -> None:
    before = content(filled)

    assert filtered(taken, filled, query) == left
    assert {key: content(filled)[key] for key in before} == before
    assert list(filled.audit.log_f.index_information()) == ["_id_", "x_1", "at_1"]


def test_documents_of_a_capped_collection_are_filtered(taken: Taken, filled: Client) -> None:
    selection = selected("shop.ring", query='{"_id": {"$lt": -2}}')

    restore_part(taken.memory, filled, selection)

    assert [document["_id"] for document in filled.shop.ring.find()] == [-3, -4]


def test_a_query_compares_as_the_collection_does(taken: Taken, filled: Client) -> None:
    selection = selected("third.names", query='{"_id": {"$in": ["OTTO", "x"]}}')

    restore_part(taken.memory, filled, selection)

    assert list(filled.third.names.find()) == [{"_id": "otto"}]


def test_what_was_filtered_out_is_told(taken: Taken, filled: Client) -> None:
    told: list[tuple[int, int, int]] = []
    selection = selected("audit.log", query='{"tenant": 2}')
    job = restore_of(
        taken.memory, filled, selection, progress=lambda *amounts: told.append(amounts)
    )

    job.load()

    assert {str(name): gone for name, gone in job.filtered_out.items()} == {"audit.log": 8}
    assert sum(documents for documents, _size, _namespaces in told) == 4


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ('{"$nonsense": 1}', r"unknown top level operator: \$nonsense"),
        ('{"a": {"$in": 1}}', r"\$in needs an array"),
        ('{"a": {"$near": [0, 0]}}', r"\$near"),
    ],
)
def test_a_query_that_the_server_refuses_is_refused_before_anything_is_written(
    taken: Taken, filled: Client, query: str, reason: str
) -> None:
    before = content(filled)
    job = restore_of(taken.memory, filled, selected("audit.log", query=query))

    with pytest.raises(RestoreNotPossible, match=f"does not take the query: .*{reason}"):
        job.load()

    assert content(filled) == before


def test_a_query_that_fails_on_a_document_fails_the_load(taken: Taken, filled: Client) -> None:
    before = content(filled)
    query = '{"$expr": {"$gt": [{"$divide": [1, "$tenant"]}, 0]}}'
    job = restore_of(taken.memory, filled, selected("audit.log", query=query))

    with pytest.raises(RestoreFailed, match=r"audit\.log could not be filtered: .*divide by zero"):
        job.load()
    job.discard()

    assert content(filled) == before


ENDLESS = '{"$where": "sleep(300000); return true"}'


def filters(client: Client) -> list[Any]:
    """What runs in the server on the snapshot's databases."""
    found = client.admin.command({"currentOp": 1, "active": True, "ns": {"$regex": "^audit"}})
    return list(found["inprog"])


def test_a_filter_ends_with_its_job(taken: Taken, filled: Client) -> None:
    """In the server, too."""
    filtering = threading.Event()

    def confirm() -> None:
        """Is called once before the load, and then by the filter."""
        if filtering.is_set():
            raise Crash
        filtering.set()

    job = restore_of(taken.memory, filled, selected("audit.log", query=ENDLESS), confirm=confirm)

    with pytest.raises(Crash):
        job.load()

    assert filters(filled) == []


def test_a_filter_can_be_interrupted(taken: Taken, filled: Client) -> None:
    before = content(filled)
    job = restore_of(taken.memory, filled, selected("audit.log", query=ENDLESS))
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(job.load)
        while not filters(filled):
            assert not loading.done()
        job.interrupt()
        with pytest.raises((Stopped, TelamonError)):
            loading.result(timeout=30)
    job.discard()

    assert filters(filled) == []
    assert content(filled) == before


# Queries as text


def test_a_query_is_extended_json() -> None:
    text = (
        '{"at": {"$gte": {"$date": "2026-01-01T00:00:00Z"}}, "is": {"y": 1, "x": {"$oid": "%s"}}}'
    )

    found = bson.decode(read_query(text % ("a" * 24)).raw)

    assert list(found["is"].items()) == [("y", 1), ("x", bson.ObjectId("a" * 24))]
    assert found["at"]["$gte"].year == 2026


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '{"a": {"$oid": "x"}}',
        '{"a": 1e999, "b": ' + "9" * 30 + "}",
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_what_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(InvalidSelection, match="the query is not"):
        read_query(text)
