"""A server that forgets its history at once, and what is compared then."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import bson
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.errors import OperationFailure

from telamon.model.manifest import ClusterTime
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client
from telamon.mongo.oplog import last_write
from telamon.mongo.read import Scan
from tests.mongo import zoo
from tests.mongo.meddler import Meddler, fill
from tests.mongo.memory import content, restore_all

COUNT = 12_000


def fill_all(client: Client) -> None:
    """``shop.first``, which is read for longest, and something of each kind."""
    fill(client, "first", COUNT, size_bytes=2000)
    fill(client, "second", 200)
    fill(client, "dropped", 10)
    client["shop"].create_collection("series", timeseries={"timeField": "t", "metaField": "m"})
    client["shop"]["series"].insert_many({"t": zoo.DAY, "m": n % 2, "v": n} for n in range(50))
    client["shop"].create_collection("ring", capped=True, size=4096)
    client["shop"]["ring"].insert_many({"_id": -n} for n in range(5))


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


def documents(meddler: Meddler, name: str) -> Iterator[dict[str, Any]]:
    spec = next(spec for spec in meddler.facts.collections if str(spec.namespace) == name)
    for piece in meddler.pieces(spec):
        yield from bson.decode_all(piece)


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


def touch_two_collections(client: Client) -> None:
    for name in ("first", "second"):
        client["shop"][name].update_many({"_id": {"$lt": 50}}, {"$set": {"touched": True}})
