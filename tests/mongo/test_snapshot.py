"""Reading a deployment that changes: one point in time, or a reason why not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import bson
import pytest

from telamon.errors import CatalogChanged, DeploymentUnavailable, SnapshotFailed
from telamon.model.manifest import CollectionSpec
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client, open_client
from telamon.mongo.oplog import last_write
from telamon.mongo.read import Scan
from telamon.mongo.snapshot import read_snapshot
from tests.conftest import Mongod
from tests.mongo.meddler import Deed, Meddler, fill
from tests.mongo.memory import Memory, take
from tests.mongo.trouble import kill

# One point in time


def test_all_collections_are_of_one_moment_while_transactions_go_on(source: Mongod) -> None:
    """Each transaction counts up in two databases and adds a line to each of two logs."""
    lines = 4000
    with moving_writer(source, lines) as moved:
        moved.wait(10)
        memory = take(source.client)
        still_writing = not moved.finished
    found = {
        str(one.spec.namespace): bson.decode_all(b"".join(memory.open(one)))
        for one in memory.collections
    }

    assert still_writing
    moves = sum(document["n"] for document in found["left.counts"])
    assert moves > 0
    assert sum(document["n"] for document in found["right.counts"]) == moves
    assert {document["_id"] for document in found["left.log"]} == set(range(-lines, moves))
    assert {document["_id"] for document in found["right.log"]} == set(range(-lines, moves))


class Moves:
    """How far the writer thread is."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.began = threading.Event()
        self.finished = False

    def wait(self, timeout_seconds: float) -> None:
        assert self.began.wait(timeout_seconds)


@contextmanager
def moving_writer(mongod: Mongod, lines: int) -> Iterator[Moves]:
    moves = Moves()
    for side in ("left", "right"):
        mongod.client[side]["counts"].insert_many({"_id": n, "n": 0} for n in range(10))
        mongod.client[side]["log"].insert_many(
            {"_id": -n, "x": "x" * 2000} for n in range(1, lines + 1)
        )

    def move() -> None:
        with open_client(mongod.uri) as client, client.start_session() as session:
            number = 0
            while not moves.stop.is_set():
                with session.start_transaction():
                    for side in ("left", "right"):
                        client[side]["counts"].update_one(
                            {"_id": number % 10}, {"$inc": {"n": 1}}, session=session
                        )
                        client[side]["log"].insert_one({"_id": number}, session=session)
                number += 1
                if number == 20:
                    moves.began.set()
        moves.finished = True

    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield moves
    finally:
        moves.stop.set()
        thread.join()


def test_writes_after_the_moment_are_not_seen(source: Mongod) -> None:
    fill(source.client, "first", 10)
    fill(source.client, "second", 10)

    def write(client: Client) -> None:
        client["shop"]["second"].delete_many({"_id": {"$lt": 5}})
        client["shop"]["second"].insert_one({"_id": "late"})

    meddler = Meddler(source.client, write, at="shop.first")
    meddler.take()

    assert meddler.ids("shop.second") == list(range(10))


# Collections that change


def drop_second(client: Client) -> None:
    client["shop"]["second"].drop()


def recreate_second(client: Client) -> None:
    drop_second(client)
    client["shop"]["second"].insert_many([{"_id": "new 1"}, {"_id": "new 2"}])


def rename_second(client: Client) -> None:
    client["shop"]["second"].rename("third")


def index_second(client: Client) -> None:
    client["shop"]["second"].create_index("n")


def drop_database(client: Client) -> None:
    client.drop_database("shop")


MANY = list(range(5000))
CHANGES = [
    (drop_second, {"shop.first": MANY}, {"shop.first": MANY, "shop.second": MANY}),
    (
        recreate_second,
        {"shop.first": MANY, "shop.second": ["new 1", "new 2"]},
        {"shop.first": MANY, "shop.second": MANY},
    ),
    (
        rename_second,
        {"shop.first": MANY, "shop.third": MANY},
        {"shop.first": MANY, "shop.second": MANY},
    ),
    (index_second, {"shop.first": MANY, "shop.second": MANY}, None),
    (drop_database, {}, {"shop.first": MANY, "shop.second": MANY}),
]


@pytest.mark.parametrize("at", ["shop.first", "shop.second"])
@pytest.mark.parametrize(("deed", "afterwards", "before"), CHANGES)
def test_a_snapshot_is_of_before_or_after_a_change_and_never_lacks_documents(
    source: Mongod,
    deed: Deed,
    at: str,
    afterwards: dict[str, object],
    before: dict[str, object] | None,
) -> None:
    """Whether the collection has not been read yet or is half read."""
    for name in ("first", "second"):
        fill(source.client, name, len(MANY), size_bytes=2000)
    meddler = Meddler(source.client, deed, at=at)

    meddler.take()

    assert {name: meddler.ids(name) for name in meddler.names()} in [afterwards, before]


def test_a_view_made_meanwhile_is_not_part_of_the_snapshot(source: Mongod) -> None:
    fill(source.client, "first", 10)
    deed: Deed = lambda client: client["shop"].command(  # noqa: E731
        {"create": "view", "viewOn": "first", "pipeline": []}
    )
    meddler = Meddler(source.client, deed, at="shop.first")

    meddler.take()

    assert meddler.names() == ["shop.first"]


def test_changes_in_every_attempt_fail_the_snapshot_and_name_the_collection(
    source: Mongod,
) -> None:
    fill(source.client, "first", 10)
    fill(source.client, "second", 10)
    meddler = Meddler(source.client, recreate_second, at="shop.first", times=3)

    with pytest.raises(CatalogChanged, match=r"shop\.second was changed .*attempt 3 of 3"):
        meddler.take(attempts=3)


def test_the_attempt_after_the_last_change_succeeds(source: Mongod) -> None:
    fill(source.client, "first", 10)
    fill(source.client, "second", 10)
    meddler = Meddler(source.client, recreate_second, at="shop.first", times=2)

    meddler.take(attempts=3)

    assert meddler.times == 0
    assert meddler.ids("shop.second") == ["new 1", "new 2"]


def test_what_a_sink_raises_comes_out_and_no_thread_is_left(source: Mongod) -> None:
    fill(source.client, "first", 3000, size_bytes=2000)
    fill(source.client, "second", 3000, size_bytes=2000)

    class FullDisk(Memory):
        def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
            next(batches)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        read_snapshot(source.client, FullDisk())

    assert [one.name for one in threading.enumerate() if one.name.startswith("telamon")] == []


def test_a_sink_that_stops_early_is_no_snapshot(source: Mongod) -> None:
    fill(source.client, "first", 3000, size_bytes=2000)

    with pytest.raises(SnapshotFailed, match=r"shop\.first was not read to its end"):
        read_snapshot(source.client, TakeOne())


class TakeOne(Memory):
    """A sink with a fault."""

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        next(batches)


def test_a_read_that_is_abandoned_leaves_no_cursor_open(source: Mongod) -> None:
    fill(source.client, "first", 5000, size_bytes=2000)
    (spec,) = read_catalog(source.client)
    assert spec.uuid is not None
    before = open_cursors(source.client)

    batches = Scan(source.client, "shop", spec.uuid).batches(last_write(source.client))
    next(batches)
    batches.close()

    assert open_cursors(source.client) == before


def open_cursors(client: Client) -> int:
    return int(client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"])


# The end of a server


def test_a_deployment_that_dies_during_the_read_is_unavailable(own_mongod: Mongod) -> None:
    with open_client(own_mongod.uri) as client:
        fill(client, "first", 12_000, size_bytes=2000)
        meddler = Meddler(client, lambda _: kill(own_mongod), at="shop.first")

        with pytest.raises(DeploymentUnavailable, match="does not answer"):
            meddler.take()
