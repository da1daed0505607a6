"""What every blob store promises, run over each of them."""

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from telamon.blobs.base import BlobInfo, BlobNotFound, BlobStore, check_key, folder_of, is_key
from telamon.blobs.memory import MemoryBlobStore
from telamon.blobs.opening import open_store, probe
from telamon.errors import IntegrityError, Unrecoverable
from tests.blobs.servers import CREDENTIALS, S3Server

Opener = Callable[[], BlobStore]

ON_A_MEDIUM = ["local", "moto", pytest.param("seaweedfs", marks=pytest.mark.xdist_group("weed"))]

GOOD_KEYS = ["a", "config", "packs/0f/" + "0f" * 32, "a.b", "a-b_c", ".hidden", "..a", "a/b/c/d"]
BAD_KEYS = [
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "A",
    "a b",
    "a\\b",
    "a\0b",
    "a\n",
    "é",
    "a.tmp",
    "a.tmp/b",
    "a" * 513,
]


@pytest.fixture(params=["memory", *ON_A_MEDIUM])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the test's own store, empty at first; each time anew, but for one in memory."""
    if request.param == "memory":
        store = MemoryBlobStore()
        return lambda: store
    if request.param == "local":
        url = (tmp_path / "some blobs").as_uri()
    else:
        server: S3Server = request.getfixturevalue(request.param)
        url = server.url()
    return partial(open_store, url, CREDENTIALS, secrets.token_bytes)


@pytest.fixture
def store(opener: Opener) -> BlobStore:
    return opener()


def keys(store: BlobStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


# Keys


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_key_of_plain_segments_is_taken(key: str, store: BlobStore) -> None:
    assert store.put(key, b"x") is True
    assert keys(store) == [key]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_an_odd_key_is_refused(key: str) -> None:
    assert not is_key(key)
    with pytest.raises(ValueError, match="is no key of a blob"):
        check_key(key)


@pytest.mark.parametrize("key", ["", "../a", "A", "a.tmp"])
def test_no_method_takes_an_odd_key(key: str, store: BlobStore) -> None:
    for call in (
        lambda: store.put(key, b""),
        lambda: store.get(key),
        lambda: store.get_range(key, 0, 0),
        lambda: store.delete(key),
        lambda: store.size(key),
    ):
        with pytest.raises(ValueError, match="is no key of a blob"):
            call()


@pytest.mark.parametrize(
    ("prefix", "folder"),
    [("", ""), ("pa", ""), ("packs/", "packs"), ("packs/0", "packs"), ("packs/0f/a", "packs/0f")],
)
def test_the_folder_of_a_prefix_is_what_stands_before_its_last_slash(
    prefix: str, folder: str
) -> None:
    assert folder_of(prefix) == folder


@pytest.mark.parametrize("prefix", ["/", "/a", "../", "a//", "A", "a/B"])
def test_a_prefix_that_no_key_has_is_refused(prefix: str, store: BlobStore) -> None:
    with pytest.raises(ValueError, match=r"is no (key|prefix) of"):
        list(store.list(prefix))


# Put and get


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 5000])
def test_what_was_put_is_got(data: bytes, store: BlobStore) -> None:
    assert store.put("a/b", data) is True
    assert store.get("a/b") == data


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_a_big_blob_is_put_whole_and_read_in_parts(
    kind: Callable[[bytes], bytes | memoryview], store: BlobStore
) -> None:
    """More than the 5 MiB, or 8, from which clients of object stores like to send parts."""
    data = secrets.token_bytes(9 << 20)
    assert store.put("packs/big", kind(data)) is True
    assert store.put("packs/big", kind(b"other")) is False
    assert store.size("packs/big") == 9 << 20
    assert store.get_range("packs/big", (5 << 20) - 3, 6) == data[(5 << 20) - 3 : (5 << 20) + 3]
    assert store.get("packs/big") == data


def test_what_was_put_is_there_for_whoever_opens_the_store_next(opener: Opener) -> None:
    opener().put("packs/a", b"12345")
    assert opener().get("packs/a") == b"12345"
    assert opener().put("packs/a", b"other") is False
    opener().delete("packs/a")
    assert list(opener().list("")) == []


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind_can_be_put(
    kind: Callable[[bytes], bytes | bytearray | memoryview], store: BlobStore
) -> None:
    store.put("a", kind(b"hello"))
    assert store.get("a") == b"hello"


def test_later_changes_to_what_was_put_do_not_reach_the_blob(store: BlobStore) -> None:
    data = bytearray(b"hello")
    store.put("a", data)
    data[:] = b"world"
    assert store.get("a") == b"hello"


def test_a_second_put_changes_nothing_and_answers_false(store: BlobStore) -> None:
    store.put("a", b"first")
    assert store.put("a", b"second") is False
    assert store.get("a") == b"first"


def test_of_sixteen_puts_at_once_exactly_one_answers_true(store: BlobStore) -> None:
    barrier = threading.Barrier(16)

    def put(number: int) -> bool:
        barrier.wait()
        return store.put("packs/aa/one", bytes([number]) * 100_000)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(put, range(16)))

    assert answers.count(True) == 1
    assert store.get("packs/aa/one") == bytes([answers.index(True)]) * 100_000
    assert keys(store) == ["packs/aa/one"]


def test_of_two_stores_of_one_place_one_answers_true(opener: Opener) -> None:
    stores = [opener() for _ in range(8)]
    barrier = threading.Barrier(8)

    def put(store: BlobStore) -> bool:
        barrier.wait()
        return store.put("config", b"the same")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, stores)) == [False] * 7 + [True]


def test_a_store_passes_its_own_probe_and_nothing_is_left_of_it(store: BlobStore) -> None:
    probe(store, secrets.token_bytes)
    assert keys(store) == []


def test_many_keys_put_at_once_are_all_there(store: BlobStore) -> None:
    wanted = [f"packs/{number % 7}/{number:03}" for number in range(100)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda key: store.put(key, key.encode()), wanted))

    assert answers == [True] * 100
    assert [store.get(key) for key in wanted] == [key.encode() for key in wanted]


# Absence


def test_a_missing_blob_is_not_found_by_any_reader(store: BlobStore) -> None:
    store.put("there/is", b"x")
    for key in ("nothing", "there", "there/was", "there/is/more"):
        for call in (
            lambda key=key: store.get(key),
            lambda key=key: store.get_range(key, 0, 1),
            lambda key=key: store.size(key),
        ):
            with pytest.raises(BlobNotFound) as caught:
                call()
            assert caught.value.message == f"There is no blob {key}."


def test_a_missing_blob_is_an_error_of_the_tree() -> None:
    assert issubclass(BlobNotFound, Unrecoverable)


# Ranges


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [
        (0, 10, b"0123456789"),
        (0, 1, b"0"),
        (9, 1, b"9"),
        (3, 4, b"3456"),
        (0, 0, b""),
        (10, 0, b""),
    ],
)
def test_a_range_is_exactly_those_bytes(
    start: int, length: int, expected: bytes, store: BlobStore
) -> None:
    store.put("a", b"0123456789")
    assert store.get_range("a", start, length) == expected


@pytest.mark.parametrize(
    ("start", "length"), [(0, 11), (9, 2), (10, 1), (11, 0), (1 << 40, 1), (1 << 70, 1)]
)
def test_a_range_beyond_the_end_is_never_a_short_answer(
    start: int, length: int, store: BlobStore
) -> None:
    store.put("a", b"0123456789")
    with pytest.raises(IntegrityError) as caught:
        store.get_range("a", start, length)
    assert caught.value.message == (
        f"Blob a has 10 bytes; bytes {start} to {start + length} were expected in it."
    )


@pytest.mark.parametrize(("start", "length"), [(-1, 1), (0, -1)])
def test_a_range_of_negative_numbers_is_refused(start: int, length: int, store: BlobStore) -> None:
    store.put("a", b"0123456789")
    with pytest.raises(ValueError, match="There is no range"):
        store.get_range("a", start, length)


# Lists, sizes, deletes


def test_an_empty_store_lists_nothing(store: BlobStore) -> None:
    assert list(store.list("")) == []
    assert list(store.list("packs/")) == []


def test_a_list_has_keys_and_sizes(store: BlobStore) -> None:
    store.put("packs/aa", b"12345")
    assert list(store.list("")) == [BlobInfo(key="packs/aa", size_bytes=5)]


def test_a_list_is_in_the_order_of_the_whole_keys(store: BlobStore) -> None:
    """A hyphen and a dot stand before the slash, digits and letters behind it."""
    for key in ["a0", "b/c", "a/z", "a-b", "a/b/c", "a.b", "a/b-c", "c"]:
        store.put(key, b"")
    assert keys(store) == ["a-b", "a.b", "a/b-c", "a/b/c", "a/z", "a0", "b/c", "c"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("packs/", ["packs/0a/1", "packs/0b/2"]),
        ("packs/0a", ["packs/0a/1"]),
        ("packs/0a/1", ["packs/0a/1"]),
        ("p", ["packs/0a/1", "packs/0b/2", "plan"]),
        ("packs/x/", []),
        ("config/", []),
    ],
)
def test_a_list_has_only_what_begins_with_its_prefix(
    prefix: str, expected: list[str], store: BlobStore
) -> None:
    for key in ["packs/0a/1", "packs/0b/2", "plan", "config"]:
        store.put(key, b"")
    assert keys(store, prefix) == expected


@pytest.mark.slow
def test_a_list_of_more_keys_than_a_page_has_is_whole(store: BlobStore) -> None:
    """A page of S3 has 1,000."""
    wanted = [f"packs/{number % 256:02x}/{number:04}" for number in range(1050)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), ["a", *wanted, "z"]))

    assert keys(store, "packs/") == sorted(wanted)
    assert keys(store) == ["a", *sorted(wanted), "z"]
    assert keys(store, "packs/0") == sorted(key for key in wanted if key[6] == "0")
    assert keys(store, "z") == ["z"]


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("a-", ["a-b"]),
        ("a.", ["a.b"]),
        ("a", ["a-b", "a.b", "a/b-c", "a/b/c", "a/z", "a0"]),
        ("a/", ["a/b-c", "a/b/c", "a/z"]),
        ("a/b", ["a/b-c", "a/b/c"]),
        ("a/b-", ["a/b-c"]),
        ("a0", ["a0"]),
        ("b", ["b/c"]),
    ],
)
def test_a_prefix_may_end_where_a_folder_does_or_not(
    prefix: str, expected: list[str], store: BlobStore
) -> None:
    for key in ["a0", "b/c", "a/z", "a-b", "a/b/c", "a.b", "a/b-c", "c"]:
        store.put(key, b"")
    assert keys(store, prefix) == expected


def test_a_deleted_blob_is_gone_and_can_be_put_again(store: BlobStore) -> None:
    store.put("a/b", b"old")
    store.delete("a/b")
    assert keys(store) == []
    assert store.put("a/b", b"new") is True
    assert store.get("a/b") == b"new"


def test_a_delete_of_nothing_does_nothing(store: BlobStore) -> None:
    store.put("a", b"x")
    store.delete("b")
    store.delete("c/d")
    store.delete("a/b")
    assert keys(store) == ["a"]


def test_a_size_is_in_bytes(store: BlobStore) -> None:
    store.put("a", b"12345")
    assert store.size("a") == 5
