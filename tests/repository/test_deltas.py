"""Snapshots whose chunks are stored as differences from those of the snapshot before."""

import random

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef, Manifest
from telamon.repository.codec import is_delta
from telamon.repository.cut import CutParameters
from telamon.repository.repository import Repository
from telamon.repository.writer import WriteCounts
from tests.repository.samples import (
    FIRST,
    SECOND,
    collection,
    counting_bytes,
    flip,
    keys,
    manifest,
    read,
    replace_blob,
)

THIRD = "65f0000000000000000000a3"
CUT = CutParameters(target_bytes=8192, large_target_bytes=16384, large_document_bytes=4096)


def text(number: int, version: int = 0) -> bytes:
    chance = random.Random(number)
    words = " ".join(f"{chance.randrange(10**9):x}" for _ in range(20))
    return bson.encode({"_id": number, "version": version, "text": words})


OLD = [text(number) for number in range(1000)]


@pytest.fixture
def store() -> MemoryBlobStore:
    return MemoryBlobStore()


@pytest.fixture
def repository(store: MemoryBlobStore) -> Repository:
    return Repository.create(store, counting_bytes, CUT)


def take(
    repository: Repository,
    snapshot_id: str,
    documents: list[bytes],
    previous: Manifest | None = None,
) -> tuple[Manifest, WriteCounts]:
    before = () if previous is None else previous.collections[0].chunks
    with repository.begin() as writer:
        chunks = writer.add([b"".join(documents)], before)
        taken = manifest(snapshot_id, [collection("orders", chunks)])
        writer.commit(taken)
        return taken, writer.counts


def with_changes(documents: list[bytes], every: int, version: int) -> list[bytes]:
    return [
        text(number, version) if number % every == 7 else document
        for number, document in enumerate(documents)
    ]


def test_a_change_in_nearly_every_chunk_costs_little(repository: Repository) -> None:
    first, whole = take(repository, FIRST, OLD)
    new = with_changes(OLD, 50, 1)
    _, counts = take(repository, SECOND, new, first)
    assert counts.delta_chunks == counts.chunks_new > whole.chunks_new / 4
    assert counts.delta_bytes == counts.new_bytes < whole.new_bytes / 20
    assert read(repository, SECOND) == {"orders": b"".join(new)}
    assert read(repository, FIRST) == {"orders": b"".join(OLD)}


def test_without_the_snapshot_before_everything_is_whole(repository: Repository) -> None:
    take(repository, FIRST, OLD)
    _, counts = take(repository, SECOND, with_changes(OLD, 50, 1))
    assert counts.delta_chunks == 0


def test_deletes_and_inserts_are_differences_too(repository: Repository) -> None:
    first, whole = take(repository, FIRST, OLD)
    kept = [document for number, document in enumerate(OLD) if number % 97]
    new = [*kept[:300], text(5000), text(5001), *kept[300:]]
    _, counts = take(repository, SECOND, new, first)
    assert counts.delta_chunks == counts.chunks_new
    assert counts.new_bytes < whole.new_bytes / 20
    assert read(repository, SECOND) == {"orders": b"".join(new)}


def test_a_third_snapshot_differs_from_the_first(repository: Repository) -> None:
    """So that a chunk is read from two places at most."""
    first, _ = take(repository, FIRST, OLD)
    new = with_changes(OLD, 50, 1)
    second, _ = take(repository, SECOND, new, first)
    newer = with_changes(new, 60, 2)
    third, counts = take(repository, THIRD, newer, second)
    assert counts.delta_chunks == counts.chunks_new > 0
    for chunk in third.collections[0].chunks:
        for base_id in repository.index.locate(chunk.chunk_id).base_ids:
            assert not is_delta(repository.index.locate(base_id).encoding)
            assert base_id in {chunk.chunk_id for chunk in first.collections[0].chunks}
    assert read(repository, THIRD) == {"orders": b"".join(newer)}


def test_when_half_has_changed_a_chunk_is_whole_again(repository: Repository) -> None:
    documents, taken = OLD, take(repository, FIRST, OLD)[0]
    deltas = []
    for number in range(6):
        documents = [
            text(n, number + 1) if n % 8 == number else document
            for n, document in enumerate(documents)
        ]
        taken, counts = take(repository, f"{number:024x}", documents, taken)
        deltas.append(counts.delta_chunks / counts.chunks_new)
    assert deltas[:3] == [1, 1, 1]
    assert min(deltas[3:]) < 0.5


def test_an_unchanged_delta_is_not_stored_again(repository: Repository) -> None:
    first, _ = take(repository, FIRST, OLD)
    new = with_changes(OLD, 50, 1)
    second, _ = take(repository, SECOND, new, first)
    _, counts = take(Repository.open(repository.store), THIRD, new, second)
    assert (counts.chunks_new, counts.new_bytes) == (0, 0)


def test_what_is_known_again_is_counted_like_what_is_found(repository: Repository) -> None:
    """By its bytes as a whole, and by a walk over its documents."""
    first, _ = take(repository, FIRST, OLD)

    known, known_counts = take(repository, SECOND, OLD, first)
    found, found_counts = take(repository, THIRD, OLD)

    assert known.collections == found.collections == first.collections
    assert known_counts == found_counts
    assert known_counts.documents == len(OLD)


def test_a_manifest_that_says_no_starts_gives_no_differences(repository: Repository) -> None:
    """As those of the first programs."""
    first, _ = take(repository, FIRST, OLD)
    chunks = [
        ChunkRef(chunk_id=c.chunk_id, documents=c.documents, size_bytes=c.size_bytes)
        for c in first.collections[0].chunks
    ]
    _, counts = take(
        repository,
        SECOND,
        with_changes(OLD, 50, 1),
        manifest(FIRST, [collection("orders", chunks)]),
    )
    assert counts.delta_chunks == 0


def test_a_damaged_base_makes_a_whole_chunk(repository: Repository) -> None:
    """The documents are at hand: no snapshot fails for what an older one has lost."""
    first, _ = take(repository, FIRST, OLD)
    store = repository.store
    (pack,) = keys(store, "packs/")
    place = repository.index.locate(first.collections[0].chunks[0].chunk_id)
    replace_blob(store, pack, flip(store.get(pack), place.offset + 500))
    new = with_changes(OLD, 50, 1)
    _, counts = take(repository, SECOND, new, first)
    assert counts.delta_chunks == counts.chunks_new - 1


def test_a_delta_whose_base_is_gone_is_told_with_the_base(repository: Repository) -> None:
    first, _ = take(repository, FIRST, OLD)
    (pack,) = keys(repository.store, "packs/")
    take(repository, SECOND, with_changes(OLD, 50, 1), first)
    repository.store.delete(pack)
    with pytest.raises(IntegrityError, match=r"^Chunk \w{64} "):
        read(Repository.open(repository.store), SECOND)


@settings(max_examples=25)
@given(st.data())
def test_any_history_is_read_back(data: st.DataObject) -> None:
    repository = Repository.create(MemoryBlobStore(), counting_bytes, CUT)
    documents, taken = OLD[:200], None
    history = []
    for number in range(4):
        changes = data.draw(st.lists(st.tuples(st.integers(0, 199), st.sampled_from("udi"))))
        by_id: dict[int, bytes] = dict(enumerate(documents))
        for position, kind in changes:
            if kind == "u":
                by_id[position] = text(position, number + 1)
            elif kind == "d":
                by_id.pop(position, None)
            else:
                by_id[1000 * (number + 1) + position] = text(position + 10**6, number)
        documents = list(by_id.values())
        snapshot_id = f"{number:024x}"
        taken, _ = take(repository, snapshot_id, documents, taken)
        history.append((snapshot_id, b"".join(documents)))
    for snapshot_id, expected in history:
        assert read(Repository.open(repository.store), snapshot_id)["orders"] == expected
