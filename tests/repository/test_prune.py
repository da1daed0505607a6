"""Giving back space: what is planned, and what is left afterwards."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.prune import Action, PackFacts, Prune, plan_prune
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    SECOND,
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
    take,
)

MIB = 1024 * 1024
SECRET = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)


def pack(name: str, used: int, unused: int) -> PackFacts:
    return PackFacts(
        key=name, used_bytes=used * MIB, unused_bytes=unused * MIB, size_bytes=(used + unused) * MIB
    )


def actions(*packs: PackFacts, percent: float = 5.0) -> dict[str, str]:
    plan = plan_prune(packs, max_unused_percent=percent)
    return {decision.pack.key: decision.action.value for decision in plan.decisions}


@pytest.mark.parametrize(
    ("packs", "expected"),
    [
        ([], {}),
        ([pack("a", 60, 0)], {"a": "keep"}),
        ([pack("a", 0, 60)], {"a": "delete"}),
        ([pack("a", 60, 3)], {"a": "keep"}),
        ([pack("a", 60, 4)], {"a": "repack"}),
        # The worst goes first, and what is left may stay.
        ([pack("a", 55, 5), pack("b", 30, 30), pack("c", 60, 0)], {"a": "keep", "b": "repack", "c": "keep"}),
        ([pack("a", 0, 60), pack("b", 59, 1)], {"a": "delete", "b": "keep"}),
        # Small packs are merged when there are many.
        ([pack(str(n), 1, 0) for n in range(9)], {str(n): "keep" for n in range(9)}),
        ([pack(str(n), 1, 0) for n in range(10)], {str(n): "repack" for n in range(10)}),
        ([pack("a", 60, 0), *(pack(str(n), 1, 0) for n in range(10))],
         {"a": "keep", **{str(n): "repack" for n in range(10)}}),
    ],
)  # fmt: skip
def test_plan(packs: list[PackFacts], expected: dict[str, str]) -> None:
    assert actions(*packs) == expected


def test_every_byte_to_spare_goes_if_none_is_tolerated() -> None:
    assert actions(pack("a", 63, 1), pack("b", 64, 0), percent=0) == {"a": "repack", "b": "keep"}


def test_a_plan_gives_reasons_and_bytes() -> None:
    plan = plan_prune([pack("a", 30, 30), pack("b", 0, 60), pack("c", 60, 0)])
    assert [decision.reason for decision in plan.decisions] == [
        "50 % of it is not needed",
        "nothing in it is needed",
        "it is needed",
    ]
    assert plan.freed_bytes == 90 * MIB
    assert plan.rewritten_bytes == 30 * MIB


_PACKS = st.lists(st.tuples(st.integers(0, 64), st.integers(0, 64)), max_size=30)


@given(_PACKS, st.floats(0, 100))
def test_any_plan_keeps_what_is_needed_and_leaves_little_to_spare(
    sizes: list[tuple[int, int]], percent: float
) -> None:
    packs = [pack(f"{n:03}", used, unused) for n, (used, unused) in enumerate(sizes)]
    plan = plan_prune(packs, max_unused_percent=percent)
    assert [decision.pack for decision in plan.decisions] == packs
    for decision in plan.of(Action.DELETE):
        assert decision.pack.used_bytes == 0
    kept = [decision.pack for decision in plan.of(Action.KEEP)]
    held = sum(found.used_bytes + found.unused_bytes for found in packs if found.used_bytes)
    assert sum(found.unused_bytes for found in kept) <= percent * held / 100 + 1


# Executed


@pytest.fixture(params=[None, SECRET], ids=["plain", "encrypted"])
def repository(request: pytest.FixtureRequest, small_packs: None) -> Repository:
    return Repository.create(MemoryBlobStore(), secrets.token_bytes, SMALL_CUT, request.param)


def reopened(repository: Repository) -> Repository:
    secret = SECRET if repository.keys.cipher is not None else None
    return Repository.open(repository.store, secret)


def pack_bytes(repository: Repository) -> int:
    return sum(info.size_bytes for info in repository.store.list("packs/"))


def prune(repository: Repository, percent: float = 0.0) -> Prune:
    return Prune(repository, max_unused_percent=percent)


def test_what_a_deleted_snapshot_alone_needed_is_gone(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80), "noise": noise(60)})
    take(repository, SECOND, {"orders": orders(80)})
    before = pack_bytes(repository)
    repository.delete_snapshot(FIRST)
    planned = prune(repository)
    result = planned.execute()
    assert result.kept == ()
    assert before - pack_bytes(repository) == result.freed_bytes
    assert result.freed_bytes == pytest.approx(planned.plan.freed_bytes, abs=1000)
    assert read(reopened(repository), SECOND) == {"orders": b"".join(orders(80))}
    assert read(repository, SECOND) == {"orders": b"".join(orders(80))}


def test_a_second_prune_has_nothing_to_do(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80), "noise": noise(60)})
    take(repository, SECOND, {"orders": orders(80)})
    repository.delete_snapshot(FIRST)
    prune(repository).execute()
    before = keys(repository.store)
    again = prune(reopened(repository))
    assert again.plan.of(Action.DELETE) == ()
    again.execute()
    assert pack_bytes(repository) <= sum(repository.store.size(key) for key in before)
    assert read(reopened(repository), SECOND) == {"orders": b"".join(orders(80))}


def test_without_snapshots_nothing_is_left(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80)})
    repository.delete_snapshot(FIRST)
    repository.delete_snapshot(FIRST)
    prune(repository).execute()
    assert keys(repository.store, "packs/") == []


def test_a_plan_changes_nothing(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80)})
    repository.delete_snapshot(FIRST)
    before = keys(repository.store)
    assert prune(repository).plan.of(Action.DELETE)
    assert keys(repository.store) == before


def test_the_base_of_a_delta_that_is_needed_stays(repository: Repository) -> None:
    with repository.begin() as writer:
        first = writer.add([b"".join(orders(80))])
        writer.commit(manifest(FIRST, [collection("orders", first)]))
    changed = [document(n, "new") if n % 20 == 3 else document(n) for n in range(80)]
    with repository.begin() as writer:
        second = writer.add([b"".join(changed)], first)
        assert writer.counts.delta_chunks > 0
        writer.commit(manifest(SECOND, [collection("orders", second)]))
    repository.delete_snapshot(FIRST)
    prune(repository).execute()
    assert read(reopened(repository), SECOND) == {"orders": b"".join(changed)}
    repository.delete_snapshot(SECOND)
    prune(repository).execute()
    assert keys(repository.store, "packs/") == []


def test_copies_are_kept_once(repository: Repository) -> None:
    """Two writers that know nothing of each other store the same."""
    late = reopened(repository)
    with late.begin() as writer:
        chunks = writer.add([b"".join([*noise(5), *orders(80)])])
        take(repository, FIRST, {"orders": orders(80)})
        writer.commit(manifest(SECOND, [collection("orders", chunks)]))
    before = reopened(repository)
    before.index.refresh()
    assert any(before.index.find_copies(chunk.chunk_id) for chunk in chunks)
    prune(before).execute()
    assert not any(before.index.find_copies(chunk.chunk_id) for chunk in chunks)
    assert read(reopened(repository), FIRST) == {"orders": b"".join(orders(80))}
    assert read(reopened(repository), SECOND) == {"orders": b"".join([*noise(5), *orders(80)])}


def test_a_damaged_copy_never_outlives_the_good_one(repository: Repository) -> None:
    late = reopened(repository)
    with late.begin() as writer:
        chunks = writer.add([b"".join(orders(80))])
        take(repository, FIRST, {"orders": orders(80), "noise": noise(3)})
        writer.commit(manifest(SECOND, [collection("orders", chunks)]))
    repository.index.refresh()
    for chunk in chunks:
        place = repository.index.find(chunk.chunk_id)
        assert place is not None
        if repository.index.find_copies(chunk.chunk_id):
            blob = repository.store.get(place.pack_key)
            replace_blob(repository.store, place.pack_key, flip(blob, place.offset + 30, 5))
    fresh = reopened(repository)
    before = read(fresh, SECOND)
    prune(fresh).execute()
    assert read(reopened(repository), SECOND) == before == {"orders": b"".join(orders(80))}


def test_a_pack_whose_chunks_cannot_be_proven_stays(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80), "noise": noise(60)})
    taken = take(repository, SECOND, {"orders": orders(80)})
    repository.delete_snapshot(FIRST)
    place = repository.index.locate(taken.collections[0].chunks[0].chunk_id)
    blob = repository.store.get(place.pack_key)
    replace_blob(repository.store, place.pack_key, flip(blob, place.offset + 30, 5))
    fresh = reopened(repository)
    planned = prune(fresh)
    leaving = {decision.pack.key for decision in planned.plan.of(Action.REPACK)}
    result = planned.execute()
    if place.pack_key in leaving:
        (sentence,) = result.kept
        assert sentence.startswith(f"Pack {place.pack_key} is kept: Chunk ")
    assert place.pack_key in keys(repository.store)


def test_of_a_pack_that_stays_nothing_is_written_again(repository: Repository) -> None:
    """Its last chunk is the one that cannot be proven."""
    taken = take(repository, FIRST, {f"part{n}": orders(5, start=10 * n) for n in range(8)})
    take(repository, SECOND, {"noise": noise(60)})
    repository.index.refresh()
    places = [
        repository.index.locate(stored.chunks[0].chunk_id)
        for stored in taken.collections
        if stored.chunks
    ]
    key = places[0].pack_key
    inside = sorted(place.offset for place in places if place.pack_key == key)
    assert len(inside) > 2
    replace_blob(repository.store, key, flip(repository.store.get(key), inside[-1] + 30, 5))
    keeping = [stored for stored in taken.collections if stored.chunks][1:]
    repository.delete_snapshot(FIRST)
    with repository.begin() as writer:
        writer.commit(manifest(FIRST, keeping))
    before = keys(repository.store)

    result = prune(reopened(repository)).execute()

    assert len(result.kept) == 1
    assert (result.deleted, result.written_bytes, result.freed_bytes) == ((), 0, 0)
    assert keys(repository.store) == before


def test_an_unreadable_manifest_stops_everything(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80)})
    take(repository, SECOND, {"noise": noise(60)})
    key = f"snapshots/{SECOND}"
    replace_blob(repository.store, key, repository.store.get(key)[:-1])
    with pytest.raises(IntegrityError, match=f"{SECOND} is damaged.*so nothing is pruned"):
        prune(repository)


def test_a_pack_whose_index_cannot_be_read_is_left_alone(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80)})
    key = keys(repository.store, "packs/")[0]
    replace_blob(repository.store, key, flip(repository.store.get(key), -1))
    repository.delete_snapshot(FIRST)
    prune(reopened(repository)).execute()
    assert keys(repository.store, "packs/") == [key]


def test_many_small_packs_become_few(repository: Repository) -> None:
    for number in range(12):
        take(repository, f"{number:024x}", {"orders": orders(10, start=100 * number)})
    before = len(keys(repository.store, "packs/"))
    assert before >= 12
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("telamon.repository.pack.PACK_TARGET_BYTES", 64 * MIB)
        prune(reopened(repository)).execute()
    assert len(keys(repository.store, "packs/")) == 1
    for number in range(12):
        expected = b"".join(orders(10, start=100 * number))
        assert read(reopened(repository), f"{number:024x}") == {"orders": expected}


def test_progress_ends_at_the_whole(repository: Repository) -> None:
    take(repository, FIRST, {"orders": orders(80), "noise": noise(60)})
    repository.delete_snapshot(FIRST)
    told: list[tuple[int, int]] = []
    prune(repository).execute(lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] > 1
    assert told == sorted(told)
