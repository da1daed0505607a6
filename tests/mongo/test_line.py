"""Requests that are ahead of their answers, and PyMongo's own way where that cannot be."""

from collections.abc import Callable, Iterator
from typing import Any

import bson
import pytest
from pymongo import MongoClient, helpers_shared, message
from pymongo.errors import OperationFailure

from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client, open_client
from telamon.mongo.line import open_line
from telamon.mongo.oplog import last_write
from telamon.mongo.read import Scan
from tests.conftest import Mongod
from tests.mongo.meddler import fill
from tests.mongo.memory import take, uuid_of

COUNT = 12_000


def requests_ahead(client: Client) -> int:
    with client.start_session() as session, open_line(client, "shop", session) as line:
        return line.ahead


def documents(client: Client) -> list[dict[str, Any]]:
    (spec,) = read_catalog(client)
    batches = Scan(client, "shop", uuid_of(spec)).batches(last_write(client))
    return [found for batch in batches for found in bson.decode_all(batch)]


def test_the_next_request_is_there_before_the_answer_with_this_pymongo(source: Mongod) -> None:
    """Else reading is a third slower, and nothing else would tell."""
    assert requests_ahead(source.client) == 1


def test_answers_come_in_the_order_of_requests_and_refusals_are_raised(source: Mongod) -> None:
    fill(source.client, "first", 3)
    with (
        source.client.start_session() as session,
        open_line(source.client, "shop", session) as line,
    ):
        line.send({"count": "first"})
        line.send({"getMore": bson.Int64(5), "collection": "first"})
        line.send({"ping": 1})
        assert bson.decode(bytes(line.receive()))["n"] == 3
        with pytest.raises(OperationFailure) as caught:
            line.receive()
        assert caught.value.code == 43
        assert bson.decode(bytes(line.receive()))["ok"] == 1


def test_what_nobody_received_disturbs_no_later_command(source: Mongod) -> None:
    """The connection goes back to the pool."""
    with open_client(source.uri) as client:
        for _ in range(3):
            with client.start_session() as session, open_line(client, "shop", session) as line:
                line.send({"ping": 1})
                line.send({"no such command": 1})
            assert client["shop"].command("ping")["ok"] == 1
        (server,) = client._topology._servers.values()
        assert server.pool.active_sockets == 0


def change_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(message, "_op_msg")


def change_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message, "_op_msg", lambda command: command)


def change_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(MongoClient, "_conn_for_reads")


def change_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helpers_shared, "_check_command_response", lambda *_: None)


CHANGES = [change_message, change_arguments, change_checkout, change_refusals]


@pytest.mark.parametrize("change", CHANGES)
def test_with_another_pymongo_its_own_way_is_taken(
    change: Callable[[pytest.MonkeyPatch], None], source: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert requests_ahead(source.client) == 1
    change(monkeypatch)
    assert requests_ahead(source.client) == 0


def test_both_ways_bring_the_same(source: Mongod, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(source.client, "first", COUNT, size_bytes=1000)
    ahead = documents(source.client)
    monkeypatch.setattr("telamon.mongo.line._tried_out", lambda *_: None)
    assert requests_ahead(source.client) == 0
    assert documents(source.client) == ahead
    assert [found["_id"] for found in ahead] == list(range(COUNT))


@pytest.fixture
def small_pool(source: Mongod) -> Iterator[Client]:
    with open_client(f"{source.uri}&maxPoolSize=2") as client:
        yield client


def test_a_small_pool_is_not_held_by_readings_that_wait_for_it(small_pool: Client) -> None:
    for name in ("first", "second", "third"):
        fill(small_pool, name, COUNT, size_bytes=300)
    assert requests_ahead(small_pool) == 0
    memory = take(small_pool, parallel=4, split_bytes=1000)
    assert [memory.count(f"shop.{name}") for name in ("first", "second", "third")] == [COUNT] * 3
