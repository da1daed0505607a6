"""Which part of a file a Range header asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.api import byte_range
from telamon.errors import RangeNotSatisfiable

ETAG = '"abc"'
SIZE = 1000


def wanted(asked: str | None, if_range: str | None = None) -> tuple[int, int] | None:
    return byte_range.wanted(asked, if_range, etag=ETAG, size_bytes=SIZE)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-999", (0, 1000)),
        ("bytes=10-19", (10, 20)),
        ("bytes=999-", (999, 1000)),
        ("bytes=0-", (0, 1000)),
        ("bytes=990-5000", (990, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-1000", (0, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("Bytes=1-2", (1, 3)),
        (" bytes=1-2 ", (1, 3)),
        ("bytes=001-0002", (1, 3)),
    ],
)
def test_a_single_range_is_these_bytes(asked: str, found: tuple[int, int]) -> None:
    assert wanted(asked) == found


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5",
        "bytes=9-5",
        "bytes=0-1,5-6",
        "bytes=a-b",
        "bytes=1-2x",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1.0-2",
        "bytes=\u0661-\u0662",
        "lines=1-2",
        "bytes=" + 30 * "9" + "-",
    ],
)
def test_what_is_no_single_range_of_bytes_is_ignored(asked: str | None) -> None:
    assert wanted(asked) is None


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=1000-1001", "bytes=5000-", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(asked: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        wanted(asked)

    assert caught.value.parameters == (SIZE,)


@pytest.mark.parametrize(
    "if_range", ['"abd"', 'W/"abc"', "abc", "Sun, 01 Mar 2026 12:00:00 GMT", ""]
)
def test_a_range_of_another_file_is_answered_with_the_whole(if_range: str) -> None:
    assert wanted("bytes=10-19", if_range) is None
    assert wanted("bytes=5000-", if_range) is None


def test_a_range_of_this_file_is_answered() -> None:
    assert wanted("bytes=10-19", ETAG) == (10, 20)


@given(st.integers(0, 2 * SIZE), st.integers(0, 2 * SIZE))
def test_whatever_is_answered_lies_in_the_file_and_begins_where_asked(
    first: int, last: int
) -> None:
    try:
        found = wanted(f"bytes={first}-{last}")
    except RangeNotSatisfiable:
        assert first >= SIZE
        return
    if found is None:
        assert last < first
        return
    assert found == (first, min(last + 1, SIZE))
    assert 0 <= found[0] < found[1] <= SIZE
