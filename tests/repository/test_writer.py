"""Writing snapshots."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.blobs.base import Data
from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError, Unavailable
from telamon.model.manifest import ChunkRef
from telamon.repository import writer as writer_module
from telamon.repository.in_flight import Budget
from telamon.repository.pack import check_whole_pack
from telamon.repository.repository import Repository
from telamon.repository.writer import WriteCounts
from tests.repository.samples import (
    FIRST,
    SECOND,
    collection,
    document,
    flip,
    keys,
    manifest,
    new_repository,
    noise,
    orders,
    read,
    replace_blob,
    take,
)
from tests.repository.wrapped_stores import FullStore, WatchingStore, WrappedStore


@pytest.fixture
def store() -> WatchingStore:
    return WatchingStore(MemoryBlobStore())


@pytest.fixture
def repository(store: WatchingStore) -> Repository:
    return new_repository(store)


# What is written


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text("abc", min_size=1),
        st.lists(st.binary(max_size=700).map(lambda data: bson.encode({"_id": data})), max_size=30),
        max_size=4,
    )
)
def test_what_was_added_is_read_back(contents: dict[str, list[bytes]]) -> None:
    store = MemoryBlobStore()
    take(new_repository(store), FIRST, contents)
    expected = {name: b"".join(docs) for name, docs in contents.items()}
    assert read(Repository.open(store), FIRST) == expected


def test_the_manifest_is_put_last(
    store: WatchingStore, repository: Repository, small_packs: None
) -> None:
    take(repository, FIRST, {"orders": noise(60)})
    config, *packs, last = store.puts
    assert config == "config"
    assert len(packs) >= 4
    assert all(key.startswith("packs/") for key in packs)
    assert last == f"snapshots/{FIRST}"


def test_every_pack_written_is_whole(store: WatchingStore, repository: Repository) -> None:
    take(repository, FIRST, {"orders": noise(60)})
    (key,) = keys(store, "packs/")
    check_whole_pack(key, store.get(key))


def test_refs_are_in_the_order_of_the_documents(repository: Repository) -> None:
    docs = orders(100)
    with repository.begin() as writer:
        refs = writer.add([b"".join(docs)])
    counts = [ref.documents for ref in refs]
    starts = [sum(counts[:number]) for number in range(len(counts))]
    sizes = [
        sum(map(len, docs[start : start + count]))
        for start, count in zip(starts, counts, strict=True)
    ]
    assert sum(counts) == 100
    assert [ref.size_bytes for ref in refs] == sizes


def test_documents_may_come_in_any_number_of_buffers(repository: Repository) -> None:
    docs = orders(60)
    with repository.begin() as writer:
        whole = writer.add([b"".join(docs)])
        single = writer.add(docs)
        views = writer.add(memoryview(b"".join(docs[n : n + 7])) for n in range(0, 60, 7))
    assert single == whole
    assert views == whole


def test_no_documents_are_no_chunks(repository: Repository) -> None:
    with repository.begin() as writer:
        assert writer.add([]) == ()
        assert writer.add([b"", b""]) == ()


def test_a_snapshot_without_documents_is_its_manifest(
    store: WatchingStore, repository: Repository
) -> None:
    take(repository, FIRST, {"empty": []})
    assert keys(store) == ["config", f"snapshots/{FIRST}"]


def test_what_a_snapshot_took_is_counted(store: WatchingStore, repository: Repository) -> None:
    docs = noise(40, noise_bytes=3000)
    total = sum(map(len, docs))
    with repository.begin() as writer:
        refs = writer.add([b"".join(docs)])
        once = writer.counts
        writer.add([b"".join(docs)])
        twice = writer.counts
        writer.commit(manifest(FIRST, [collection("orders", refs)]))
    chunks = len(refs)
    assert once == WriteCounts(
        documents=40, raw_bytes=total, chunks_new=chunks, chunks_reused=0, new_bytes=total
    )
    assert twice == WriteCounts(
        documents=80,
        raw_bytes=2 * total,
        chunks_new=chunks,
        chunks_reused=chunks,
        new_bytes=total,
    )
    assert store.size(keys(store, "packs/")[0]) == 16 + total + 48 * chunks + 52


# Equal chunks


def test_the_same_content_again_adds_no_pack(store: WatchingStore, repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(100)})
    before = keys(store, "packs/")
    take(Repository.open(store), SECOND, {"copy": orders(100)})
    assert keys(store, "packs/") == before
    assert read(repository, SECOND) == {"copy": b"".join(orders(100))}


def test_a_change_of_one_document_adds_one_chunk(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(300)})
    changed = orders(300)
    changed[150] = document(150, "changed")
    with repository.begin() as writer:
        writer.add([b"".join(changed)])
        assert writer.counts.chunks_new == 1
        assert writer.counts.chunks_reused > 20


def test_equal_collections_added_by_many_threads_at_once_are_stored_once(
    store: WatchingStore, repository: Repository
) -> None:
    docs = b"".join(orders(200))
    barrier = threading.Barrier(8)

    def add(_: int) -> tuple[ChunkRef, ...]:
        barrier.wait()
        return writer.add([docs])

    with repository.begin() as writer:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(add, range(8)))
        writer.commit(manifest(FIRST, [collection(f"c{n}", r) for n, r in enumerate(results)]))

    assert set(results) == {results[0]}
    assert writer.counts.chunks_new == len(results[0])
    assert writer.counts.chunks_reused == 7 * len(results[0])
    assert read(repository, FIRST) == {f"c{number}": docs for number in range(8)}


def test_different_collections_added_at_once_keep_apart(
    repository: Repository, small_packs: None
) -> None:
    contents = {f"c{number}": b"".join(orders(80, start=80 * number)) for number in range(8)}
    with repository.begin() as writer:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda docs: writer.add([docs]), contents.values()))
        writer.commit(
            manifest(FIRST, [collection(f"c{n}", refs) for n, refs in enumerate(results)])
        )
    assert read(repository, FIRST) == contents


def test_two_snapshots_written_at_once_are_both_whole(
    store: WatchingStore, repository: Repository
) -> None:
    """They may store a chunk twice; each finds one of the two."""
    with repository.begin() as one, repository.begin() as other:
        first = one.add([b"".join(orders(50))])
        second = other.add([b"".join(orders(50))])
        one.commit(manifest(FIRST, [collection("orders", first)]))
        other.commit(manifest(SECOND, [collection("orders", second)]))
    assert read(repository, FIRST) == read(Repository.open(store), SECOND)


# Commit


def test_a_snapshot_that_was_not_committed_does_not_exist(repository: Repository) -> None:
    with repository.begin() as writer:
        writer.add([b"".join(orders(10))])
    assert repository.snapshot_ids() == ()


def test_a_manifest_that_names_an_unknown_chunk_is_not_written(repository: Repository) -> None:
    unknown = ChunkRef(chunk_id=b"\x99" * 32, documents=1, size_bytes=5)
    with repository.begin() as writer, pytest.raises(IntegrityError) as caught:
        writer.commit(manifest(FIRST, [collection("orders", [unknown])]))
    assert caught.value.message == f"Chunk {'99' * 32} is in no readable pack."
    assert repository.has_manifest(FIRST) is False


def test_a_manifest_that_gives_a_chunk_another_length_is_not_written(
    repository: Repository,
) -> None:
    with repository.begin() as writer:
        (ref,) = writer.add([b"".join(orders(3))])
        wrong = replace(ref, size_bytes=ref.size_bytes + 1)
        with pytest.raises(IntegrityError, match=r"of shop\.orders has"):
            writer.commit(manifest(FIRST, [collection("orders", [wrong])]))
    assert repository.has_manifest(FIRST) is False


def test_the_same_manifest_can_be_committed_again(repository: Repository) -> None:
    """As after a crash between the commit and its record elsewhere."""
    taken = take(repository, FIRST, {"orders": orders(10)})
    assert take(repository, FIRST, {"orders": orders(10)}) == taken


def test_a_snapshot_is_never_replaced(repository: Repository) -> None:
    taken = take(repository, FIRST, {"orders": orders(10)})
    with pytest.raises(IntegrityError, match=f"Snapshot {FIRST} exists already"):
        take(repository, FIRST, {"orders": orders(11)})
    assert repository.manifest(FIRST) == taken


# Failures


@pytest.mark.parametrize("prefix", ["packs/", "snapshots/"])
def test_a_put_that_fails_is_the_callers_to_see(prefix: str, small_packs: None) -> None:
    inner = MemoryBlobStore()
    repository = new_repository(inner)
    take(repository, FIRST, {"orders": orders(5)})
    full = Repository.open(FullStore(inner, prefix))
    with pytest.raises(Unavailable, match="No space left on device"):
        take(full, SECOND, {"orders": noise(60)})
    assert repository.snapshot_ids() == (FIRST,)
    assert read(repository, FIRST) == {"orders": b"".join(orders(5))}


def test_after_a_failed_add_nothing_can_be_committed(repository: Repository) -> None:
    with repository.begin() as writer:
        refs = writer.add([b"".join(orders(5))])
        with pytest.raises(IntegrityError, match="A document ends beyond the bytes"):
            writer.add([b"\xff\0\0\0"])
        with pytest.raises(IntegrityError, match="A document ends beyond the bytes"):
            writer.commit(manifest(FIRST, [collection("orders", refs)]))
    assert repository.has_manifest(FIRST) is False


def test_an_error_of_the_source_comes_out_of_add(repository: Repository) -> None:
    class SourceError(Exception):
        pass

    def buffers() -> Iterator[bytes]:
        yield b"".join(orders(50))
        raise SourceError

    with repository.begin() as writer, pytest.raises(SourceError):
        writer.add(buffers())


def test_one_failing_put_stops_every_adding_thread(small_packs: None) -> None:
    inner = MemoryBlobStore()
    new_repository(inner)
    repository = Repository.open(FullStore(inner, "packs/"))

    def add(number: int) -> BaseException | None:
        try:
            writer.add(orders(400, start=number * 400))
        except Unavailable as error:
            return error
        return None

    with repository.begin() as writer, ThreadPoolExecutor(6) as pool:
        errors = list(pool.map(add, range(6)))

    assert None not in errors
    assert repository.snapshot_ids() == ()


def test_a_writer_that_was_left_takes_no_more(repository: Repository) -> None:
    with repository.begin() as writer:
        pass
    with pytest.raises(RuntimeError, match="after shutdown"):
        writer.add(orders(1))


# Bounds


def test_an_adding_thread_waits_for_the_chunks_in_flight() -> None:
    """While no chunk gets done, only so many are cut; the store lets go when that is seen."""
    cut: list[int] = []
    released = threading.Event()

    class HeldStore(WrappedStore):
        def put(self, key: str, data: Data) -> bool:
            if key.startswith("packs/"):
                assert released.wait(timeout=30)
            return super().put(key, data)

    repository = new_repository(HeldStore(MemoryBlobStore()))

    def buffers() -> Iterator[bytes]:
        for number in range(200):
            cut.append(number)
            yield bson.encode({"_id": number, "noise": random.Random(number).randbytes(5000)})

    in_flight = threading.Event()
    with pytest.MonkeyPatch.context() as patch, repository.begin() as writer:
        patch.setattr("telamon.repository.pack.PACK_TARGET_BYTES", 2000)
        patch.setattr(writer, "_in_flight", WatchedBudget(8 * 5500, in_flight.set))
        with ThreadPoolExecutor(1) as pool:
            adding = pool.submit(writer.add, buffers())
            assert in_flight.wait(timeout=30)
            most = len(cut)
            released.set()
            assert len(adding.result()) == 200
    assert most <= 8 + 2


class WatchedBudget(Budget):
    """Tells when somebody has to wait for it."""

    def __init__(self, most_bytes: int, full: Callable[[], None]) -> None:
        super().__init__(most_bytes)
        self._full = full

    def take(self, wanted_bytes: int) -> int:
        if self._taken_bytes + wanted_bytes > self._most_bytes:
            self._full()
        return super().take(wanted_bytes)


def test_the_bounds_are_16_mib_and_two_threads() -> None:
    assert (writer_module._THREADS, writer_module._IN_FLIGHT_BYTES) == (2, 16777216)


# Names that are taken


def test_a_pack_that_a_crash_left_is_taken_up(store: WatchingStore, repository: Repository) -> None:
    """Another process knows nothing of it until it tries to put the same."""
    other = Repository.open(store)
    with other.begin() as late:
        refs = late.add([b"".join(orders(5))])
        take(repository, FIRST, {"orders": orders(5)})
        late.commit(manifest(SECOND, [collection("orders", refs)]))
    assert len(keys(store, "packs/")) == 1
    assert read(other, SECOND) == {"orders": b"".join(orders(5))}


@pytest.mark.parametrize("position", [0, 20, -60, -1])
def test_a_pack_that_cannot_be_trusted_is_written_again_under_another_name(
    position: int, store: WatchingStore, repository: Repository
) -> None:
    """Its index is unreadable, so its chunks are new; the very same pack is made of them."""
    take(repository, FIRST, {"orders": orders(5)})
    (key,) = keys(store, "packs/")
    whole = store.get(key)
    harmed = flip(flip(whole, position), -2)
    replace_blob(store, key, harmed)

    take(Repository.open(store), SECOND, {"orders": orders(5)})

    assert len(keys(store, "packs/")) == 2
    assert store.get(key) == harmed
    for snapshot_id in (FIRST, SECOND):
        assert read(Repository.open(store), snapshot_id) == {"orders": b"".join(orders(5))}
