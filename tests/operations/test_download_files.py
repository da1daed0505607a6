"""Files of downloads while they are read: what is in memory, and what a prune does to them."""

import itertools
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError
from telamon.mongo import stored_gzip
from telamon.mongo.archive import Archive, checksum
from telamon.operations.download_files import DownloadFile
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    SECOND,
    counting_bytes,
    flip,
    keys,
    noise,
    replace_blob,
    take,
)
from tests.repository.wrapped_stores import WatchingStore

MEGABYTE = 1_000_000
# What the repository reads ahead: two groups of chunks that wait, one that is taken, one under way.
AHEAD_BYTES = 4 * 4 * 1024 * 1024


NOISE = {"noise": noise(400, noise_bytes=100_000), "few": noise(20)}
CHECKSUMS = [checksum(b"".join(documents)) for documents in NOISE.values()]


def stored() -> WatchingStore:
    """FIRST, of 40 MB that do not compress; SECOND has that and more in the same pack."""
    store = WatchingStore(MemoryBlobStore())
    repository = Repository.create(store, counting_bytes)
    take(repository, SECOND, {**NOISE, "more": noise(3000)})
    take(repository, FIRST, NOISE)
    return store


def file_in(store: WatchingStore) -> DownloadFile:
    """The file of FIRST, as a process has it that knows nothing of the packs yet."""
    repository = Repository.open(store)
    return DownloadFile("job", FIRST, Archive(repository.manifest(FIRST), CHECKSUMS), repository)


@pytest.fixture(scope="module")
def shared() -> WatchingStore:
    """For tests that only read."""
    return stored()


@pytest.fixture(scope="module")
def whole(shared: WatchingStore) -> bytes:
    file = file_in(shared)
    return b"".join(file.read(0, file.size_bytes))


def prune(store: WatchingStore) -> set[str]:
    """By another process; the packs that went away."""
    former = set(keys(store, "packs/"))
    Prune(Repository.open(store), max_unused_percent=0.0).execute()
    return former - set(keys(store, "packs/"))


def test_no_more_is_read_than_a_little_ahead_of_the_client(shared: WatchingStore) -> None:
    file = file_in(shared)
    list(file.read(0, 1))  # the index
    shared.ranges.clear()
    pieces, sent_bytes = file.read(0, file.size_bytes), 0
    while sent_bytes < 20 * MEGABYTE:
        sent_bytes += len(next(pieces))
        read_bytes = sum(length for _, _, length in shared.ranges)
        assert sent_bytes - MEGABYTE <= read_bytes <= sent_bytes + AHEAD_BYTES
    pieces.close()


def test_what_is_in_memory_does_not_grow_with_the_file(shared: WatchingStore) -> None:
    file = file_in(shared)
    list(file.read(0, 1))  # the index
    tracemalloc.start()
    try:
        for piece in file.read(0, file.size_bytes):
            assert len(piece) <= stored_gzip.file_bytes(stored_gzip.MEMBER_CONTENT_BYTES)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert file.size_bytes > 40 * MEGABYTE
    assert peak_bytes < AHEAD_BYTES + 8 * MEGABYTE


def test_a_short_range_reads_the_chunks_of_its_member(shared: WatchingStore) -> None:
    file = file_in(shared)
    list(file.read(0, 1))  # the index
    shared.ranges.clear()

    list(file.read(20 * MEGABYTE, 20 * MEGABYTE + 10))

    assert 0 < sum(length for _, _, length in shared.ranges) < 5 * MEGABYTE


@given(st.lists(st.integers(0, 41 * MEGABYTE), max_size=4))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_wherever_it_is_cut_the_parts_are_the_whole(
    shared: WatchingStore, whole: bytes, cuts: list[int]
) -> None:
    file = file_in(shared)
    bounds = sorted({0, *(min(cut, len(whole)) for cut in cuts), len(whole)})

    parts = [b"".join(file.read(start, end)) for start, end in itertools.pairwise(bounds)]

    assert file.size_bytes == len(whole)
    assert b"".join(parts) == whole


def test_a_prune_in_the_middle_is_not_noticed(whole: bytes) -> None:
    """The chunks are elsewhere afterwards, and are looked for."""
    store = stored()
    file = file_in(store)
    pieces = file.read(0, file.size_bytes)
    received = [next(pieces)]
    Repository.open(store).delete_snapshot(SECOND)
    assert prune(store)

    received += pieces

    assert b"".join(received) == whole


def test_a_snapshot_that_goes_away_in_the_middle_ends_the_file_early(whole: bytes) -> None:
    """What was given until then is right."""
    store = stored()
    file = file_in(store)
    received = []
    repository = Repository.open(store)
    repository.delete_snapshot(FIRST)
    repository.delete_snapshot(SECOND)

    with pytest.raises(IntegrityError):  # noqa: PT012  # the error comes between two pieces
        for piece in file.read(0, file.size_bytes):
            received.append(piece)
            if len(received) == 1:
                assert prune(store)

    found = b"".join(received)
    assert MEGABYTE < len(found) < len(whole)
    assert whole.startswith(found)


def test_a_chunk_that_was_changed_ends_the_file_early(whole: bytes) -> None:
    store = stored()
    pack = max(keys(store, "packs/"), key=store.size)
    replace_blob(store, pack, flip(store.get(pack), 30 * MEGABYTE))
    file = file_in(store)
    received: list[bytes] = []

    with pytest.raises(IntegrityError):
        received.extend(file.read(0, file.size_bytes))

    assert whole.startswith(b"".join(received))
