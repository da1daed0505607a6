"""Repositories of any history and with any damage: what check says of them, and what prune leaves.

Two writers that do not see each other's packs store the same chunks, some whole and some as deltas, so
that a chunk has copies of which one may be harmed and another not.
"""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import TelamonError
from telamon.model.manifest import ChunkRef
from telamon.repository import pack
from telamon.repository.check import Check
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from tests.repository.samples import (
    SMALL_CUT,
    collection,
    document,
    flip,
    keys,
    manifest,
    noise,
    orders,
    read,
    replace_blob,
)

Content = dict[str, bytes]
Chunks = tuple[ChunkRef, ...]


@pytest.fixture(autouse=True, scope="module")
def _small_packs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pack, "PACK_TARGET_BYTES", 4096)
        yield


class History:
    """A few snapshots of one deployment, each taken by one of several writers."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.store = MemoryBlobStore()
        self._writers = [Repository.create(self.store, chance.randbytes, SMALL_CUT), self.open()]
        self.expected: dict[str, Content] = {}
        self._documents = orders(60)
        self._previous: Chunks = ()

    def open(self) -> Repository:
        return Repository.open(self.store)

    def take(self) -> None:
        """One snapshot; while it is taken, another writer may take the same by itself."""
        version = f"version {len(self.expected)}"
        self._documents = [
            document(number, version) if self._chance.random() < 0.05 else found
            for number, found in enumerate(self._documents)
        ]
        snapshot_id, rival_id = (f"{len(self.expected) + n:024x}" for n in range(2))
        content = {
            "orders": b"".join(self._documents),
            "noise": b"".join(noise(self._chance.randrange(1, 40))),
        }
        with self._chance.choice(self._writers).begin() as writer:
            if self._chance.random() < 0.4:
                with self.open().begin() as rival:
                    chunks = rival.add(
                        [content["orders"]], self._chance.choice([self._previous, ()])
                    )
                    rival.commit(manifest(rival_id, [collection("orders", chunks)]))
            taken = writer.add([content["orders"]], self._previous)
            others = writer.add([content["noise"]])
            writer.commit(
                manifest(snapshot_id, [collection("orders", taken), collection("noise", others)])
            )
        self._previous = taken
        self.expected[snapshot_id] = content
        if self.open().has_manifest(rival_id):
            self.expected[rival_id] = {"orders": content["orders"]}

    def forget(self) -> None:
        """Delete one snapshot."""
        snapshot_id = self._chance.choice(sorted(self.expected))
        self.open().delete_snapshot(snapshot_id)
        del self.expected[snapshot_id]

    def harm(self) -> None:
        """One pack, if one is left, in one of the ways of failing disks."""
        packs = keys(self.store, "packs/")
        if not packs:
            return
        key = self._chance.choice(packs)
        blob = self.store.get(key)
        kind = self._chance.choice(["flip", "flip", "flip", "cut", "empty", "lose"])
        if kind == "flip" and blob:
            position = self._chance.randrange(len(blob))
            replace_blob(self.store, key, flip(blob, position, self._chance.randrange(8)))
        elif kind == "cut":
            replace_blob(self.store, key, blob[: self._chance.randrange(len(blob) + 1)])
        elif kind == "empty":
            replace_blob(self.store, key, b"")
        else:
            self.store.delete(key)

    def restorable(self) -> set[str]:
        """Snapshots that can be read whole; what is read must be right."""
        whole = set()
        for snapshot_id, content in self.expected.items():
            try:
                found = read(self.open(), snapshot_id)
            except TelamonError:
                continue
            assert found == content
            whole.add(snapshot_id)
        return whole

    def bytes(self) -> int:
        return sum(info.size_bytes for info in self.store.list("packs/"))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Taken, harmed, and partly deleted."""
    history = History(random.Random(draw(st.integers(0, 2**32))))
    for _ in range(draw(st.integers(1, 4))):
        history.take()
    for _ in range(draw(st.integers(0, 3))):
        history.harm()
    for _ in range(draw(st.integers(0, len(history.expected) - 1))):
        history.forget()
    return history


@settings(max_examples=60, deadline=None)
@given(histories())
def test_check_lays_damage_to_the_snapshots_that_cannot_be_restored_and_to_no_other(
    history: History,
) -> None:
    report = Check(history.open(), random.Random(1)).run(read_data_percent=100)

    harmed = {snapshot_id for found in report.findings for snapshot_id in found.snapshots}
    assert harmed == history.expected.keys() - history.restorable()


@settings(max_examples=60, deadline=None)
@given(histories(), st.sampled_from([0.0, 5.0, 50.0]))
def test_whatever_is_damaged_a_prune_takes_no_last_good_copy(
    history: History, percent: float
) -> None:
    restorable, before = history.restorable(), history.bytes()

    result = Prune(history.open(), max_unused_percent=percent).execute()

    assert history.restorable() >= restorable
    assert before - history.bytes() == result.freed_bytes


@settings(max_examples=30, deadline=None)
@given(histories())
def test_prunes_come_to_an_end(history: History) -> None:
    """What cannot be pruned because of damage is not written again and again."""
    for _ in range(3):
        Prune(history.open(), max_unused_percent=0).execute()
    before = history.bytes()

    Prune(history.open(), max_unused_percent=0).execute()

    assert history.bytes() <= before
