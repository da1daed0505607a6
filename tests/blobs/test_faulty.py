"""The store that misbehaves as it is told."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from telamon.blobs.base import BlobInfo, BlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import Unavailable
from tests.blobs.faulty import (
    CrashError,
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

METHODS: list[Method] = ["put", "get", "get_range", "list", "delete", "size"]
CONTENT = bytes(range(200))


@pytest.fixture
def inner() -> MemoryBlobStore:
    store = MemoryBlobStore()
    for key in ("packs/a", "packs/b", "plan"):
        store.put(key, CONTENT)
    return store


def call(store: BlobStore, method: Method, key: str) -> object:
    match method:
        case "put":
            return store.put(key, b"x")
        case "get":
            return store.get(key)
        case "get_range":
            return store.get_range(key, 10, 100)
        case "list":
            return list(store.list(key))
        case "delete":
            store.delete(key)
            return None
        case "size":
            return store.size(key)


def outcomes(store: BlobStore, method: Method, keys: list[str]) -> list[bool]:
    """Whether each call in turn succeeded."""
    answers = []
    for key in keys:
        try:
            call(store, method, key)
        except Unavailable:
            answers.append(False)
        else:
            answers.append(True)
    return answers


def keys(store: BlobStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def differing_bits(one: bytes, other: bytes) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))


# Which calls


@pytest.mark.parametrize("method", METHODS)
def test_a_fault_happens_to_the_nth_call_of_its_method(
    method: Method, inner: MemoryBlobStore
) -> None:
    store = FaultyStore(inner, Fail(method, nth=2))
    others: list[Method] = [other for other in METHODS if other not in (method, "delete")]

    for other in others:
        assert outcomes(store, other, ["packs/a"] * 3) == [True] * 3
    assert outcomes(store, method, ["packs/a"] * 4) == [True, False, True, True]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fail("size"), [False, True, True, True]),
        (Fail("size", times=2), [False, False, True, True]),
        (Fail("size", nth=2, times=2), [True, False, False, True]),
        (Fail("size", nth=3, times=None), [True, True, False, False]),
    ],
)
def test_a_fault_happens_so_many_times(
    fault: Fault, expected: list[bool], inner: MemoryBlobStore
) -> None:
    assert outcomes(FaultyStore(inner, fault), "size", ["plan"] * 4) == expected


def test_only_keys_of_the_prefix_are_counted(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("size", prefix="packs/", nth=2))

    called = ["packs/a", "plan", "plan", "packs/b", "packs/a"]

    assert outcomes(store, "size", called) == [True, True, True, False, True]


def test_each_fault_counts_for_itself(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("size", nth=1), Fail("size", nth=3))

    assert outcomes(store, "size", ["plan"] * 4) == [False, True, False, True]


def test_calls_are_kept_in_order(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("get"))
    outcomes(store, "get", ["plan"])
    store.size("packs/a")
    keys(store, "packs/")

    assert store.calls == [("get", "plan"), ("size", "packs/a"), ("list", "packs/")]


def test_without_faults_it_is_the_store_below(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner)

    assert store.put("new", b"12345") is True
    assert store.put("new", b"other") is False
    assert store.get("new") == b"12345"
    assert store.get_range("new", 1, 2) == b"23"
    assert store.size("new") == 5
    assert keys(store) == keys(inner) == ["new", "packs/a", "packs/b", "plan"]
    store.delete("new")
    assert keys(store) == keys(inner) == ["packs/a", "packs/b", "plan"]


# Errors


def test_a_call_that_fails_does_nothing(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("put"), Fail("delete"))

    assert outcomes(store, "put", ["new"]) == outcomes(store, "delete", ["plan"]) == [False]

    assert keys(inner) == ["packs/a", "packs/b", "plan"]


def test_a_call_whose_answer_is_lost_is_done(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("put", lost_answer=True), Fail("delete", lost_answer=True))

    assert outcomes(store, "put", ["new"]) == outcomes(store, "delete", ["plan"]) == [False]

    assert keys(inner) == ["new", "packs/a", "packs/b"]


def test_a_listing_can_break_off(inner: MemoryBlobStore) -> None:
    listing = FaultyStore(inner, Fail("list", lost_answer=True)).list("packs/")

    assert [next(listing).key, next(listing).key] == ["packs/a", "packs/b"]
    with pytest.raises(Unavailable):
        next(listing)


def test_the_error_can_be_any(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("get", error=CrashError))

    with pytest.raises(CrashError, match="plan"):
        store.get("plan")


# Delay


def test_a_call_is_held_until_it_is_released(inner: MemoryBlobStore) -> None:
    hold = Hold("put", prefix="packs/")
    store = FaultyStore(inner, hold)

    with ThreadPoolExecutor(1) as pool:
        put = pool.submit(store.put, "packs/c", b"late")
        assert hold.reached.wait(30)
        assert store.put("other", b"early") is True
        before = keys(inner)
        hold.released.set()
        assert put.result(30) is True

    assert before == ["other", "packs/a", "packs/b", "plan"]
    assert inner.get("packs/c") == b"late"


# Wrong bytes


@pytest.mark.parametrize("method", ["get", "get_range"])
@pytest.mark.parametrize("seed", range(20))
def test_a_short_read_is_the_beginning_and_never_all(
    method: Method, seed: int, inner: MemoryBlobStore
) -> None:
    store = FaultyStore(inner, ShortRead(method), seed=seed)

    whole = call(inner, method, "plan")
    read = call(store, method, "plan")

    assert isinstance(whole, bytes)
    assert isinstance(read, bytes)
    assert len(read) < len(whole)
    assert whole.startswith(read)
    assert call(store, method, "plan") == whole


@pytest.mark.parametrize("method", ["get", "get_range"])
@pytest.mark.parametrize("seed", range(20))
def test_exactly_one_bit_is_flipped_and_the_medium_is_whole(
    method: Method, seed: int, inner: MemoryBlobStore
) -> None:
    store = FaultyStore(inner, FlippedBit(method), seed=seed)

    whole = call(inner, method, "plan")
    read = call(store, method, "plan")

    assert isinstance(whole, bytes)
    assert isinstance(read, bytes)
    assert differing_bits(whole, read) == 1
    assert call(store, method, "plan") == whole


def test_the_same_seed_does_the_same_harm(inner: MemoryBlobStore) -> None:
    def harm(seed: int) -> list[bytes]:
        store = FaultyStore(inner, FlippedBit("get", times=None), ShortRead("get"), seed=seed)
        return [store.get("plan") for _ in range(5)]

    assert harm(7) == harm(7)
    assert harm(7) != harm(8)


def test_only_reads_can_be_wrong() -> None:
    with pytest.raises(AssertionError):
        FlippedBit("put")


# Puts that lie


def test_a_lost_put_says_true_and_stores_nothing(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, LostPut(prefix="packs/"))

    assert store.put("packs/c", b"lost") is True

    assert keys(inner, "packs/") == ["packs/a", "packs/b"]
    assert store.put("packs/c", b"kept") is True
    assert inner.get("packs/c") == b"kept"


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_half_a_put_says_true_and_stores_the_first_half(
    kind: type[bytes] | type[bytearray] | type[memoryview], inner: MemoryBlobStore
) -> None:
    store = FaultyStore(inner, HalfPut())

    assert store.put("packs/c", kind(CONTENT)) is True

    assert inner.get("packs/c") == CONTENT[:100]


# Listings that lag


def test_a_new_key_is_missing_from_the_first_listings(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, new_keys_lag=2)
    store.put("packs/c", b"new")

    listings = [keys(store, "packs/") for _ in range(4)]

    late, there = ["packs/a", "packs/b"], ["packs/a", "packs/b", "packs/c"]
    assert listings == [late, late, there, there]
    assert store.get("packs/c") == b"new"


def test_a_listing_of_other_keys_makes_no_key_appear(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, new_keys_lag=1)
    store.put("packs/c", b"new")

    assert keys(store, "pl") == ["plan"]
    assert keys(store, "packs/") == ["packs/a", "packs/b"]


def test_a_deleted_key_is_in_the_first_listings_still(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, deleted_keys_lag=2)
    store.delete("packs/a")

    listings = [list(store.list("packs/")) for _ in range(3)]

    a, b = BlobInfo(key="packs/a", size_bytes=200), BlobInfo(key="packs/b", size_bytes=200)
    assert listings == [[a, b], [a, b], [b]]
    assert inner.size("packs/b") == 200


def test_a_deleted_key_that_was_put_again_is_listed_once(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, deleted_keys_lag=5)
    store.delete("packs/a")
    store.put("packs/a", b"again")

    assert list(store.list("packs/a")) == [BlobInfo(key="packs/a", size_bytes=5)]


def test_a_new_key_that_was_deleted_is_not_waited_for(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, new_keys_lag=5)
    store.put("packs/c", b"new")
    store.delete("packs/c")
    inner.put("packs/c", b"by somebody else")

    assert keys(store, "packs/c") == ["packs/c"]


def test_of_many_threads_calls_exactly_the_nth_fails(inner: MemoryBlobStore) -> None:
    store = FaultyStore(inner, Fail("put", nth=5, times=3))
    barrier = threading.Barrier(8)

    def put(number: int) -> list[bool]:
        barrier.wait()
        return outcomes(store, "put", [f"packs/{number}/{n}" for n in range(10)])

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for each in pool.map(put, range(8)) for answer in each]

    assert answers.count(False) == 3
    assert len(keys(inner)) == 3 + 80 - 3
