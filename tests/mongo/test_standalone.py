"""A mongod that is no replica set: no history of its writes, and no single time."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from telamon.errors import CatalogChanged, SnapshotFailed
from telamon.mongo.connect import Client, examine, open_client, probe
from telamon.mongo.oplog import last_write
from telamon.mongo.process import free_port
from tests.conftest import Mongod
from tests.mongo.meddler import Meddler, fill
from tests.mongo.memory import content, restore_all, take
from tests.mongo.trouble import await_answer, fill_source


@dataclass(frozen=True)
class Standalone:
    """A running server and a client of it."""

    uri: str
    client: Client


@pytest.fixture
def standalone(mongod_program: Path, tmp_path: Path) -> Iterator[Standalone]:
    data = tmp_path / "standalone"
    data.mkdir()
    port = free_port()
    command = [mongod_program, "--dbpath", data, "--port", port, "--bind_ip", "127.0.0.1"]
    quiet = ["--nounixsocket", "--logpath", data / "log", "--wiredTigerCacheSizeGB", "0.25"]
    process = subprocess.Popen(
        [str(word) for word in [*command, *quiet]], stdout=subprocess.DEVNULL
    )
    try:
        uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        with open_client(uri, selection_seconds=30) as client:
            await_answer(client)
            yield Standalone(uri, client)
    finally:
        process.terminate()
        process.wait()


def test_it_can_be_protected_and_says_what_it_is(standalone: Standalone) -> None:
    assert examine(standalone.client).replica_set is None
    assert probe(standalone.uri).mongodb_version.startswith("6.")


def test_it_has_no_cluster_time(standalone: Standalone) -> None:
    with pytest.raises(SnapshotFailed, match="not a replica set"):
        last_write(standalone.client)


def test_a_snapshot_of_it_has_no_time_and_is_restored_equal(
    standalone: Standalone, target: Mongod
) -> None:
    fill_source(standalone.client)
    memory = take(standalone.client)
    assert memory.facts.cluster_time is None
    restore_all(memory, target.client)
    assert content(target.client) == content(standalone.client)


def test_it_can_be_restored_into(standalone: Standalone, source: Mongod) -> None:
    fill_source(source.client)
    fill(standalone.client, "surplus", 10)
    restore_all(take(source.client), standalone.client)
    assert content(standalone.client) == content(source.client)


def drop_second(client: Client) -> None:
    client["shop"]["second"].drop()
    client["shop"]["second"].insert_one({"_id": "new"})


def test_a_catalogue_that_changes_is_read_anew(standalone: Standalone) -> None:
    for name in ("first", "second"):
        fill(standalone.client, name, 10)
    meddler = Meddler(standalone.client, drop_second, at="shop.first")
    meddler.take(attempts=2)
    assert meddler.ids("shop.second") == ["new"]


def test_a_catalogue_that_keeps_changing_is_the_reason(standalone: Standalone) -> None:
    for name in ("first", "second"):
        fill(standalone.client, name, 10)
    meddler = Meddler(standalone.client, drop_second, at="shop.first", times=9)
    with pytest.raises(CatalogChanged, match=r"shop\.second.*attempt 2 of 2"):
        meddler.take(attempts=2)


def test_a_write_meanwhile_may_be_in_the_snapshot_or_not(standalone: Standalone) -> None:
    for name in ("first", "second"):
        fill(standalone.client, name, 10)
    meddler = Meddler(
        standalone.client, lambda client: client["shop"]["second"].insert_one({}), at="shop.first"
    )
    meddler.take()
    assert len(meddler.ids("shop.second")) in (10, 11)
