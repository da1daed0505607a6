"""Reading that takes longer than the server keeps history: it goes on, and ends at one time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import bson
import pytest
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import OperationFailure

from telamon.errors import DeploymentUnavailable, SnapshotFailed
from telamon.model.manifest import ClusterTime, CollectionSpec
from telamon.mongo import snapshot as snapshot_module
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client, open_client
from telamon.mongo.follow import Follower, written
from telamon.mongo.lookup import find_by_id
from telamon.mongo.oplog import last_write
from telamon.mongo.read import Scan
from telamon.mongo.touched import Touched
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.meddler import Meddler, fill
from tests.mongo.memory import content, restore_all
from tests.mongo.trouble import kill

COUNT = 12_000


def forget_history(client: Client) -> None:
    """Make the server forget all up to now."""
    spec = next(spec for spec in read_catalog(client) if str(spec.namespace) == "shop.first")
    assert spec.uuid is not None
    now = last_write(client)
    client.admin.command({"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 0})
    while not is_forgotten(client, spec.uuid, now):
        client["bystander"]["c"].insert_one({})
    client.admin.command({"setParameter": 1, "minSnapshotHistoryWindowInSeconds": 300})


def is_forgotten(client: Client, uuid: bytes, time: ClusterTime) -> bool:
    with closing(Scan(client, "shop", uuid).batches(time)) as batches:
        try:
            next(batches)
        except OperationFailure as error:
            return error.code == 239
    return False


def forgetting(deed: Callable[[Client], object]) -> Callable[[Client], None]:
    def both(client: Client) -> None:
        deed(client)
        forget_history(client)

    return both


def assert_equal_to_now(meddler: Meddler, target: Client) -> None:
    """Nothing was written since, so the snapshot is of now: to ``dbHash``, options and indexes."""
    expected = content(meddler.client)
    restore_all(meddler, target)
    found = content(target)
    assert found == expected


def nothing(client: Client) -> None:
    """Time passes."""


def many_writes(client: Client) -> None:
    """Every kind of write to documents, before and behind where the reading is."""
    shop = client["shop"]
    shop["first"].bulk_write(
        [
            *(UpdateOne({"_id": n}, {"$set": {"n": -n, "more": "y" * 50}}) for n in range(40)),
            *(ReplaceOne({"_id": n}, {"replaced": n}) for n in range(50, 60)),
            *(DeleteOne({"_id": n}) for n in range(70, 90)),
            *(UpdateOne({"_id": n}, {"$inc": {"n": 1}}) for n in range(COUNT - 50, COUNT - 30)),
            *(DeleteOne({"_id": n}) for n in range(COUNT - 20, COUNT)),
            *(InsertOne({"_id": f"new {n}"}) for n in range(30)),
            UpdateOne({"_id": "upserted"}, {"$set": {"a": 1}}, upsert=True),
        ]
    )
    shop["first"].delete_one({"_id": 5})
    shop["first"].insert_one({"_id": 5, "born": "again"})
    shop["first"].delete_many({"_id": {"$in": ["new 3", "new 4"]}})
    shop["second"].update_many({}, {"$set": {"touched": True}})
    shop["second"].insert_many([{"_id": 1.5}, {"_id": {"a": 1}}, {"_id": b"bytes"}, {"_id": True}])
    with client.start_session() as session, session.start_transaction():
        shop["first"].update_one({"_id": 100}, {"$set": {"t": 1}}, session=session)
        shop["second"].insert_one({"_id": "in a transaction"}, session=session)
        shop["second"].delete_one({"_id": 3}, session=session)


def aborted_transaction(client: Client) -> None:
    with client.start_session() as session:
        session.start_transaction()
        client["shop"]["first"].delete_many({"_id": {"$lt": 500}}, session=session)
        session.abort_transaction()


def catalogue_changes(client: Client) -> None:
    shop = client["shop"]
    shop["second"].rename("third")
    shop["third"].update_one({"_id": 4}, {"$set": {"after": "the rename"}})
    shop["dropped"].drop()
    shop["made"].insert_many({"_id": n, "n": n} for n in range(3000))
    shop["made"].create_index("n")
    shop["first"].create_index("n")
    shop.command({"collMod": "third", "validator": {"n": {"$gte": 0}}})
    shop.command({"create": "view", "viewOn": "first", "pipeline": []})


def time_series(client: Client) -> None:
    client["shop"]["series"].insert_many({"t": zoo.DAY, "m": n % 3, "v": n} for n in range(200))


DEEDS = [nothing, many_writes, aborted_transaction, catalogue_changes, time_series]


@pytest.fixture
def filled(own_mongod: Mongod) -> Client:
    client = own_mongod.client
    fill(client, "first", COUNT, size_bytes=2000)
    fill(client, "second", 200)
    fill(client, "dropped", 10)
    client["shop"].create_collection("series", timeseries={"timeField": "t", "metaField": "m"})
    client["shop"]["series"].insert_many({"t": zoo.DAY, "m": n % 2, "v": n} for n in range(50))
    client["shop"].create_collection("ring", capped=True, size=4096)
    client["shop"]["ring"].insert_many({"_id": -n} for n in range(5))
    return client


@pytest.mark.parametrize("deed", DEEDS, ids=[deed.__name__ for deed in DEEDS])
def test_what_is_written_during_the_reading_is_in_the_snapshot(
    deed: Callable[[Client], object], filled: Client, target: Mongod
) -> None:
    meddler = Meddler(filled, forgetting(deed), at="shop.first")
    started = last_write(filled)
    meddler.take(attempts=1)
    assert meddler.facts.cluster_time is not None
    assert meddler.facts.cluster_time > started
    assert_equal_to_now(meddler, target.client)


def test_clustered_collections_and_collations_are_caught_up_with(
    own_mongod: Mongod, target: Mongod
) -> None:
    client = own_mongod.client
    fill(client, "first", COUNT, size_bytes=2000)
    shop = client["shop"]
    shop.command({"create": "clustered", "clusteredIndex": {"key": {"_id": 1}, "unique": True}})
    shop["clustered"].insert_many({"_id": n} for n in range(50))
    shop.create_collection("words", collation={"locale": "en", "strength": 1})
    shop["words"].insert_many([{"_id": "a"}, {"_id": "b"}, {"_id": "c"}])

    def deed(client: Client) -> None:
        shop["clustered"].delete_many({"_id": {"$lt": 10}})
        shop["clustered"].insert_one({"_id": -1, "new": True})
        shop["clustered"].update_one({"_id": 20}, {"$set": {"changed": True}})
        # Equal to the server: only one of each may be there at a time.
        shop["words"].delete_one({"_id": "a"})
        shop["words"].insert_one({"_id": "A"})
        shop["words"].update_one({"_id": "b"}, {"$set": {"x": 1}})

    meddler = Meddler(client, forgetting(deed), at="shop.first")
    meddler.take(attempts=1)
    assert_equal_to_now(meddler, target.client)


def test_what_was_read_before_is_not_read_again(filled: Client) -> None:
    class Counting(Meddler):
        begun = 0

        def begin(self, spec: CollectionSpec, expected_bytes: int) -> None:
            self.begun += spec.namespace.name == "first"
            super().begin(spec, expected_bytes)

    meddler = Counting(filled, forget_history, at="shop.first")
    meddler.take(attempts=1)
    assert meddler.begun == 1
    assert meddler.ids("shop.first") == list(range(COUNT))


def test_a_reading_goes_on_though_the_document_it_stopped_at_is_gone(
    filled: Client, target: Mongod
) -> None:
    """Ten thousand around the place are deleted, whatever batch it was in."""

    def deed(client: Client) -> None:
        client["shop"]["first"].delete_many({"_id": {"$gte": 10, "$lt": COUNT - 100}})

    meddler = Meddler(filled, forgetting(deed), at="shop.first")
    meddler.take(attempts=1)
    assert len(meddler.ids("shop.first")) == 110
    assert_equal_to_now(meddler, target.client)


def test_ranges_are_caught_up_with_too(filled: Client, target: Mongod) -> None:
    """The documents at the bounds of the ranges are deleted while the first range is read."""
    bounds: list[int] = []

    def deed(client: Client) -> None:
        many_writes(client)
        for bound in range(1024, COUNT, 1024):
            client["shop"]["first"].delete_many({"_id": {"$gte": bound - 3, "$lt": bound + 3}})
            bounds.append(bound)

    meddler = Meddler(filled, forgetting(deed), at="shop.first")
    meddler.take(attempts=1, split_bytes=1_000_000)
    assert len(meddler.parts) > 3
    assert_equal_to_now(meddler, target.client)


def test_every_acknowledged_write_up_to_the_time_is_there_and_none_after(
    own_mongod: Mongod,
) -> None:
    """Money moves between accounts all the time, two documents in one transaction."""
    client = own_mongod.client
    fill(client, "first", COUNT, size_bytes=2000)
    accounts = client["bank"]["accounts"]
    accounts.insert_many({"_id": n, "money": 100} for n in range(50))
    stop = threading.Event()
    acknowledged: list[tuple[ClusterTime, int]] = []

    def move() -> None:
        with open_client(own_mongod.uri) as own, own.start_session() as session:
            number = 0
            while not stop.is_set():
                number += 1
                with session.start_transaction():
                    bank = own["bank"]
                    one, other = {"_id": number % 50}, {"_id": (number * 7 + 1) % 50}
                    bank["accounts"].update_one(one, {"$inc": {"money": -1}}, session=session)
                    bank["accounts"].update_one(other, {"$inc": {"money": 1}}, session=session)
                    bank["log"].insert_one({"_id": number}, session=session)
                time = session.operation_time
                assert time is not None
                acknowledged.append((ClusterTime(seconds=time.time, increment=time.inc), number))

    writer = threading.Thread(target=move)
    meddler = Meddler(client, forgetting(lambda _: writer.start()), at="shop.first")
    try:
        meddler.take(attempts=1)
    finally:
        stop.set()
        writer.join()
    money = [found["money"] for found in documents(meddler, "bank.accounts")]
    assert len(money) == 50
    assert sum(money) == 5000
    log = {found["_id"] for found in documents(meddler, "bank.log")}
    at = meddler.facts.cluster_time
    assert at is not None
    assert {number for time, number in acknowledged if time <= at} <= log
    # The operation time of a commit may lie a little after its own writes.
    assert log == set(range(1, len(log) + 1))
    assert len(log) < len(acknowledged)


def documents(meddler: Meddler, name: str) -> Iterator[dict[str, Any]]:
    spec = next(spec for spec in meddler.facts.collections if str(spec.namespace) == name)
    for piece in meddler.pieces(spec):
        yield from bson.decode_all(piece)


def test_a_time_that_is_too_old_again_is_chosen_anew(
    filled: Client, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def slow(client: Client, *arguments: Any) -> Iterator[tuple[bytes, bytes]]:
        calls.append(arguments)
        if len(calls) == 1:
            client["shop"]["first"].update_one({"_id": 1}, {"$set": {"late": True}})
            forget_history(client)
        return find_by_id(client, *arguments)

    monkeypatch.setattr(snapshot_module, "find_by_id", slow)
    meddler = Meddler(filled, forgetting(many_writes), at="shop.first")
    meddler.take(attempts=1)
    assert len(calls) > 2
    assert_equal_to_now(meddler, target.client)


def test_an_oplog_that_does_not_reach_back_is_the_reason(source: Mongod) -> None:
    long_ago = ClusterTime(seconds=1_600_000_000, increment=1)
    with Touched() as touched, Follower(source.client, long_ago, touched) as follower:
        with pytest.raises(SnapshotFailed, match=r"oplog reaches back.*replSetResizeOplog"):
            follower.wait(last_write(source.client))
        with pytest.raises(SnapshotFailed, match="oplog reaches back"):
            follower.check()


def test_a_prepared_transaction_is_a_reason_to_fail() -> None:
    entry = bson.raw_bson.RawBSONDocument(bson.encode({"op": "c", "o": {"commitTransaction": 1}}))
    with pytest.raises(SnapshotFailed, match="prepared transaction"):
        list(written(entry))


def test_a_deployment_that_dies_meanwhile_is_unavailable(own_mongod: Mongod) -> None:
    with open_client(own_mongod.uri) as client:
        fill(client, "first", COUNT, size_bytes=2000)

        def deed(client: Client) -> None:
            forget_history(client)
            kill(own_mongod)

        meddler = Meddler(client, deed, at="shop.first")
        with pytest.raises(DeploymentUnavailable, match="does not answer"):
            meddler.take(attempts=1)


def test_no_thread_and_no_file_is_left(
    filled: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    Meddler(filled, forgetting(many_writes), at="shop.first").take(attempts=1)
    assert [one.name for one in threading.enumerate() if one.name.startswith("telamon")] == []
    assert list(scratch.iterdir()) == []
