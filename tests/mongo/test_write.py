"""Stored bytes on their way into a collection."""

import bson
import pytest
from bson.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from telamon.mongo.elements import MalformedBson
from telamon.mongo.write import batches, one_by_one, sequence, with_zero_timestamps
from tests.mongo import zoo

ZERO = Timestamp(0, 0)
MIB = 1024 * 1024


def document(number: int, size_bytes: int = 0) -> bytes:
    return bson.encode({"_id": number, "x": bytes(size_bytes)})


@given(st.lists(st.lists(st.integers(0, 3 * MIB), max_size=5), max_size=4))
def test_batches_hold_all_documents_in_order(sizes: list[list[int]]) -> None:
    pieces = [b"".join(document(1, size) for size in piece) for piece in sizes]

    found = list(batches(pieces))

    assert b"".join(batch.documents for batch in found) == b"".join(pieces)
    assert sum(batch.count for batch in found) == sum(map(len, sizes))
    assert all(len(batch.documents) <= 8 * MIB for batch in found)


def test_a_batch_has_no_more_documents_than_a_server_takes() -> None:
    piece = document(1) * 100_001

    assert [batch.count for batch in batches([piece])] == [50_000, 50_000, 1]


def test_a_large_document_is_a_batch_of_its_own() -> None:
    pieces = [document(1), document(2, 15 * MIB) + document(3)]

    assert [batch.count for batch in batches(pieces)] == [1, 1, 1]


def test_no_documents_make_no_batch() -> None:
    assert list(batches([b"", b""])) == []


@pytest.mark.parametrize("piece", [b"\x05\x00\x00\x00", document(1)[:-1], b"\x00" * 8])
def test_a_piece_that_is_not_whole_documents_is_refused(piece: bytes) -> None:
    with pytest.raises(MalformedBson):
        list(batches([document(1), piece]))


def test_a_sequence_goes_into_a_message_as_it_is() -> None:
    documents = b"".join(bytes(one.raw) for one in zoo.UNUSUAL)

    for way in (sequence, one_by_one):
        assert b"".join(map(bson.encode, way(documents))) == documents


@pytest.mark.parametrize("number", range(len(zoo.ZERO_TIMESTAMPS)))
def test_a_zero_timestamp_at_the_top_is_found(number: int) -> None:
    wanted = bytes(zoo.ZERO_TIMESTAMPS[number].raw)
    others = [document(1), bson.encode({"_id": 2, "in": {"t": ZERO}}), document(3)]

    found = with_zero_timestamps(others[0] + wanted + others[1] + wanted + others[2])

    assert found == [wanted, wanted]


@pytest.mark.parametrize(
    "innocent",
    [
        {"_id": 1, "in": {"t": ZERO}, "list": [ZERO]},
        {"_id": 1, "t": Timestamp(0, 1), "u": Timestamp(1, 0)},
        {"_id": 1, "x": b"\x11a\x00" + bytes(8)},
        {"_id": 1, "\x11": 0.0, "n": bson.Int64(0)},
        {"_id": ZERO, "x": bytes(100)},
        {"_id": 1, "x": b"\x11" * MIB + bytes(MIB)},
    ],
    ids=range(6),
)
def test_other_documents_are_left_alone(innocent: dict[str, object]) -> None:
    """A server leaves an _id as it is, but to replace such a document does no harm."""
    expected = [bson.encode(innocent)] if innocent["_id"] == ZERO else []

    assert with_zero_timestamps(bson.encode(innocent)) == expected
