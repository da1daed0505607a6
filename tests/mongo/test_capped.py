"""Capped collections in a snapshot: read while they rest."""

import pytest

from telamon.errors import SnapshotFailed
from telamon.model.manifest import ClusterTime
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client
from telamon.mongo.oplog import is_written, last_write
from tests.conftest import Mongod
from tests.mongo.meddler import Deed, Meddler, fill


def make_capped(client: Client, count: int, *, size_bytes: int = 1_000_000) -> None:
    client["shop"].create_collection("ring", capped=True, size=size_bytes)
    client["shop"]["ring"].insert_many({"_id": -number} for number in range(count))


def write_to_ring(client: Client) -> None:
    client["shop"]["ring"].insert_one({"_id": client["shop"]["ring"].estimated_document_count()})


def test_a_capped_collection_is_read_again_until_it_rests(source: Mongod) -> None:
    make_capped(source.client, 3)
    meddler = Meddler(source.client, write_to_ring, at="shop.ring", times=4)

    meddler.take()

    assert meddler.ids("shop.ring") == [0, -1, -2, 3, 4, 5, 6]


def test_a_capped_collection_that_never_rests_fails_the_snapshot_by_name(source: Mongod) -> None:
    make_capped(source.client, 3)
    meddler = Meddler(source.client, write_to_ring, at="shop.ring", times=1000)

    with pytest.raises(SnapshotFailed, match=r"capped collection shop\.ring was written to each"):
        meddler.take()

    assert meddler.times == 995


def test_writes_to_others_do_not_disturb_a_capped_collection(source: Mongod) -> None:
    make_capped(source.client, 3)
    fill(source.client, "other", 1)
    meddler = Meddler(
        source.client,
        lambda client: client["shop"]["other"].insert_one({"_id": "late"}),
        at="shop.ring",
        times=1000,
    )

    meddler.take()

    assert meddler.times == 999
    assert meddler.ids("shop.other") == [0, "late"]


def test_a_capped_collection_that_overwrites_itself_under_the_read_is_read_again(
    source: Mongod,
) -> None:
    """The server answers CappedPositionLost."""
    make_capped(source.client, 6000, size_bytes=12_000_000)
    source.client["shop"]["ring"].insert_many({"_id": n, "x": "x" * 2000} for n in range(1, 5500))

    def overwrite(client: Client) -> None:
        client["shop"]["ring"].insert_many(
            {"_id": f"new {n}", "x": "x" * 2000} for n in range(6500)
        )

    meddler = Meddler(source.client, overwrite, at="shop.ring")
    meddler.take()

    there = [document["_id"] for document in source.client["shop"]["ring"].find({}, {"_id": 1})]
    assert meddler.ids("shop.ring") == there


def test_a_capped_collection_that_is_dropped_meanwhile_is_left_out(source: Mongod) -> None:
    make_capped(source.client, 3)
    meddler = Meddler(source.client, lambda client: client["shop"]["ring"].drop(), at="shop.ring")

    meddler.take()

    assert meddler.names() == []


def insert_plainly(client: Client) -> None:
    client["shop"]["ring"].insert_one({"_id": 1})


def insert_by_apply_ops(client: Client) -> None:
    entry = {"op": "i", "ns": "shop.ring", "o": {"_id": 1}}
    client.admin.command({"applyOps": [entry]})


def insert_in_transaction(client: Client) -> None:
    with client.start_session() as session, session.start_transaction():
        client["shop"]["ring"].insert_one({"_id": 1}, session=session)


def update(client: Client) -> None:
    client["shop"]["ring"].update_one({"_id": 0}, {"$set": {"a": 1}})


def alter(client: Client) -> None:
    client["shop"].command({"collMod": "ring", "validator": {"a": 1}})


def write_elsewhere(client: Client) -> None:
    client["shop"]["other"].insert_one({"_id": 1})


@pytest.mark.parametrize(
    ("deed", "expected"),
    [
        (insert_plainly, True),
        (insert_by_apply_ops, True),
        (insert_in_transaction, True),
        (update, True),
        (alter, True),
        (write_elsewhere, False),
    ],
)
def test_the_oplog_tells_whether_a_collection_was_written_to(
    source: Mongod, deed: Deed, expected: bool
) -> None:
    fill(source.client, "ring", 1)
    fill(source.client, "other", 1)
    spec = next(one for one in read_catalog(source.client) if one.namespace.name == "ring")
    before = last_write(source.client)

    deed(source.client)

    until = last_write(source.client)
    assert is_written(source.client, spec, after=before, until=until) == expected
    assert is_written(source.client, spec, after=until, until=until) is False


def test_a_time_that_the_oplog_no_longer_has_counts_as_written_since(source: Mongod) -> None:
    fill(source.client, "ring", 1)
    (spec,) = read_catalog(source.client)
    long_ago = ClusterTime(seconds=1, increment=1)

    assert is_written(source.client, spec, after=long_ago, until=last_write(source.client))
