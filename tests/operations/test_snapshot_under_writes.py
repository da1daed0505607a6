"""Snapshots into a real repository, of a deployment that changes while it is read."""

from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import Any

import bson

from telamon.model.manifest import Consistency, Manifest
from telamon.mongo.connect import Client
from telamon.mongo.oplog import last_write
from telamon.operations.snapshots import TakeSnapshot
from telamon.repository.repository import Repository
from tests.conftest import Mongod
from tests.databases import on_sqlite
from tests.mongo.history import COUNT, fill_all, forget_history, many_writes
from tests.mongo.meddler import fill
from tests.operations.conftest import World
from tests.operations.crashes import plainly
from tests.state.samples import NOW, SNAPSHOT

pytestmark = on_sqlite

Deed = Callable[[Client], object]


class MeddlingClock:
    """Asked for the time as soon as a first batch is stored, it does the deed once."""

    def __init__(self, client: Client, deed: Deed) -> None:
        self._client = client
        self._deed = deed
        self._lock = Lock()
        self._asked = 0

    def __call__(self) -> datetime:
        with self._lock:
            self._asked += 1
            if self._asked == 3:  # when it begins, when nothing is stored, when something is
                self._deed(self._client)
        return NOW


def take(world: World, mongod: Mongod, deed: Deed) -> Manifest:
    world.attach(mongod.uri)
    world.ask_for_snapshot()
    repository = Repository.open(world.store)
    clock = MeddlingClock(mongod.client, deed)
    TakeSnapshot(world.db, world.credentials, repository, clock).run(SNAPSHOT, plainly)
    return Repository.open(world.store).manifest(SNAPSHOT)


def stored(world: World, manifest: Manifest) -> dict[str, list[bytes]]:
    """The documents of each collection, sorted."""
    repository = Repository.open(world.store)
    return {
        str(one.spec.namespace): split(b"".join(repository.documents(one)))
        for one in manifest.collections
        if one.spec.uuid is not None
    }


def there(client: Client, names: list[str]) -> dict[str, list[bytes]]:
    found = {}
    for name in names:
        database, _, collection = name.partition(".")
        if collection in client[database].list_collection_names(filter={"type": "timeseries"}):
            collection = f"system.buckets.{collection}"
        raw: Any = client[database].get_collection(collection).find_raw_batches()
        found[name] = split(b"".join(raw))
    return found


def split(data: bytes) -> list[bytes]:
    options = bson.codec_options.CodecOptions(document_class=bson.raw_bson.RawBSONDocument)
    return sorted(bytes(found.raw) for found in bson.decode_all(data, options))


def writes_and_time(client: Client) -> None:
    many_writes(client)
    forget_history(client)


def drop_and_make(client: Client) -> None:
    client["shop"]["first"].drop()
    client["shop"]["first"].insert_one({"_id": "new"})


def test_what_is_read_beyond_the_history_is_stored_as_it_is_in_the_end(
    world: World, own_mongod: Mongod
) -> None:
    fill_all(own_mongod.client)
    own_mongod.client["shop"]["ring"].drop()  # capped ones are stored before the time is chosen
    begun = last_write(own_mongod.client)
    manifest = take(world, own_mongod, writes_and_time)
    found = stored(world, manifest)
    assert manifest.consistency is Consistency.SNAPSHOT
    assert manifest.cluster_time is not None
    assert manifest.cluster_time > begun
    assert found == there(own_mongod.client, list(found))
    assert world.snapshot().documents == sum(map(len, found.values()))


def test_a_collection_that_is_replaced_while_it_is_read_is_read_anew(
    world: World, source: Mongod
) -> None:
    fill(source.client, "first", COUNT, size_bytes=2000)
    manifest = take(world, source, drop_and_make)
    found = stored(world, manifest)
    assert found == there(source.client, ["shop.first"])


def test_a_capped_collection_that_overwrites_itself_while_it_is_read_is_read_anew(
    world: World, source: Mongod
) -> None:
    shop = source.client["shop"]
    shop.create_collection("ring", capped=True, size=12_000_000)
    fill(source.client, "ring", 5900, size_bytes=2000)
    manifest = take(world, source, lambda client: fill_ring(client, 6500))
    found = stored(world, manifest)
    assert found == there(source.client, ["shop.ring"])


def fill_ring(client: Client, count: int) -> None:
    client["shop"]["ring"].insert_many({"x": "x" * 2000} for _ in range(count))


def test_a_range_that_cannot_be_gone_on_with_is_stored_anew(
    world: World, own_mongod: Mongod
) -> None:
    """The place in a clustered collection is deleted."""

    def deed(client: Client) -> None:
        client["shop"]["first"].delete_many({"_id": {"$gte": 10, "$lt": COUNT - 100}})
        forget_history(client)

    command = {"create": "first", "clusteredIndex": {"key": {"_id": 1}, "unique": True}}
    own_mongod.client["shop"].command(command)
    fill(own_mongod.client, "first", COUNT, size_bytes=2000)
    manifest = take(world, own_mongod, deed)
    found = stored(world, manifest)
    assert len(found["shop.first"]) == 110
    assert found == there(own_mongod.client, list(found))
