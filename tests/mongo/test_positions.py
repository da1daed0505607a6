"""A reading that is gone on with, from a place whose document may not be there any more."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import bson
import pytest
from pymongo.errors import OperationFailure

from telamon.model.manifest import CollectionSpec
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client
from telamon.mongo.oplog import last_write
from telamon.mongo.ranges import split
from telamon.mongo.read import PositionLost, Scan
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.history import COUNT, assert_equal_to_now, forgetting
from tests.mongo.meddler import Meddler, fill
from tests.mongo.memory import uuid_of
from tests.mongo.standalone import running_standalone


def spec_of_first(client: Client) -> CollectionSpec:
    return next(spec for spec in read_catalog(client) if spec.namespace.name == "first")


def ids(batches: Iterator[bytes]) -> list[object]:
    return [found["_id"] for batch in batches for found in bson.decode_all(batch)]


def begun(client: Client, batches: int) -> tuple[Scan, list[object]]:
    """A scan of ``shop.first`` that was ended after some batches, and what it had yielded."""
    scan = Scan(client, "shop", uuid_of(spec_of_first(client)))
    read: list[object] = []
    with closing(scan.batches(last_write(client))) as found:
        for _ in range(batches):
            read += ids(iter([next(found)]))
        next(found)  # an error came in place of this one
    return scan, read


def rest(client: Client, scan: Scan) -> list[object]:
    return ids(scan.batches(None, after=last_write(client)))


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("deleted", [0, 1, 63, 64, 65, 95, 100, 2000])
def test_it_goes_on_behind_the_last_document_before_the_place_that_is_there(
    batches: int, deleted: int, source: Mongod
) -> None:
    client = source.client
    fill(client, "first", COUNT, size_bytes=2000)
    scan, read = begun(client, batches)
    end = len(read)
    client["shop"]["first"].delete_many({"_id": {"$gte": end - deleted, "$lt": end}})
    assert rest(client, scan) == list(range(end, COUNT))


def test_it_goes_on_where_all_before_it_is_gone(source: Mongod) -> None:
    """As in a queue, which is filled at one end and emptied at the other."""
    fill(source.client, "first", COUNT, size_bytes=2000)
    scan, read = begun(source.client, 2)
    source.client["shop"]["first"].delete_many({"_id": {"$lt": len(read) + 10}})
    assert rest(source.client, scan) == list(range(len(read) + 10, COUNT))


def test_a_document_that_no_longer_fitted_into_a_batch_comes_next(source: Mongod) -> None:
    """The server had it in its hand already."""
    for number in range(12):
        source.client["shop"]["first"].insert_one({"_id": number, "x": b"x" * 3_000_000})
    scan, read = begun(source.client, 1)
    assert read == [0, 1, 2, 3, 4]
    assert rest(source.client, scan) == list(range(5, 12))


def test_the_end_of_a_range_is_found_though_its_neighbours_go_meanwhile(source: Mongod) -> None:
    client = source.client
    fill(client, "first", COUNT, size_bytes=300)
    spec = spec_of_first(client)
    part = split(client, spec, last_write(client), 4)[0]
    assert part.end is not None
    end = part.end.record
    scan = Scan(client, "shop", uuid_of(spec), part)
    with closing(scan.batches(None, after=last_write(client))) as batches:
        read = ids(iter([next(batches)]))
        # The place, both sides of the end, and what names the end to a reading at a time.
        around = {"_id": {"$in": [len(read) - 1, end - 1, end, end + 1]}}
        client["shop"]["first"].delete_many(around)
        read += ids(batches)
    assert read == list(range(end - 1))


# Places without a number


def make_clustered(client: Client) -> None:
    command = {"create": "first", "clusteredIndex": {"key": {"_id": 1}, "unique": True}}
    client["shop"].command(command)
    fill(client, "first", COUNT, size_bytes=2000)


def make_buckets(client: Client) -> None:
    client["shop"].create_collection("first", timeseries={"timeField": "t", "metaField": "m"})
    client["shop"]["first"].insert_many(
        {"t": zoo.DAY, "m": number, "x": "x" * 2000} for number in range(COUNT)
    )


@pytest.mark.parametrize("make", [make_clustered, make_buckets])
def test_a_place_that_has_no_number_is_gone_on_from(
    make: object, own_mongod: Mongod, target: Mongod
) -> None:
    assert callable(make)
    make(own_mongod.client)
    meddler = Meddler(own_mongod.client, forgetting(lambda _: None), at="shop.first")
    meddler.take(attempts=1)
    assert_equal_to_now(meddler, target.client)


@pytest.mark.parametrize("make", [make_clustered, make_buckets])
def test_a_place_that_has_no_number_and_is_gone_lets_the_collection_be_read_anew(
    make: object, own_mongod: Mongod, target: Mongod
) -> None:
    """All that may have been the place is deleted; what was read of it before is not kept."""

    def deed(client: Client) -> None:
        shop = client["shop"]
        if make is make_buckets:
            shop["first"].delete_many({"m": {"$lt": COUNT - 100}})
        else:
            shop["first"].delete_many({"_id": {"$gte": 10, "$lt": COUNT - 100}})

    assert callable(make)
    make(own_mongod.client)
    meddler = Meddler(own_mongod.client, forgetting(deed), at="shop.first")
    meddler.take(attempts=1)
    assert_equal_to_now(meddler, target.client)


def test_a_server_that_tells_no_places_is_read_without(
    mongod_program: Path, tmp_path: Path
) -> None:
    """The option is none of the documented ones."""
    options = ("--setParameter", "enableTestCommands=1")
    with running_standalone(mongod_program, tmp_path / "data", *options) as server:
        fill(server.client, "first", 3000, size_bytes=2000)
        scan = Scan(server.client, "shop", uuid_of(spec_of_first(server.client)))
        refuse_once(server.client, 40415)
        with closing(scan.batches(None)) as batches:
            read = ids(iter([next(batches), next(batches)]))
        assert read == list(range(len(read)))
        with pytest.raises(PositionLost):
            next(scan.batches(None))
        scan.rewind()
        assert ids(scan.batches(None)) == list(range(3000))


def test_another_refusal_is_no_reason_to_try_without_places(
    mongod_program: Path, tmp_path: Path
) -> None:
    options = ("--setParameter", "enableTestCommands=1")
    with running_standalone(mongod_program, tmp_path / "data", *options) as server:
        fill(server.client, "first", 3)
        scan = Scan(server.client, "shop", uuid_of(spec_of_first(server.client)))
        refuse_once(server.client, 13)
        with pytest.raises(OperationFailure, match="failCommand"):
            next(scan.batches(None))


def refuse_once(client: Client, code: int) -> None:
    refusal = {"failCommands": ["find"], "errorCode": code}
    client.admin.command(
        {"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": refusal}
    )
