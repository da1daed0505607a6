"""The number by which the content of two collections is compared."""

from random import Random

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.mongo.content_sum import ContentSum
from telamon.mongo.elements import MalformedBson

DOCUMENTS = st.lists(st.binary(max_size=20).map(lambda data: bson.encode({"x": data})), max_size=8)
ZEROS = "0" * 32


def summed(*pieces: bytes) -> ContentSum:
    found = ContentSum()
    for piece in pieces:
        found.add(piece)
    return found


def test_nothing_is_zero() -> None:
    found = summed(b"", b"")

    assert (found.documents, found.size_bytes, found.hexdigest) == (0, 0, ZEROS)


@given(DOCUMENTS, st.randoms(), st.integers(0, 8))
def test_neither_order_nor_batches_matter(documents: list[bytes], random: Random, cut: int) -> None:
    shuffled = list(documents)
    random.shuffle(shuffled)

    one = summed(*documents)
    other = summed(b"".join(shuffled[:cut]), b"".join(shuffled[cut:]))

    assert one.hexdigest == other.hexdigest
    assert (one.documents, one.size_bytes) == (len(documents), sum(map(len, documents)))
    assert (other.documents, other.size_bytes) == (one.documents, one.size_bytes)


def test_every_occurrence_counts() -> None:
    document = bson.encode({"_id": 1})

    found = {summed(*[document] * times).hexdigest for times in range(4)}

    assert len(found) == 4


@given(st.binary(min_size=1, max_size=40), st.integers(0, 39), st.integers(0, 7))
def test_a_changed_bit_is_another_content(data: bytes, place: int, bit: int) -> None:
    altered = bytearray(data)
    altered[place % len(data)] ^= 1 << bit

    whole, other = (bson.encode({"x": each}) for each in (data, bytes(altered)))

    assert summed(whole).hexdigest != summed(other).hexdigest


def test_a_sum_stays_within_its_digits() -> None:
    many = b"".join(bson.encode({"_id": number}) for number in range(1000))

    assert len(summed(many, many).hexdigest) == 32


@pytest.mark.parametrize("data", [b"\x00", bytes(5), bson.encode({"a": 1})[:-1], b"\xff" * 9])
def test_what_is_not_whole_documents_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBson):
        summed(data)
