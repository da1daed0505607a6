"""Reading that takes longer than the server keeps history: it goes on, and ends at one time."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from telamon.errors import DeploymentUnavailable
from telamon.model.manifest import ClusterTime, CollectionSpec
from telamon.mongo.connect import Client, open_client
from telamon.mongo.oplog import last_write
from telamon.mongo.reading import Change
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.history import (
    COUNT,
    assert_equal_to_now,
    documents,
    forget_history,
    forgetting,
    many_writes,
)
from tests.mongo.meddler import Meddler, fill
from tests.mongo.memory import uuid_of
from tests.mongo.trouble import kill


def nothing(client: Client) -> None:
    """Time passes."""


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
    """The documents at the bounds of the ranges are deleted before all but the first are read."""

    def deed(client: Client) -> None:
        many_writes(client)
        for bound in range(2048, COUNT, 2048):
            client["shop"]["first"].delete_many({"_id": {"$gte": bound - 3, "$lt": bound + 3}})

    meddler = InRanges(filled, forgetting(deed), at="shop.first")
    meddler.take(attempts=1, parallel=3, split_bytes=1_000_000)
    assert meddler.most_parts == 6
    assert_equal_to_now(meddler, target.client)


class InRanges(Meddler):
    """Reads the first range of a collection, then does the deed, then reads the others at once."""

    def __init__(self, client: Client, deed: Callable[[Client], object], *, at: str) -> None:
        self.is_done = threading.Event()
        self.most_parts = 0

        def deed_and_done(client: Client) -> None:
            deed(client)
            self.is_done.set()

        super().__init__(client, deed_and_done, at=at)

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        if part > 0:
            assert self.is_done.wait(60)
        super().add(spec, part, batches)

    def change(self, spec: CollectionSpec, change: Change) -> None:
        self.most_parts = max(self.most_parts, len(self.parts[uuid_of(spec)]))
        super().change(spec, change)


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
    """What memory does not hold is where the caller wants it."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not this one"))
    meddler = Meddler(filled, forgetting(many_writes), at="shop.first")
    meddler.take(attempts=1, scratch=scratch)
    assert [one.name for one in threading.enumerate() if one.name.startswith("telamon")] == []
    assert list(scratch.iterdir()) == []
