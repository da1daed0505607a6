"""A gzip file of stored blocks, whole and in ranges."""

import gzip
import io
import random
import shutil
import subprocess
import zlib
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.mongo.stored_gzip import BLOCK_BYTES, MEMBER_CONTENT_BYTES, Content, file_bytes, read

LENGTHS = [
    1,
    BLOCK_BYTES - 1,
    BLOCK_BYTES,
    BLOCK_BYTES + 1,
    MEMBER_CONTENT_BYTES - 1,
    MEMBER_CONTENT_BYTES,
    MEMBER_CONTENT_BYTES + 1,
    2 * MEMBER_CONTENT_BYTES + 3 * BLOCK_BYTES,
]
CONTENT = random.Random(0).randbytes(2 * MEMBER_CONTENT_BYTES + 100_000)


def pieces_of(data: bytes, piece_bytes: int) -> Content:
    def content(start: int, end: int) -> Generator[memoryview]:
        for position in range(start, end, piece_bytes):
            yield memoryview(data)[position : min(position + piece_bytes, end)]

    return content


def whole(data: bytes, piece_bytes: int = 200_000) -> bytes:
    size = file_bytes(len(data))
    return b"".join(read(pieces_of(data, piece_bytes), len(data), 0, size))


@pytest.mark.parametrize("length", LENGTHS)
def test_the_file_is_as_long_as_was_foretold_and_holds_the_content(length: int) -> None:
    data = (CONTENT * 2)[:length]

    made = whole(data)

    assert len(made) == file_bytes(length)
    assert gzip.decompress(made) == data


def test_nothing_is_no_file() -> None:
    assert file_bytes(0) == 0
    assert whole(b"") == b""


@pytest.mark.parametrize("piece_bytes", [1_000, BLOCK_BYTES, 5_000_000])
def test_the_file_is_the_same_in_whatever_pieces_the_content_comes(piece_bytes: int) -> None:
    assert whole(CONTENT, piece_bytes) == whole(CONTENT)


@pytest.mark.skipif(shutil.which("gzip") is None, reason="there is no gzip on the PATH")
def test_the_program_gzip_finds_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "content.gz"
    path.write_bytes(whole(CONTENT))

    subprocess.run(["gzip", "--test", path], check=True)
    assert subprocess.run(["gzip", "-dc", path], capture_output=True, check=True).stdout == CONTENT


@given(st.integers(0, file_bytes(len(CONTENT))), st.integers(0, file_bytes(len(CONTENT))))
@settings(max_examples=60, deadline=None)
def test_any_range_is_that_part_of_the_whole(one: int, other: int) -> None:
    start, end = sorted((one, other))

    found = b"".join(read(pieces_of(CONTENT, 150_000), len(CONTENT), start, end))

    assert found == WHOLE[start:end]


WHOLE = whole(CONTENT)


@pytest.mark.parametrize(
    ("start", "end", "asked"),
    [
        (0, 1, (0, MEMBER_CONTENT_BYTES)),
        (1_048_657, 1_048_658, (0, MEMBER_CONTENT_BYTES)),
        (1_048_658, 1_048_659, (MEMBER_CONTENT_BYTES, 2 * MEMBER_CONTENT_BYTES)),
        (1_048_657, 1_048_659, (0, 2 * MEMBER_CONTENT_BYTES)),
        (len(WHOLE) - 1, len(WHOLE), (2 * MEMBER_CONTENT_BYTES, len(CONTENT))),
    ],
)
def test_a_range_asks_for_the_members_it_touches(
    start: int, end: int, asked: tuple[int, int]
) -> None:
    told = []

    def content(start: int, end: int) -> Generator[memoryview]:
        told.append((start, end))
        yield memoryview(CONTENT)[start:end]

    list(read(content, len(CONTENT), start, end))

    assert told == [asked]


def test_a_flipped_bit_is_found_by_who_unpacks_it() -> None:
    made = bytearray(WHOLE)
    made[500_000] ^= 1

    with pytest.raises(gzip.BadGzipFile):
        gzip.GzipFile(fileobj=io.BytesIO(made)).read()


def test_the_content_is_given_up_when_the_reader_goes() -> None:
    closed = []

    def content(start: int, end: int) -> Generator[memoryview]:
        try:
            yield memoryview(CONTENT)[start:end]
        finally:
            closed.append(True)

    reading = read(content, len(CONTENT), 0, len(WHOLE))
    next(reading)
    reading.close()

    assert closed == [True]


def test_every_member_can_be_unpacked_by_itself() -> None:
    size = file_bytes(MEMBER_CONTENT_BYTES)

    assert (
        zlib.decompress(WHOLE[size : 2 * size], wbits=31)
        == (CONTENT[MEMBER_CONTENT_BYTES : 2 * MEMBER_CONTENT_BYTES])
    )
