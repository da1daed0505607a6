"""Repositories: made, opened, read."""

import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3

from telamon.blobs.base import BlobNotFound
from telamon.blobs.local import LocalBlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import ConfigurationError, IntegrityError, UnknownFormat
from telamon.model.manifest import StoredCollection
from telamon.repository.codec import is_delta
from telamon.repository.config import decode_config
from telamon.repository.cut import USUAL_CUT
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    KEY,
    SECOND,
    collection,
    counting_bytes,
    document,
    keys,
    manifest,
    new_repository,
    noise,
    orders,
    read,
    replace_blob,
    take,
)
from tests.repository.wrapped_stores import WatchingStore


@pytest.fixture
def store() -> WatchingStore:
    return WatchingStore(MemoryBlobStore())


@pytest.fixture
def repository(store: WatchingStore) -> Repository:
    return new_repository(store)


# Create and open


def test_a_new_repository_is_its_config(store: WatchingStore) -> None:
    Repository.create(store, counting_bytes)
    config = decode_config(store.get("config"))
    assert keys(store) == ["config"]
    assert config.repository_id == "000102030405060708090a0b0c0d0e0f"
    assert config.chunk_key == KEY
    assert config.cut == USUAL_CUT


def test_a_repository_is_not_created_over_another(
    store: WatchingStore, repository: Repository
) -> None:
    before = store.get("config")
    with pytest.raises(ConfigurationError, match="There is a repository here already"):
        Repository.create(store, bytes)
    assert store.get("config") == before


def test_an_opened_repository_is_the_one_created(
    store: WatchingStore, repository: Repository
) -> None:
    take(repository, FIRST, {"orders": orders(50)})
    opened = Repository.open(store)
    assert opened.repository_id == repository.repository_id
    assert read(opened, FIRST) == {"orders": b"".join(orders(50))}


def test_an_empty_place_is_no_repository() -> None:
    with pytest.raises(ConfigurationError, match="There is no repository here"):
        Repository.open(MemoryBlobStore())


def test_a_damaged_config_is_reported(store: WatchingStore, repository: Repository) -> None:
    replace_blob(store, "config", b"garbage")
    with pytest.raises(IntegrityError, match="The repository's config is damaged"):
        Repository.open(store)


def test_the_chunk_key_is_in_no_repr(repository: Repository) -> None:
    with repository.begin() as writer:
        for thing in (repository, writer):
            assert KEY.hex() not in repr(thing)
            assert repr(KEY) not in repr(thing)


# Snapshots


def test_a_new_repository_has_no_snapshots(repository: Repository) -> None:
    assert repository.snapshot_ids() == ()
    assert repository.has_manifest(FIRST) is False
    with pytest.raises(BlobNotFound) as caught:
        repository.manifest(FIRST)
    assert caught.value.message == f"There is no blob snapshots/{FIRST}."


def test_snapshots_are_listed_in_the_order_of_their_ids(repository: Repository) -> None:
    for snapshot_id in (SECOND, FIRST):
        take(repository, snapshot_id, {"orders": orders(1)})
    assert repository.snapshot_ids() == (FIRST, SECOND)
    assert repository.has_manifest(SECOND) is True


def test_a_manifest_is_read_as_it_was_committed(repository: Repository) -> None:
    taken = take(repository, FIRST, {"orders": orders(50), "empty": []})
    assert repository.manifest(FIRST) == taken


def test_a_manifest_of_a_later_version_stops_only_its_snapshot(
    store: WatchingStore, repository: Repository
) -> None:
    take(repository, FIRST, {"orders": orders(5)})
    head = b"TLMNSNAP\x09\0\0\0"
    store.put(f"snapshots/{SECOND}", head + blake3(head).digest())
    with pytest.raises(UnknownFormat, match="format version 9"):
        repository.manifest(SECOND)
    assert read(repository, FIRST) == {"orders": b"".join(orders(5))}


# Documents


def test_documents_come_back_in_order_chunk_by_chunk(repository: Repository) -> None:
    taken = take(repository, FIRST, {"orders": orders(100)})
    stored = taken.collections[0]
    chunks = list(repository.documents(stored))
    assert [len(chunk) for chunk in chunks] == [chunk.size_bytes for chunk in stored.chunks]
    assert len(chunks) > 8
    assert b"".join(chunks) == b"".join(orders(100))


def test_an_empty_collection_has_no_documents(repository: Repository) -> None:
    taken = take(repository, FIRST, {"empty": []})
    assert list(repository.documents(taken.collections[0])) == []


def test_a_repository_reads_what_another_wrote_after_it_was_opened(
    store: WatchingStore, repository: Repository
) -> None:
    """Two processes share a store."""
    other = Repository.open(store)
    assert other.snapshot_ids() == ()
    take(repository, FIRST, {"orders": orders(30)})
    assert read(other, FIRST) == {"orders": b"".join(orders(30))}


def test_no_more_than_a_few_chunks_are_read_ahead(
    store: WatchingStore, repository: Repository
) -> None:
    taken = take(repository, FIRST, {"orders": orders(300)})
    store.ranges.clear()
    with closing(repository.documents(taken.collections[0])) as documents:
        next(documents)
    assert len(taken.collections[0].chunks) > 20
    assert 1 <= len(store.ranges) <= 5


def test_a_reader_that_stops_early_leaves_no_threads(repository: Repository) -> None:
    taken = take(repository, FIRST, {"orders": orders(300)})
    with closing(repository.documents(taken.collections[0])) as documents:
        next(documents)
    names = {thread.name.rpartition("_")[0] for thread in threading.enumerate()}
    assert "read-chunk" not in names


def test_two_collections_can_be_read_at_once(repository: Repository) -> None:
    taken = take(repository, FIRST, {"a": orders(60), "b": orders(60, start=60)})
    first, second = (repository.documents(stored) for stored in taken.collections)
    pairs = list(zip(first, second, strict=False))
    assert len(pairs) > 4


def test_a_chunk_of_another_length_than_its_snapshot_says_is_refused(
    repository: Repository,
) -> None:
    taken = take(repository, FIRST, {"orders": orders(3)})
    (chunk,) = taken.collections[0].chunks
    wrong = collection("orders", [replace(chunk, size_bytes=1)])
    with pytest.raises(IntegrityError) as caught:
        list(repository.documents(wrong))
    assert caught.value.message == (
        f"Chunk {chunk.chunk_id.hex()} has {chunk.size_bytes} bytes; its snapshot says 1."
    )


def test_a_repository_on_disk_is_read_back(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path)
    take(new_repository(store), FIRST, {"orders": orders(100)})
    assert read(Repository.open(store), FIRST) == {"orders": b"".join(orders(100))}


# How much room documents need


def stored(repository: Repository, snapshot_id: str) -> tuple[StoredCollection, ...]:
    return repository.manifest(snapshot_id).collections


def test_documents_need_as_much_as_they_take_here(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(200), "noise": noise(50)})
    found = stored(repository, FIRST)

    places = [repository.index.locate(chunk.chunk_id) for one in found for chunk in one.chunks]
    whole = sum(place.stored_bytes for place in places)
    assert repository.least_bytes(found) == whole
    assert repository.least_bytes([*found, *found]) == 2 * whole  # nothing is shared there


def test_a_difference_counts_as_what_it_stands_for(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(400)})
    changed = [document(7, "changed") if n == 7 else document(n) for n in range(400)]
    (before,) = stored(repository, FIRST)
    with repository.begin() as writer:
        chunks = writer.add([b"".join(changed)], before.chunks)
        writer.commit(manifest(SECOND, [collection("orders", chunks)]))
    places = [repository.index.locate(chunk.chunk_id) for chunk in chunks]
    assert any(is_delta(place.encoding) for place in places)

    needed = repository.least_bytes(stored(repository, SECOND))

    assert needed == pytest.approx(repository.least_bytes([before]), rel=0.2)


def test_of_documents_that_nothing_is_known_of_little_is_expected(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(200)})
    empty = new_repository()

    found = stored(repository, FIRST)

    assert empty.least_bytes(found) == round(sum(one.size_bytes for one in found) / 16)
