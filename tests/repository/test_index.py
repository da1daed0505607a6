"""Where chunks are."""

from collections.abc import Iterator

import pytest

from telamon.blobs.base import BlobInfo, BlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError, Unavailable
from telamon.repository.codec import EncodedChunk, Encoding
from telamon.repository.config import CONFIG_KEY
from telamon.repository.index import Index, Location
from telamon.repository.pack import FinishedPack, PackBuilder
from tests.repository.samples import flip, keys, replace_blob
from tests.repository.wrapped_stores import WatchingStore, WrappedStore

ONE = b"\x11" * 32
TWO = b"\x22" * 32
THREE = b"\x33" * 32


def put_pack(store: BlobStore, *chunk_ids: bytes) -> FinishedPack:
    """A pack of chunks of six bytes each."""
    builder = PackBuilder()
    for chunk_id in chunk_ids:
        builder.add(chunk_id, EncodedChunk(encoding=Encoding.RAW, stored=b"abcdef"), 6)
    pack = builder.finish(0)
    store.put(pack.key, pack.data)
    return pack


def location(pack: FinishedPack, offset: int) -> Location:
    return Location(pack_key=pack.key, offset=offset, stored_bytes=6, raw_bytes=6, encoding=0)


def new_store() -> MemoryBlobStore:
    """Of a repository, as far as an index asks."""
    store = MemoryBlobStore()
    store.put(CONFIG_KEY, b"there")
    return store


@pytest.fixture
def store() -> WatchingStore:
    return WatchingStore(new_store())


@pytest.fixture
def index(store: WatchingStore) -> Index:
    return Index(store)


def test_a_chunk_is_found_once_its_pack_has_been_read(store: WatchingStore, index: Index) -> None:
    pack = put_pack(store, ONE, TWO)
    assert index.find(TWO) is None
    index.refresh()
    assert index.find(ONE) == location(pack, 16)
    assert index.find(TWO) == location(pack, 22)
    assert index.find(THREE) is None


def test_the_index_of_a_pack_takes_two_ranged_reads(store: WatchingStore, index: Index) -> None:
    pack = put_pack(store, ONE, TWO)
    index.refresh()
    assert store.ranges == [(pack.key, 124, 52), (pack.key, 28, 96)]


def test_a_pack_is_read_once(store: WatchingStore, index: Index) -> None:
    put_pack(store, ONE)
    index.refresh()
    store.ranges.clear()
    pack = put_pack(store, TWO)
    index.refresh()
    assert {key for key, _, _ in store.ranges} == {pack.key}


def test_a_pack_that_was_added_is_not_read(store: WatchingStore, index: Index) -> None:
    pack = put_pack(store, ONE)
    index.add_pack(pack.key, pack.index)
    index.refresh()
    assert store.ranges == []
    assert index.find(ONE) == location(pack, 16)


def test_blobs_that_are_no_packs_are_passed_over(store: WatchingStore, index: Index) -> None:
    store.put("packs/readme", b"hello")
    index.refresh()
    assert store.ranges == []


def test_the_chunks_of_a_deleted_pack_are_forgotten(store: WatchingStore, index: Index) -> None:
    gone = put_pack(store, ONE, TWO)
    kept = put_pack(store, TWO, THREE)
    index.refresh()
    store.delete(gone.key)
    index.refresh()
    assert index.find(ONE) is None
    assert index.find(TWO) == location(kept, 16)
    assert index.find(THREE) == location(kept, 22)


def test_a_pack_that_is_put_during_a_listing_is_not_forgotten() -> None:
    class SlowListing(WrappedStore):
        """A writer puts a pack after the listing and before its end is known."""

        def __init__(self) -> None:
            super().__init__(new_store())
            self.index = Index(self)

        def list(self, prefix: str) -> Iterator[BlobInfo]:
            yield from super().list(prefix)
            pack = put_pack(self.inner, ONE)
            self.index.add_pack(pack.key, pack.index)

    index = SlowListing().index
    index.refresh()
    assert index.find(ONE) is not None


def test_a_pack_that_is_deleted_after_the_listing_is_passed_over() -> None:
    class Vanishing(WrappedStore):
        def get_range(self, key: str, start: int, length: int) -> bytes:
            self.inner.delete(key)
            return super().get_range(key, start, length)

    store = Vanishing(new_store())
    put_pack(store, ONE)
    index = Index(store)
    index.refresh()
    with pytest.raises(IntegrityError) as caught:
        index.locate(ONE)
    assert caught.value.message == f"Chunk {ONE.hex()} is in no readable pack."


def test_a_damaged_pack_hides_no_other(store: WatchingStore, index: Index) -> None:
    damaged, sound = put_pack(store, ONE), put_pack(store, TWO)
    replace_blob(store, damaged.key, flip(bytes(damaged.data), -60))
    index.refresh()
    assert index.locate(TWO) == location(sound, 16)


def test_a_chunk_that_is_nowhere_is_named_with_every_unreadable_pack(
    store: WatchingStore, index: Index
) -> None:
    packs = [put_pack(store, ONE), put_pack(store, TWO)]
    replace_blob(store, packs[0].key, b"")
    replace_blob(store, packs[1].key, flip(bytes(packs[1].data), -60))
    index.refresh()
    with pytest.raises(IntegrityError) as caught:
        index.locate(ONE)
    reasons = sorted(
        [
            f"Pack {packs[0].key} is damaged: it is too short.",
            f"Pack {packs[1].key} is damaged: its index has another hash.",
        ]
    )
    assert caught.value.message == " ".join(
        [f"Chunk {ONE.hex()} is in no readable pack.", *reasons]
    )


def test_a_damaged_pack_is_read_once(store: WatchingStore, index: Index) -> None:
    pack = put_pack(store, ONE)
    replace_blob(store, pack.key, b"short")
    index.refresh()
    store.ranges.clear()
    index.refresh()
    assert store.ranges == []


def test_a_damaged_pack_that_was_deleted_is_named_no_more(
    store: WatchingStore, index: Index
) -> None:
    pack = put_pack(store, ONE)
    replace_blob(store, pack.key, b"short")
    index.refresh()
    store.delete(pack.key)
    index.refresh()
    with pytest.raises(IntegrityError) as caught:
        index.locate(ONE)
    assert caught.value.message == f"Chunk {ONE.hex()} is in no readable pack."


def test_a_store_that_cannot_be_reached_is_no_damage() -> None:
    class Unreachable(WrappedStore):
        def get_range(self, key: str, start: int, length: int) -> bytes:
            raise Unavailable("The disk does not answer.")

    inner = new_store()
    put_pack(inner, ONE)
    index = Index(Unreachable(inner))
    with pytest.raises(Unavailable):
        index.refresh()
    assert keys(inner) != []


def test_a_repository_that_is_gone_is_unavailable_and_not_damaged() -> None:
    store = new_store()
    pack = put_pack(store, ONE)
    index = Index(store)
    index.refresh()
    for key in (CONFIG_KEY, pack.key):
        store.delete(key)

    with pytest.raises(Unavailable, match="Is its disk mounted"):
        index.locate(TWO)
    with pytest.raises(Unavailable, match="Is its disk mounted"):
        index.refresh()

    assert index.find(ONE) is not None
