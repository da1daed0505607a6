"""Every kind of damage to a stored repository is found and named, and never read as data.

Two snapshots share nothing. One of them is harmed; the other is still read.
"""

from collections.abc import Callable

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError, TelamonError
from telamon.repository.pack import (
    FOOTER_BYTES,
    check_whole_pack,
    iterate_records,
    parse_footer,
    parse_index,
)
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    SECOND,
    flip,
    keys,
    new_repository,
    orders,
    read,
    replace_blob,
    take,
)

HARMED = {"orders": b"".join(orders(30))}
OTHER = {"people": b"".join(orders(30, start=900))}


class Damaged:
    """A repository of two snapshots, each in a pack of its own."""

    def __init__(self) -> None:
        self.store = MemoryBlobStore()
        repository = new_repository(self.store)
        take(repository, FIRST, {"orders": orders(30)})
        (self.pack,) = keys(self.store, "packs/")
        take(repository, SECOND, {"people": orders(30, start=900)})
        (self.other_pack,) = set(keys(self.store, "packs/")) - {self.pack}
        self.data = self.store.get(self.pack)

    def harm_pack(self, data: bytes) -> None:
        replace_blob(self.store, self.pack, data)

    def read_first(self) -> dict[str, bytes]:
        return read(Repository.open(self.store), FIRST)

    def failure_of_first(self) -> str | None:
        """Why the first snapshot cannot be read; None if it can, and is what it was."""
        try:
            assert self.read_first() == HARMED
        except IntegrityError as error:
            return error.message
        return None

    def read_second(self) -> dict[str, bytes]:
        return read(Repository.open(self.store), SECOND)


@pytest.fixture
def damaged() -> Damaged:
    return Damaged()


def test_the_sample_is_sound(damaged: Damaged) -> None:
    assert damaged.read_first() == HARMED
    assert damaged.read_second() == OTHER


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_anywhere_in_a_pack_is_harmless_or_found(bit: int, damaged: Damaged) -> None:
    """A restore gets the documents or an error; a check of the whole finds every bit.

    No restore reads the header, and a few bits of a compressed chunk mean nothing.
    """
    positions = range(0, len(damaged.data), 11)
    found = 0
    for position in positions:
        harmed = flip(damaged.data, position, bit)
        damaged.harm_pack(harmed)
        failure = damaged.failure_of_first()
        assert failure is None or (damaged.pack in failure and position >= 16)
        found += failure is not None
        assert damaged.read_second() == OTHER
        with pytest.raises(IntegrityError, match=damaged.pack):
            check_whole_pack(damaged.pack, harmed)
    assert found > 0.9 * len(positions)


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: b"",
        lambda data: data[:1],
        lambda data: data[:-1],
        lambda data: data[1:],
        lambda data: data[: len(data) // 2],
        lambda data: data + b"\0",
        lambda data: bytes(len(data)),
    ],
    ids=["empty", "one byte", "last lost", "first lost", "half", "one more", "zeros"],
)
def test_a_pack_of_another_length_is_found_and_named(
    harm: Callable[[bytes], bytes], damaged: Damaged
) -> None:
    damaged.harm_pack(harm(damaged.data))
    with pytest.raises(IntegrityError) as caught:
        damaged.read_first()
    assert f"Pack {damaged.pack} is damaged" in caught.value.message
    assert damaged.read_second() == OTHER


def test_chunks_of_a_damaged_pack_are_named(damaged: Damaged) -> None:
    stored = Repository.open(damaged.store).manifest(FIRST).collections[0]
    damaged.harm_pack(b"")
    with pytest.raises(IntegrityError) as caught:
        damaged.read_first()
    assert caught.value.message == (
        f"Chunk {stored.chunks[0].chunk_id.hex()} is in no readable pack. "
        f"Pack {damaged.pack} is damaged: it is too short."
    )


def test_a_deleted_pack_is_found(damaged: Damaged) -> None:
    damaged.store.delete(damaged.pack)
    with pytest.raises(IntegrityError, match="is in no readable pack"):
        damaged.read_first()
    assert damaged.read_second() == OTHER


def test_a_pack_that_is_deleted_while_it_is_in_use_is_found_and_named(damaged: Damaged) -> None:
    repository = Repository.open(damaged.store)
    assert read(repository, FIRST) == HARMED
    damaged.store.delete(damaged.pack)
    with pytest.raises(IntegrityError) as caught:
        read(repository, FIRST)
    assert caught.value.message.endswith(
        f"cannot be read from {damaged.pack}: There is no blob {damaged.pack}."
    )


def test_chunks_before_the_damaged_one_are_read(damaged: Damaged) -> None:
    """A pack has its chunks in the order in which they got done, not in that of the documents."""
    stored = Repository.open(damaged.store).manifest(FIRST).collections[0]
    footer = parse_footer(damaged.pack, damaged.data[-FOOTER_BYTES:], len(damaged.data))
    (offset,) = [
        record.offset
        for record in iterate_records(
            parse_index(damaged.pack, damaged.data[footer.index_offset : -FOOTER_BYTES], footer)
        )
        if record.chunk_id == stored.chunks[-1].chunk_id
    ]
    damaged.harm_pack(flip(damaged.data, offset))
    documents = Repository.open(damaged.store).documents(stored)
    before = [next(documents) for _ in stored.chunks[:-1]]
    with pytest.raises(IntegrityError, match="cannot be read from"):
        next(documents)
    assert len(before) >= 2
    assert HARMED["orders"].startswith(b"".join(before))


def test_packs_that_were_swapped_are_read_right_and_found_by_their_names(damaged: Damaged) -> None:
    """Each index is true of the pack it is in, and a chunk is proven by its own name."""
    other = damaged.store.get(damaged.other_pack)
    replace_blob(damaged.store, damaged.other_pack, damaged.data)
    damaged.harm_pack(other)
    assert damaged.read_first() == HARMED
    assert damaged.read_second() == OTHER
    for key in (damaged.pack, damaged.other_pack):
        with pytest.raises(IntegrityError, match=f"Pack {key} is damaged"):
            check_whole_pack(key, damaged.store.get(key))


def test_packs_that_are_swapped_while_they_are_in_use_are_found(damaged: Damaged) -> None:
    repository = Repository.open(damaged.store)
    assert read(repository, FIRST) == HARMED
    other = damaged.store.get(damaged.other_pack)
    replace_blob(damaged.store, damaged.other_pack, damaged.data)
    damaged.harm_pack(other)
    with pytest.raises(IntegrityError, match=f"cannot be read from {damaged.pack}"):
        read(repository, FIRST)


def test_a_pack_under_a_wrong_name_is_found_by_its_name(damaged: Damaged) -> None:
    wrong = "packs/00/" + "00" * 32
    damaged.store.put(wrong, damaged.data)
    damaged.store.delete(damaged.pack)
    assert damaged.read_first() == HARMED
    with pytest.raises(IntegrityError, match=f"Pack {wrong} is damaged"):
        check_whole_pack(wrong, damaged.data)


def test_chunks_that_were_swapped_within_a_pack_are_found(damaged: Damaged) -> None:
    """Two repositories of one key would have to be mixed for this; the names tell all the same."""
    stored = Repository.open(damaged.store).manifest(FIRST).collections[0]
    chunks_end = len(damaged.data) - 52 - 48 * len(stored.chunks)
    payload = damaged.data[16:chunks_end]
    damaged.harm_pack(damaged.data[:16] + payload[100:] + payload[:100] + damaged.data[chunks_end:])
    with pytest.raises(IntegrityError, match=f"cannot be read from {damaged.pack}"):
        damaged.read_first()


@pytest.mark.parametrize("harm", ["flip", "truncate", "empty", "swap"])
def test_a_damaged_manifest_is_found_and_named(harm: str, damaged: Damaged) -> None:
    key = f"snapshots/{FIRST}"
    blob = damaged.store.get(key)
    harmed = {
        "flip": flip(blob, 100),
        "truncate": blob[:-1],
        "empty": b"",
        "swap": damaged.store.get(f"snapshots/{SECOND}"),
    }[harm]
    replace_blob(damaged.store, key, harmed)
    with pytest.raises(IntegrityError, match=f"The manifest of snapshot {FIRST} is damaged"):
        damaged.read_first()
    assert damaged.read_second() == OTHER


def test_a_deleted_manifest_is_no_snapshot(damaged: Damaged) -> None:
    damaged.store.delete(f"snapshots/{FIRST}")
    assert Repository.open(damaged.store).snapshot_ids() == (SECOND,)


def test_a_config_of_another_repository_reads_nothing(damaged: Damaged) -> None:
    replace_blob(damaged.store, "config", foreign_config())
    with pytest.raises(TelamonError, match="its bytes have another name"):
        damaged.read_first()


def foreign_config() -> bytes:
    store = MemoryBlobStore()
    Repository.create(store, bytes)
    return store.get("config")
