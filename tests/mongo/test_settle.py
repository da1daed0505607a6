"""Bringing what was read at different times to one, while the deployment is written to."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from telamon.model.manifest import ClusterTime, CollectionSpec
from telamon.mongo import catch_up as catch_up_module
from telamon.mongo import snapshot as snapshot_module
from telamon.mongo.connect import Client
from telamon.mongo.follow import Follower
from telamon.mongo.lookup import find_by_id
from telamon.mongo.oplog import last_write
from telamon.mongo.read import Scan
from telamon.mongo.reading import Change
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.history import (
    assert_equal_to_now,
    documents,
    forget_history,
    forgetting,
    many_writes,
    touch_two_collections,
)
from tests.mongo.meddler import Meddler


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

    monkeypatch.setattr(catch_up_module, "find_by_id", slow)
    meddler = Meddler(filled, forgetting(many_writes), at="shop.first")
    meddler.take(attempts=1)
    assert len(calls) > 2
    assert_equal_to_now(meddler, target.client)


def test_only_what_was_written_to_since_is_read_again_for_the_new_time(
    filled: Client, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it ends, however long the first reading of all touched documents took."""
    asked: list[int] = []

    def counting(client: Client, *arguments: Any) -> Iterator[tuple[bytes, bytes]]:
        is_of_shop = arguments[0] == "shop"
        if is_of_shop:
            asked.append(len(arguments[2]))
        yield from find_by_id(client, *arguments)
        if is_of_shop and len(asked) == 1:
            client["shop"]["first"].update_one({"_id": 1}, {"$set": {"late": True}})
            forget_history(client)

    monkeypatch.setattr(catch_up_module, "find_by_id", counting)
    meddler = Meddler(filled, forgetting(touch_two_collections), at="shop.first")
    meddler.take(attempts=1)
    # All 50 of the one collection; of the other they are too old; then one, and these.
    assert asked == [50, 50, 1, 50]
    assert_equal_to_now(meddler, target.client)


def test_a_document_that_is_first_written_to_after_the_time_is_not_lost(
    filled: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Followed by then, but what became of it was never asked."""
    followers: list[Follower] = []

    def keeping(*arguments: Any) -> Follower:
        followers.append(Follower(*arguments))
        return followers[0]

    class Late(Meddler):
        def change(self, spec: CollectionSpec, change: Change) -> None:
            if spec.namespace.name == "first":
                second = self.client["shop"]["second"]
                second.update_one({"_id": 150}, {"$set": {"late": True}})
                second.delete_one({"_id": 151})
                second.insert_one({"_id": "late"})
                followers[0].wait(last_write(self.client))
            super().change(spec, change)

    monkeypatch.setattr(catch_up_module, "Follower", keeping)
    meddler = Late(filled, forgetting(touch_two_collections), at="shop.first")
    meddler.take(attempts=1)
    assert meddler.ids("shop.second") == list(range(200))
    assert not any("late" in found for found in documents(meddler, "shop.second"))


@pytest.mark.parametrize("rename", [False, True])
def test_a_collection_that_goes_while_its_documents_are_asked_for_is_left_out(
    rename: bool, filled: Client, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def dropping(client: Client, *arguments: Any) -> Iterator[tuple[bytes, bytes]]:
        calls.append(arguments)
        if len(calls) == 1:
            if rename:
                client["shop"]["third"].insert_one({})
                client["shop"]["third"].rename("second", dropTarget=True)
            else:
                client["shop"]["second"].drop()
        return find_by_id(client, *arguments)

    monkeypatch.setattr(catch_up_module, "find_by_id", dropping)
    meddler = Meddler(filled, forgetting(touch_two_collections), at="shop.first")
    meddler.take(attempts=1)
    assert_equal_to_now(meddler, target.client)


def test_a_collection_that_only_seemed_to_be_gone_is_read_anew(
    filled: Client, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query may be ended for other reasons with the code that a drop has."""
    seen: list[str] = []

    class Ending(Scan):
        def batches(self, at: ClusterTime | None, **options: Any) -> Generator[bytes, None, None]:
            for batch in super().batches(at, **options):
                yield batch
                if at is None and options["after"] is not None and seen and len(seen) == 1:
                    seen.append("ended")
                    raise OperationFailure("the query was ended", 175)

    monkeypatch.setattr(snapshot_module, "Scan", Ending)
    meddler = Meddler(filled, forgetting(lambda _: seen.append("forgotten")), at="shop.first")
    meddler.take(attempts=1)
    assert seen == ["forgotten", "ended"]
    assert_equal_to_now(meddler, target.client)


def test_ids_of_every_type_are_asked_for_as_they_are(filled: Client, target: Mongod) -> None:
    def deed(client: Client) -> None:
        client["shop"]["ids"].update_many({}, {"$set": {"touched": True}})
        client["shop"]["ids"].delete_one({"_id": zoo.IDS[2]})

    filled["shop"]["ids"].insert_many({"_id": value, "n": 1} for value in zoo.IDS)
    meddler = Meddler(filled, forgetting(deed), at="shop.first")
    meddler.take(attempts=1)
    assert_equal_to_now(meddler, target.client)
