"""One collection read in several ranges at one time."""

import threading
from collections.abc import Callable

import bson
import pytest

from telamon.model.manifest import CollectionSpec
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client, open_client
from telamon.mongo.elements import id_element
from telamon.mongo.oplog import last_write
from telamon.mongo.ranges import size_bytes, split
from telamon.mongo.read import WHOLE, Range, Scan
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.meddler import fill
from tests.mongo.memory import take, uuid_of

COUNT = 10_000


def spec_of(client: Client, name: str) -> CollectionSpec:
    return next(spec for spec in read_catalog(client) if spec.namespace.name == name)


def ranges(client: Client, name: str = "first", wanted: int = 4) -> list[Range]:
    return split(client, spec_of(client, name), last_write(client), wanted)


def ids(client: Client, part: Range, name: str = "first") -> list[object]:
    scan = Scan(client, "shop", uuid_of(spec_of(client, name)), part)
    batches = scan.batches(last_write(client))
    return [found["_id"] for batch in batches for found in bson.decode_all(batch)]


def bounds(parts: list[Range]) -> list[int]:
    return [part.end.record for part in parts if part.end is not None]


def nothing(client: Client) -> None:
    """All documents are there."""


def delete_around_bounds(client: Client) -> None:
    """The records at the bounds and some after them."""
    for bound in range(2048, COUNT, 2048):
        client["shop"]["first"].delete_many({"_id": {"$gte": bound - 5, "$lt": bound + 5}})


def delete_far_around_bounds(client: Client) -> None:
    for bound in range(2048, COUNT, 2048):
        client["shop"]["first"].delete_many({"_id": {"$gte": bound - 200, "$lt": bound + 200}})


def delete_the_end(client: Client) -> None:
    client["shop"]["first"].delete_many({"_id": {"$gte": COUNT // 3}})


def delete_all_but_one(client: Client) -> None:
    client["shop"]["first"].delete_many({"_id": {"$ne": 4097}})


def delete_all(client: Client) -> None:
    client["shop"]["first"].delete_many({})


def grow(client: Client) -> None:
    """Documents that move nowhere, whatever their size."""
    client["shop"]["first"].update_many({"_id": {"$mod": [3, 0]}}, {"$set": {"y": "y" * 900}})


DEEDS = [
    nothing,
    delete_around_bounds,
    delete_far_around_bounds,
    delete_the_end,
    delete_all_but_one,
    delete_all,
    grow,
]


@pytest.mark.parametrize("deed", DEEDS, ids=[deed.__name__ for deed in DEEDS])
def test_every_document_is_in_one_range_and_in_order(
    deed: Callable[[Client], None], source: Mongod
) -> None:
    client = source.client
    fill(client, "first", COUNT, size_bytes=300)
    deed(client)
    expected = [
        found["_id"]
        for found in client["shop"]["first"].find({}, {"_id": 1}).hint([("$natural", 1)])
    ]
    parts = ranges(client)
    assert [number for part in parts for number in ids(client, part)] == expected


def test_bounds_are_multiples_of_a_power_of_two(source: Mongod) -> None:
    fill(source.client, "first", COUNT)
    assert bounds(ranges(source.client)) == [2048, 4096, 6144, 8192]


def test_a_collection_that_has_grown_has_the_same_bounds(source: Mongod) -> None:
    fill(source.client, "first", COUNT)
    before = bounds(ranges(source.client))
    source.client["shop"]["first"].insert_many({"x": 1} for _ in range(3000))
    assert bounds(ranges(source.client))[: len(before)] == before
    source.client["shop"]["first"].insert_many({"x": 1} for _ in range(10_000))
    assert set(bounds(ranges(source.client))) & set(before)


@pytest.mark.parametrize("wanted", [2, 3, 4, 7])
def test_there_are_as_many_ranges_as_wanted_or_up_to_twice_as_many(
    wanted: int, source: Mongod
) -> None:
    fill(source.client, "first", COUNT)
    assert wanted <= len(ranges(source.client, wanted=wanted)) <= 2 * wanted


def test_the_boundary_names_the_next_document(source: Mongod) -> None:
    fill(source.client, "first", COUNT)
    end = ranges(source.client)[0].end
    assert end is not None
    assert end.next_id == id_element(bson.encode({"_id": 2048}), 0)


def test_what_has_no_numbers_for_records_is_one_range(source: Mongod) -> None:
    shop = source.client["shop"]
    shop.command({"create": "clustered", "clusteredIndex": {"key": {"_id": 1}, "unique": True}})
    shop["clustered"].insert_many({"_id": number} for number in range(1000))
    shop.create_collection("series", timeseries={"timeField": "t"})
    shop["series"].insert_one({"t": zoo.DAY})
    shop["small"].insert_many({"_id": number} for number in range(3))
    shop.create_collection("empty")
    for name in ("clustered", "series", "small", "empty"):
        assert ranges(source.client, name) == [WHOLE]


def test_one_range_is_no_division(source: Mongod) -> None:
    fill(source.client, "first", COUNT)
    assert ranges(source.client, wanted=1) == [WHOLE]


def test_the_server_says_how_big_a_collection_is(source: Mongod) -> None:
    fill(source.client, "first", 100, size_bytes=1000)
    assert 100_000 < size_bytes(source.client, spec_of(source.client, "first")) < 120_000
    source.client["shop"].command({"create": "view", "viewOn": "first", "pipeline": []})
    assert size_bytes(source.client, spec_of(source.client, "view")) == 0


@pytest.mark.parametrize("parallel", [1, 2, 4])
def test_a_snapshot_in_ranges_is_of_one_moment(parallel: int, source: Mongod) -> None:
    """A writer changes the first and the last document together, all the time."""
    client = source.client
    fill(client, "first", COUNT, size_bytes=300)
    stop = threading.Event()
    began = threading.Event()

    def write() -> None:
        with open_client(source.uri) as own, own.start_session() as session:
            number = 0
            while not stop.is_set():
                number += 1
                with session.start_transaction():
                    for id_ in (0, COUNT - 1):
                        own["shop"]["first"].update_one(
                            {"_id": id_}, {"$set": {"n": number}}, session=session
                        )
                    own["shop"]["first"].insert_one({"_id": -number}, session=session)
                if number > 10:
                    began.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert began.wait(10)
        memory = take(client, parallel=parallel, split_bytes=1000)
    finally:
        stop.set()
        writer.join()
    spec = memory.facts.collections[0]
    found = {
        document["_id"]: document
        for piece in memory.pieces(spec)
        for document in bson.decode_all(piece)
    }
    assert len(memory.parts[uuid_of(spec)]) == (
        1 if parallel == 1 else pytest.approx(3 * parallel / 2, abs=parallel / 2)
    )
    assert found[0]["n"] == found[COUNT - 1]["n"]
    assert min(found) == -found[0]["n"]
    assert len(found) == COUNT + found[0]["n"]
    assert memory.count("shop.first") == len(found)
