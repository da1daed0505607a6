"""``telamon serve`` with its worker, where only the database is elsewhere."""

import os
import signal
from pathlib import Path

import pytest

from telamon.mongo.connect import open_client
from tests.databases import PostgresMaker
from tests.end_to_end.fleet import Api, Fleet
from tests.end_to_end.harness import wait_for

pytestmark = pytest.mark.xdist_group("fleet")


class Served(Api):
    options = ()


def test_everything_is_as_on_sqlite(
    postgres: PostgresMaker, tmp_path: Path, mongod_program: Path
) -> None:
    place = postgres.make()
    fleet = Fleet(tmp_path, place)
    settings = {**fleet.settings, "TELAMON_MONGOD": str(mongod_program)}
    server = Served(tmp_path / "data", fleet.key, settings, mongod_program)
    server.start()
    try:
        with open_client(server.create("shop")) as client:  # its worker may be just starting
            client.shop.orders.insert_one({"_id": 1})
            snapshot_id = server.snapshot("shop")
            client.shop.orders.delete_many({})
            server.restore("shop", snapshot_id)
            assert client.shop.orders.find_one() == {"_id": 1}
        os.kill(server.worker_pid(), signal.SIGKILL)
        assert server.snapshot("shop") != snapshot_id
        server.v1("DELETE", "/serverless/shop")
        wait_for(lambda: server.v1("GET", "/serverless")["totalCount"], lambda count: count == 0)
    finally:
        server.stop()
        server.stop_leftovers()
        postgres.drop(place)
