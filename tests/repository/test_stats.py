"""What each snapshot holds, takes and shares."""

import secrets

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from telamon.repository.stats import read_stats
from tests.repository.samples import (
    FIRST,
    SECOND,
    SMALL_CUT,
    collection,
    document,
    keys,
    manifest,
    noise,
    orders,
    replace_blob,
)

OLD = orders(80)
NEW = [document(n, "new") if n % 20 == 3 else document(n) for n in range(80)]


@pytest.fixture
def repository(small_packs: None) -> Repository:
    """A first snapshot, and a second with deltas of it, something of its own, and a repetition."""
    repository = Repository.create(MemoryBlobStore(), secrets.token_bytes, SMALL_CUT)
    with repository.begin() as writer:
        first = writer.add([b"".join(OLD)])
        writer.commit(manifest(FIRST, [collection("orders", first)]))
    with repository.begin() as writer:
        chunks = {
            "orders": writer.add([b"".join(NEW)], first),
            "copy": writer.add([b"".join(NEW)]),
            "noise": writer.add([b"".join(noise(60))]),
        }
        writer.commit(manifest(SECOND, [collection(name, c) for name, c in chunks.items()]))
    return repository


def test_logical_bytes_are_those_of_documents(repository: Repository) -> None:
    stats = read_stats(repository)
    first, second = stats.snapshots
    assert (first.snapshot_id, second.snapshot_id) == (FIRST, SECOND)
    assert (first.documents, second.documents) == (80, 220)
    assert first.logical_bytes == len(b"".join(OLD))
    assert second.logical_bytes == len(b"".join([*NEW, *NEW, *noise(60)]))
    assert stats.logical_bytes == first.logical_bytes + second.logical_bytes


def test_what_is_there_already_is_deduplicated(repository: Repository) -> None:
    first, second = read_stats(repository).snapshots
    assert first.deduplicated_bytes == 0
    old = {chunk.chunk_id for chunk in repository.manifest(FIRST).collections[0].chunks}
    new = repository.manifest(SECOND).collections[0]
    shared = sum(chunk.size_bytes for chunk in new.chunks if chunk.chunk_id in old)
    assert second.deduplicated_bytes == shared + new.size_bytes
    assert shared > 0


def test_stored_bytes_add_up(repository: Repository) -> None:
    stats = read_stats(repository)
    first, second = stats.snapshots
    assert stats.used_bytes == first.stored_bytes + second.unique_bytes
    assert stats.used_bytes == second.stored_bytes + first.unique_bytes
    assert stats.unused_bytes == 0
    assert stats.pack_bytes == sum(info.size_bytes for info in repository.store.list("packs/"))
    assert stats.packs == len(keys(repository.store, "packs/"))
    assert (stats.encrypted, stats.missing_chunks) == (False, 0)


def test_deltas_are_counted_with_their_bases(repository: Repository) -> None:
    first, second = read_stats(repository).snapshots
    assert (first.delta_chunks, first.delta_bytes) == (0, 0)
    new = repository.manifest(SECOND).collections[0]
    deltas = [
        place for chunk in new.chunks if (place := repository.index.locate(chunk.chunk_id)).base_ids
    ]
    assert second.delta_chunks == len(deltas) > 0
    assert second.delta_bytes == sum(place.stored_bytes for place in deltas)


def test_what_a_deleted_snapshot_alone_needed_is_unused_until_a_prune(
    repository: Repository,
) -> None:
    unique_bytes = read_stats(repository).snapshots[1].unique_bytes
    repository.delete_snapshot(SECOND)
    assert read_stats(repository).unused_bytes == unique_bytes
    Prune(repository, max_unused_percent=0).execute()
    stats = read_stats(repository)
    assert stats.unused_bytes == 0
    assert stats.used_bytes == stats.snapshots[0].stored_bytes


def test_missing_chunks_are_counted(repository: Repository) -> None:
    for key in keys(repository.store, "packs/"):
        repository.store.delete(key)
    needed = {
        chunk.chunk_id
        for snapshot_id in (FIRST, SECOND)
        for stored in repository.manifest(snapshot_id).collections
        for chunk in stored.chunks
    }
    stats = read_stats(Repository.open(repository.store))
    assert stats.missing_chunks == len(needed)


def test_a_damaged_manifest_is_named(repository: Repository) -> None:
    replace_blob(repository.store, f"snapshots/{FIRST}", b"")
    with pytest.raises(IntegrityError, match=FIRST):
        read_stats(repository)


def test_an_encrypted_repository_says_so() -> None:
    secret = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
    stats = read_stats(Repository.create(MemoryBlobStore(), secrets.token_bytes, secret=secret))
    assert (stats.encrypted, stats.snapshots, stats.packs) == (True, (), 0)
