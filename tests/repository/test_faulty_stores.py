"""A store that fails, lies or lags: nothing is restored wrong, and what is completed stays whole."""

import random
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.blobs.base import BlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import TelamonError, Unavailable
from telamon.repository.check import Check
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from tests.blobs.faulty import (
    READS,
    Fail,
    Fault,
    FaultyStore,
    FlippedBit,
    HalfPut,
    Hold,
    LostPut,
    Method,
    ShortRead,
)
from tests.repository.samples import FIRST, SECOND, SMALL_CUT, keys, noise, orders, read, take

OLD = {"orders": orders(80)}
NEW = {"orders": orders(120), "noise": noise(40)}


def joined(content: dict[str, list[bytes]]) -> dict[str, bytes]:
    return {name: b"".join(documents) for name, documents in content.items()}


@pytest.fixture
def inner(small_packs: None) -> MemoryBlobStore:
    """With one snapshot."""
    store = MemoryBlobStore()
    take(Repository.create(store, secrets.token_bytes, SMALL_CUT), FIRST, OLD)
    return store


def findings(store: BlobStore, *expected: str) -> int:
    check = Check(Repository.open(store), random.Random(1))
    return len(check.run(read_data_percent=100, expected=expected).findings)


def attempt(work: Callable[[], object]) -> TelamonError | None:
    try:
        work()
    except TelamonError as error:
        return error
    return None


METHODS: list[Method] = ["put", "get", "get_range", "list", "size"]


@pytest.mark.parametrize("lost_answer", [False, True], ids=["fails", "answer lost"])
@pytest.mark.parametrize("nth", [1, 2, 3, 5])
@pytest.mark.parametrize("method", METHODS)
def test_a_snapshot_over_a_failing_medium_fails_or_is_whole(
    method: Method, nth: int, lost_answer: bool, inner: MemoryBlobStore
) -> None:
    faulty = FaultyStore(inner, Fail(method, nth=nth, lost_answer=lost_answer))
    failure = attempt(lambda: take(Repository.open(faulty), SECOND, NEW))
    assert failure is None or isinstance(failure, Unavailable)
    assert findings(inner, FIRST) == 0
    survivor = Repository.open(inner)
    assert read(survivor, FIRST) == joined(OLD)
    if failure is None or survivor.has_manifest(SECOND):
        assert read(survivor, SECOND) == joined(NEW)
    take(survivor, SECOND, NEW)
    assert read(survivor, SECOND) == joined(NEW)


@pytest.mark.parametrize("fault", [FlippedBit, ShortRead])
@pytest.mark.parametrize("method", READS)
@pytest.mark.parametrize("seed", range(5))
def test_wrong_answers_are_never_taken_for_documents(
    seed: int, method: Method, fault: type[Fault], inner: MemoryBlobStore
) -> None:
    faulty = FaultyStore(inner, fault(method, times=None), seed=seed)
    found: list[dict[str, bytes]] = []
    failure = attempt(lambda: found.append(read(Repository.open(faulty), FIRST)))
    assert failure is not None or found == [joined(OLD)]


@pytest.mark.parametrize("nth", range(1, 6))
def test_an_answer_that_is_wrong_once_harms_nothing(nth: int, inner: MemoryBlobStore) -> None:
    """Another look finds what is there."""
    faulty = FaultyStore(inner, FlippedBit("get_range", nth=nth, prefix="packs/"))
    assert read(Repository.open(faulty), FIRST) == joined(OLD)


@pytest.mark.parametrize("fault", [LostPut, HalfPut])
@pytest.mark.parametrize("nth", range(1, 6))
def test_a_put_that_lied_is_found_by_the_check_and_never_restored(
    nth: int, fault: type[Fault], inner: MemoryBlobStore
) -> None:
    faulty = FaultyStore(inner, fault("put", nth=nth))
    failure = attempt(lambda: take(Repository.open(faulty), SECOND, NEW))
    happened = len([1 for method, _ in faulty.calls if method == "put"]) >= nth
    survivor = Repository.open(inner)
    assert read(survivor, FIRST) == joined(OLD)
    if failure is None and happened:
        assert findings(inner, FIRST, SECOND) > 0
        assert attempt(lambda: read(survivor, SECOND)) is not None


def test_a_pack_that_got_lost_is_stored_again_by_the_next_snapshot(
    inner: MemoryBlobStore,
) -> None:
    take(Repository.open(FaultyStore(inner, LostPut("put", prefix="packs/"))), SECOND, NEW)
    assert findings(inner, FIRST, SECOND) > 0
    third = "65f0000000000000000000a3"
    take(Repository.open(inner), third, NEW)
    assert findings(inner, FIRST, SECOND, third) == 0
    assert read(Repository.open(inner), SECOND) == joined(NEW)


@pytest.mark.parametrize("lag", [1, 3, 10])
def test_listings_that_come_late_lose_nothing(lag: int, inner: MemoryBlobStore) -> None:
    faulty = FaultyStore(inner, new_keys_lag=lag, deleted_keys_lag=lag)
    take(Repository.open(faulty), SECOND, NEW)
    late = Repository.open(faulty)
    third = "65f0000000000000000000a3"
    take(late, third, NEW)
    assert read(Repository.open(inner), SECOND) == joined(NEW)
    assert read(Repository.open(inner), third) == joined(NEW)
    assert findings(inner, FIRST, SECOND, third) == 0


@pytest.mark.parametrize("nth", range(1, 8))
@pytest.mark.parametrize("method", ["put", "get_range", "delete", "list"])
def test_a_prune_over_a_failing_medium_loses_nothing(
    method: Method, nth: int, inner: MemoryBlobStore
) -> None:
    take(Repository.open(inner), SECOND, NEW)
    Repository.open(inner).delete_snapshot(FIRST)
    third = "65f0000000000000000000a3"
    take(Repository.open(inner), third, {"noise": noise(40, 300)})
    Repository.open(inner).delete_snapshot(third)
    faulty = FaultyStore(inner, Fail(method, nth=nth))
    attempt(lambda: Prune(Repository.open(faulty), max_unused_percent=0).execute())
    assert findings(inner, SECOND) == 0
    assert read(Repository.open(inner), SECOND) == joined(NEW)
    Prune(Repository.open(inner), max_unused_percent=0).execute()
    assert read(Repository.open(inner), SECOND) == joined(NEW)


def test_a_slow_put_holds_a_snapshot_and_nothing_else(inner: MemoryBlobStore) -> None:
    """The next pack fills meanwhile, and readers go on."""
    hold = Hold("put", prefix="packs/")
    faulty = FaultyStore(inner, hold)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(take, Repository.open(faulty), SECOND, NEW)
        assert hold.reached.wait(30)
        assert read(Repository.open(faulty), FIRST) == joined(OLD)
        assert not Repository.open(inner).has_manifest(SECOND)
        hold.released.set()
        taking.result(30)
    assert read(Repository.open(inner), SECOND) == joined(NEW)
    assert threading.active_count() >= 1


_FAULTS = st.one_of(
    st.builds(
        Fail,
        st.sampled_from(METHODS),
        nth=st.integers(1, 8),
        times=st.integers(1, 3),
        lost_answer=st.booleans(),
    ),
    st.builds(FlippedBit, st.sampled_from(READS), nth=st.integers(1, 8), times=st.integers(1, 3)),
    st.builds(ShortRead, st.sampled_from(READS), nth=st.integers(1, 8), times=st.integers(1, 3)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_FAULTS, min_size=1, max_size=4), st.integers(0, 1000))
def test_any_faults_of_reading_and_failing_leave_whole_snapshots(
    faults: list[Fault], seed: int
) -> None:
    inner = MemoryBlobStore()
    take(Repository.create(inner, secrets.token_bytes, SMALL_CUT), FIRST, OLD)
    faulty = FaultyStore(inner, *faults, seed=seed)
    completed = attempt(lambda: take(Repository.open(faulty), SECOND, NEW)) is None
    attempt(lambda: Prune(Repository.open(faulty), max_unused_percent=0).execute())
    survivor = Repository.open(inner)
    assert read(survivor, FIRST) == joined(OLD)
    assert survivor.has_manifest(SECOND) or not completed
    if survivor.has_manifest(SECOND):
        assert read(survivor, SECOND) == joined(NEW)
    assert findings(inner, *survivor.snapshot_ids()) == 0
    assert len(keys(inner, "snapshots/")) == 1 + survivor.has_manifest(SECOND)
