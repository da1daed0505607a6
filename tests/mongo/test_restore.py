"""Restores that go wrong: what they say, what they leave, and that they can be run again."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import bson
import pytest

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, StoredCollection
from telamon.mongo.shadow import SHADOW_PREFIX
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.memory import Memory, content, restore_all, take
from tests.mongo.trouble import fill_target, shadows


def test_a_unique_index_over_duplicates_is_named_with_the_servers_reason(
    memory: Memory, target: Mongod
) -> None:
    impossible = {"v": 2, "key": {"a": 1}, "name": "one of each", "unique": True}
    collections = with_index(memory, "shop.orders", impossible)
    job = memory.restore(
        target.client,
        collections=collections,
    )

    message = r'shop\.orders could not be built: \{.*"name": "one of each".*\}: .*E11000'
    with pytest.raises(RestoreFailed, match=message):
        job.load()


def with_index(memory: Memory, name: str, index: dict[str, Any]) -> list[StoredCollection]:
    return [
        replace(
            stored, spec=replace(stored.spec, indexes=(*stored.spec.indexes, bson.encode(index)))
        )
        if str(stored.spec.namespace) == name
        else stored
        for stored in memory.collections
    ]


def test_a_failed_load_leaves_the_target_as_it_was(memory: Memory, target: Mongod) -> None:
    fill_target(target.client)
    before = content(target.client)
    index = {"v": 2, "key": {"a": "no such kind"}, "name": "a_x"}
    job = memory.restore(
        target.client,
        collections=with_index(memory, "shop.orders", index),
    )

    with pytest.raises(RestoreFailed, match=r"shop\.orders could not be built"):
        job.load()
    there = content(target.client)
    job.discard()

    assert before == {
        name: value
        for name, value in there.items()
        if SHADOW_PREFIX not in name and not name.startswith("other: ")
    }
    assert content(target.client) == before


def test_a_document_that_is_missing_is_missed(memory: Memory, target: Mongod) -> None:
    job = memory.restore(target.client, documents=lambda stored: shortened(memory, stored))

    with pytest.raises(
        RestoreFailed, match=r"^9 documents of shop\.orders came from the snapshot, .* tells of 10"
    ):
        job.load()


def shortened(memory: Memory, stored: StoredCollection) -> Iterator[bytes]:
    documents = bson.decode_all(b"".join(memory.open(stored)))
    kept = documents[1:] if str(stored.spec.namespace) == "shop.orders" else documents
    return map(bson.encode, kept)


def test_bytes_that_are_no_documents_are_told_of(memory: Memory, target: Mongod) -> None:
    job = memory.restore(target.client, documents=lambda _: iter([b"\x00" * 10]))

    with pytest.raises(RestoreFailed, match=r"What the snapshot has of .* is not BSON"):
        job.load()


def test_a_document_that_the_server_refuses_is_told_of(memory: Memory, target: Mongod) -> None:
    twice = [bson.encode({"_id": 1})] * 2
    job = memory.restore(target.client, documents=lambda _: iter(twice))

    with pytest.raises(
        RestoreFailed, match=r"A document of shop\.(orders|ring) could not be inserted: E11000"
    ):
        job.load()


def test_what_the_documents_source_raises_comes_out(memory: Memory, target: Mongod) -> None:
    def damaged(stored: StoredCollection) -> Iterator[bytes]:
        raise OSError("flipped bit")

    with pytest.raises(OSError, match="flipped bit"):
        memory.restore(target.client, documents=damaged).load()


def test_documents_that_expire_at_once_are_restored(source: Mongod, target: Mongod) -> None:
    """The count is taken before there is an index by which the server deletes."""
    source.client["shop"]["visits"].insert_many({"at": zoo.DAY} for _ in range(10))
    memory = take(source.client)
    index = {"v": 2, "key": {"at": 1}, "name": "at_1", "expireAfterSeconds": 0}

    memory.restore(
        target.client,
        collections=with_index(memory, "shop.visits", index),
    ).load()

    assert len(shadows(target.client)) == 1


def test_progress_adds_up_to_the_whole(memory: Memory, target: Mongod) -> None:
    seen: list[tuple[int, int, int]] = []
    job = memory.restore(target.client, progress=lambda *added: seen.append(added))

    job.load()
    job.swap()

    documents, size_bytes, namespaces = map(sum, zip(*seen, strict=True))
    assert documents == sum(one.documents for one in memory.collections)
    assert size_bytes == sum(one.size_bytes for one in memory.collections)
    # Views, time series and functions have no shadow; they are made in the swap.
    assert namespaces == len(
        [
            one
            for one in memory.collections
            if one.spec.kind is CollectionKind.COLLECTION and one.spec.namespace.name != "system.js"
        ]
    )


# Jobs that end early


def test_a_load_changes_nothing_but_shadows(memory: Memory, target: Mongod) -> None:
    fill_target(target.client)
    before = content(target.client)
    job = memory.restore(target.client)

    job.load()
    assert shadows(target.client) != []
    job.discard()

    assert content(target.client) == before


def test_a_load_drops_the_shadows_of_earlier_jobs(memory: Memory, target: Mongod) -> None:
    target.client["forgotten"]["telamon.shadow.0123.7"].insert_one({})

    restore_all(memory, target.client)

    assert "forgotten" not in target.client.list_database_names()


def test_nothing_is_swapped_in_that_was_not_loaded(memory: Memory, target: Mongod) -> None:
    fill_target(target.client)
    before = content(target.client)

    with pytest.raises(RestoreFailed, match="load of this restore is not complete"):
        memory.restore(target.client, job_id="never loaded").swap()

    assert content(target.client) == before


def test_nothing_is_swapped_in_that_was_discarded(memory: Memory, target: Mongod) -> None:
    fill_target(target.client)
    before = content(target.client)
    job = memory.restore(target.client)
    job.load()
    job.discard()

    with pytest.raises(RestoreFailed, match="load of this restore is not complete"):
        job.swap()

    assert content(target.client) == before


def test_nothing_is_swapped_in_once_another_job_has_begun(memory: Memory, target: Mongod) -> None:
    """Two jobs must not meet, but if they do, the one whose shadows are gone says so."""
    memory.restore(target.client).load()
    memory.restore(target.client, job_id="another").load()

    with pytest.raises(RestoreFailed, match="load of this restore is not complete"):
        memory.restore(target.client).swap()


def test_a_swap_after_the_swap_does_nothing(memory: Memory, target: Mongod) -> None:
    job = memory.restore(target.client)
    job.load()
    job.swap()
    target.client["shop"]["orders"].insert_one({"_id": "new"})
    target.client["shop"]["series"].insert_one({"_id": "new", "t": zoo.DAY})

    memory.restore(target.client).swap()

    assert target.client["shop"]["orders"].find_one({"_id": "new"}) is not None
    assert target.client["shop"]["series"].find_one({"_id": "new"}) is not None


def test_a_discard_after_the_swap_leaves_no_trace_of_the_job(
    memory: Memory, expected: dict[str, Any], target: Mongod
) -> None:
    job = memory.restore(target.client)
    job.load()
    job.swap()

    job.discard()
    job.discard()

    assert content(target.client) == expected
    assert target.client.admin["telamon.restore"].find_one() is None


@pytest.mark.parametrize("name", ["measured", "system.js"])
def test_damage_to_what_has_no_shadow_shows_before_the_target_is_touched(
    name: str, source: Mongod, target: Mongod
) -> None:
    """A time series or stored function is dropped at the swap to be made anew."""
    zoo.fill(source.client)
    taken = take(source.client)
    fill_target(target.client)
    before = content(target.client)

    def damaged(stored: StoredCollection) -> Iterator[bytes]:
        if stored.spec.namespace.name == name and stored.chunks:
            raise RestoreFailed("a chunk is damaged")
        return taken.open(stored)

    job = taken.restore(target.client, documents=damaged)
    with pytest.raises(RestoreFailed, match="a chunk is damaged"):
        job.load()
    job.discard()

    assert content(target.client) == before
