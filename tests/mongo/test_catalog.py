"""What the catalogue tells of, and what not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import bson
from pymongo.errors import PyMongoError

from telamon.mongo.catalog import read_catalog
from tests.conftest import Mongod


def test_temporary_collections_and_shadows_and_the_profile_are_left_out(source: Mongod) -> None:
    shop = source.client["shop"]
    shop["telamon.shadow.1.2"].insert_one({})
    shop.command({"profile": 2})
    shop["orders"].insert_one({})
    shop.command({"profile": 0})
    entry = {"op": "c", "ns": "shop.$cmd", "o": {"create": "passing", "temp": True}}
    source.client.admin.command({"applyOps": [entry]})
    assert "system.profile" in shop.list_collection_names()
    assert "passing" in shop.list_collection_names()

    assert [str(spec.namespace) for spec in read_catalog(source.client)] == ["shop.orders"]


def test_an_index_that_is_being_built_is_left_out(source: Mongod) -> None:
    with building_index(source):
        (spec,) = read_catalog(source.client)

    assert [bson.decode(index)["name"] for index in spec.indexes] == ["_id_"]


@contextmanager
def building_index(mongod: Mongod) -> Iterator[None]:
    """The server builds an index of two million keys, and will be at it for a while."""
    orders = mongod.client["shop"]["orders"]
    orders.insert_many({"a": list(range(20_000))} for _ in range(100))

    def build() -> None:
        with suppress(PyMongoError):  # the collection is dropped under it
            orders.create_index("a")

    thread = threading.Thread(target=build)
    thread.start()
    command = {"listIndexes": "orders", "includeBuildUUIDs": True}
    while "buildUUID" not in str(mongod.client["shop"].command(command)):
        assert thread.is_alive()
    try:
        yield
        assert "buildUUID" in str(mongod.client["shop"].command(command))
    finally:
        orders.drop()
        thread.join()
