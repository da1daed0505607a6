"""Crashes at every step of writing a snapshot."""

import itertools
from pathlib import Path

import pytest

from telamon.blobs.base import BlobStore
from telamon.blobs.local import LocalBlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.repository.repository import Repository
from tests.repository.samples import FIRST, SECOND, new_repository, noise, orders, read, take
from tests.repository.wrapped_stores import CrashError, CrashingStore

OLD = {"orders": orders(40), "empty": []}
NEW = {"orders": noise(80), "people": noise(20)}


def joined(contents: dict[str, list[bytes]]) -> dict[str, bytes]:
    return {name: b"".join(docs) for name, docs in contents.items()}


def crash_at(store: BlobStore, at: int, *, after: bool) -> bool:
    """Take the second snapshot; answer whether it crashed on the way."""
    crashing = CrashingStore(store, at=at, after=after)
    try:
        take(Repository.open(crashing), SECOND, NEW)
    except CrashError:
        return True
    return False


@pytest.mark.parametrize("after", [False, True], ids=["before the put", "after the put"])
def test_a_crash_at_any_put_leaves_no_half_snapshot_and_a_rerun_completes(
    after: bool, small_packs: None
) -> None:
    for at in itertools.count(1):
        store = MemoryBlobStore()
        take(new_repository(store), FIRST, OLD)

        crashed = crash_at(store, at, after=after)

        survivor = Repository.open(store)
        assert read(survivor, FIRST) == joined(OLD)
        if survivor.has_manifest(SECOND):
            assert read(survivor, SECOND) == joined(NEW)
        else:
            assert survivor.snapshot_ids() == (FIRST,)
        take(survivor, SECOND, NEW)
        assert read(Repository.open(store), SECOND) == joined(NEW)
        assert read(Repository.open(store), FIRST) == joined(OLD)
        if not crashed:
            break
    assert at > 4


@pytest.mark.parametrize(
    ("after", "snapshots"), [(False, (FIRST,)), (True, (FIRST, SECOND))], ids=["before", "after"]
)
def test_a_snapshot_exists_from_the_put_of_its_manifest_on(
    after: bool, snapshots: tuple[str, ...]
) -> None:
    store = MemoryBlobStore()
    take(new_repository(store), FIRST, OLD)
    crashing = CrashingStore(store, at=1, after=after, prefix="snapshots/")
    with pytest.raises(CrashError):
        take(Repository.open(crashing), SECOND, NEW)
    assert Repository.open(store).snapshot_ids() == snapshots


def test_a_rerun_stores_again_only_what_the_crash_lost(small_packs: None) -> None:
    store = MemoryBlobStore()
    new_repository(store)
    assert crash_at(store, 3, after=True) is True

    with Repository.open(store).begin() as writer:
        writer.add([b"".join(NEW["orders"])])

    assert writer.counts.chunks_reused > 0
    assert writer.counts.chunks_new > 0


def test_a_crash_of_the_create_leaves_no_repository_or_a_whole_one() -> None:
    for after, exists in ((False, []), (True, ["config"])):
        store = MemoryBlobStore()
        with pytest.raises(CrashError):
            new_repository(CrashingStore(store, at=1, after=after))
        assert [info.key for info in store.list("")] == exists


def test_unfinished_writes_on_a_disk_are_in_nobodys_way(tmp_path: Path, small_packs: None) -> None:
    store = LocalBlobStore(tmp_path)
    take(new_repository(store), FIRST, OLD)
    (tmp_path / "packs/.aa.1.0.tmp").write_bytes(b"half a pack")
    (tmp_path / f"snapshots/.{SECOND}.1.0.tmp").write_bytes(b"half a manifest")

    survivor = Repository.open(store)

    assert survivor.snapshot_ids() == (FIRST,)
    take(survivor, SECOND, NEW)
    assert read(Repository.open(store), SECOND) == joined(NEW)
