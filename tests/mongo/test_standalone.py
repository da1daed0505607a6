"""A mongod that is no replica set: no history of its writes, and no single time."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telamon.errors import CatalogChanged, RestoreFailed, SnapshotFailed
from telamon.model.manifest import StoredCollection
from telamon.mongo.connect import Client, examine, probe
from telamon.mongo.oplog import last_write
from tests.conftest import Mongod
from tests.mongo.meddler import Meddler, fill
from tests.mongo.memory import content, restore_all, take
from tests.mongo.standalone import Standalone, running_standalone
from tests.mongo.trouble import await_answer, fill_source


@pytest.fixture
def standalone(mongod_program: Path, tmp_path: Path) -> Iterator[Standalone]:
    with running_standalone(mongod_program, tmp_path / "standalone") as server:
        yield server


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


def test_a_restart_during_a_restore_into_it_is_noticed(
    standalone: Standalone, source: Mongod
) -> None:
    """It had acknowledged documents from its memory, and has no second member that kept them."""
    fill_source(source.client)
    fill(standalone.client, "surplus", 10)
    before = content(standalone.client)
    memory = take(source.client)

    def restarting(stored: StoredCollection) -> Iterator[bytes]:
        yield from memory.open(stored)
        if stored.spec.namespace.name == "orders":
            standalone.kill()
            standalone.start()
            await_answer(standalone.client)

    job = memory.restore(standalone.client, documents=restarting, parallel=1)
    with pytest.raises(RestoreFailed, match="restarted or changed its primary"):
        job.load()
    job.discard()
    assert content(standalone.client) == before


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
