"""How many reads the chunks of a collection take."""

import secrets

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.repository import reader
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    SECOND,
    SMALL_CUT,
    collection,
    document,
    manifest,
    noise,
    orders,
    read,
)
from tests.repository.wrapped_stores import WatchingStore


@pytest.fixture
def store() -> WatchingStore:
    """Two snapshots of many chunks in a pack each; the second one has deltas."""
    store = WatchingStore(MemoryBlobStore())
    repository = Repository.create(store, secrets.token_bytes, SMALL_CUT)
    with repository.begin() as writer:
        first = writer.add([b"".join(orders(200))])
        writer.commit(manifest(FIRST, [collection("orders", first)]))
    with repository.begin() as writer:
        second = writer.add([b"".join(NEW)], first)
        assert writer.counts.delta_chunks > 5
        other = writer.add([b"".join(noise(100))])
        writer.commit(manifest(SECOND, [collection("orders", second), collection("noise", other)]))
    store.ranges.clear()
    return store


NEW = [document(n, "new") if n % 20 == 3 else document(n) for n in range(200)]


def reads_of(store: WatchingStore, snapshot_id: str) -> int:
    repository = Repository.open(store)
    repository.index.refresh()
    store.ranges.clear()
    read(repository, snapshot_id)
    return len(store.ranges)


def test_neighbours_come_in_one_read(store: WatchingStore) -> None:
    assert reads_of(store, FIRST) == 1


def test_the_bases_of_deltas_come_in_one_read_too(store: WatchingStore) -> None:
    """Bases, deltas with other chunks of the old pack, and the noise."""
    assert reads_of(store, SECOND) <= 4
    assert read(Repository.open(store), SECOND)["orders"] == b"".join(NEW)


def test_a_read_is_no_longer_than_its_limit(
    store: WatchingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "_SPAN_BYTES", 1500)
    reads_of(store, SECOND)
    assert len(store.ranges) > 4
    assert max(length for _, _, length in store.ranges) <= 1500
    assert read(Repository.open(store), SECOND)["orders"] == b"".join(NEW)


def test_few_documents_are_in_memory(store: WatchingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_GROUP_BYTES", 3000)
    assert reads_of(store, FIRST) > 5
    assert read(Repository.open(store), FIRST)["orders"] == b"".join(orders(200))
