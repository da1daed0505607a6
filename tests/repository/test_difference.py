"""Chunks as differences from older ones."""

import random
import struct

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.errors import IntegrityError
from telamon.repository.difference import combine, difference
from tests.repository.samples import document, noise, orders

OLD = orders(40)


def text(number: int, note: str) -> bytes:
    """A kilobyte that compresses by itself, but not to nothing."""
    chance = random.Random(number)
    words = " ".join(f"{chance.randrange(10**6):x}" for _ in range(150))
    return bson.encode({"_id": number, "note": note, "text": words})


def differ(new: list[bytes], old: list[bytes]) -> bytes:
    """The difference, proven to give back what it was made of."""
    raw, base = b"".join(new), b"".join(old)
    stored = difference(raw, base)
    assert stored is not None
    assert combine(stored, base, len(raw)) == raw
    return stored


def steps(stored: bytes) -> list[tuple[int, int, int]]:
    (count,) = struct.unpack_from("<I", stored)
    return list(struct.iter_unpack("<III", stored[4 : 4 + 12 * count]))


def span(documents: list[bytes]) -> int:
    return sum(map(len, documents))


def test_nothing_changed_is_one_copy() -> None:
    assert steps(differ(OLD, OLD)) == [(0, 0, span(OLD))]


def test_a_changed_document_is_a_literal_between_two_copies() -> None:
    new = [*OLD[:10], document(10, "changed"), *OLD[11:]]
    assert steps(differ(new, OLD)) == [
        (0, 0, span(OLD[:10])),
        (len(new[10]), span(OLD[:11]), span(OLD[11:])),
    ]


def test_a_document_that_grew_moves_nothing_else() -> None:
    new = [*OLD[:10], document(10, "changed " * 30), *OLD[11:]]
    assert steps(differ(new, OLD))[1][1:] == (span(OLD[:11]), span(OLD[11:]))


def test_deleted_documents_cost_a_step() -> None:
    new = [*OLD[3:10], *OLD[20:]]
    assert steps(differ(new, OLD)) == [
        (0, span(OLD[:3]), span(OLD[3:10])),
        (0, span(OLD[:20]), span(OLD[20:])),
    ]


def test_inserted_documents_are_literals() -> None:
    new = [document(-1), *OLD[:10], document(100), *OLD[10:], document(101)]
    assert steps(differ(new, OLD)) == [
        (len(new[0]), 0, span(OLD[:10])),
        (len(new[11]), span(OLD[:10]), span(OLD[10:])),
    ]


def test_documents_that_moved_are_found() -> None:
    new = [*OLD[30:], *OLD[:30]]
    assert steps(differ(new, OLD)) == [
        (0, span(OLD[:30]), span(OLD[30:])),
        (0, 0, span(OLD[:30])),
    ]


def test_a_field_changed_in_each_tenth_document_costs_little_more_than_the_field() -> None:
    """The older versions of the changed documents are the dictionary of the new ones."""
    old = [text(number, "a") for number in range(100)]
    new = [text(n, "b") if n % 10 == 0 else old[n] for n in range(100)]
    assert len(differ(new, old)) < 10 * (12 + 40) + 50


def test_what_is_half_new_is_no_difference() -> None:
    fresh = orders(40, start=1000)
    assert difference(b"".join([*OLD[:19], *fresh[:21]]), b"".join(OLD)) is None
    assert differ([*OLD[:21], *fresh[:19]], OLD)


@pytest.mark.parametrize("base", [b"", bson.encode({"a": 1})])
def test_a_base_with_nothing_in_common_is_of_no_use(base: bytes) -> None:
    assert difference(b"".join(OLD), base) is None


_DOCUMENTS = st.lists(
    st.builds(
        lambda number, note: bson.encode({"_id": number, "note": note * 20}),
        st.integers(0, 12),
        st.text(alphabet="ab", max_size=3),
    ),
    max_size=25,
)


@given(_DOCUMENTS, _DOCUMENTS)
def test_what_was_taken_apart_is_put_together(new: list[bytes], old: list[bytes]) -> None:
    """Also where ids come twice, in any order."""
    raw, base = b"".join(new), b"".join(old)
    stored = difference(raw, base)
    if stored is not None:
        assert combine(stored, base, len(raw)) == raw


@given(st.lists(st.sampled_from(["keep", "change", "drop", "insert"]), min_size=5, max_size=60))
def test_changes_cost_the_documents_that_changed(actions: list[str]) -> None:
    old = noise(len(actions))
    new: list[bytes] = []
    changed = 0
    for number, action in enumerate(actions):
        if action == "keep":
            new.append(old[number])
        elif action != "drop":
            key = number if action == "change" else 1000 + number
            new.append(bson.encode({"_id": key, "noise": random.Random(key).randbytes(150)}))
            changed += 1
    raw = b"".join(new)
    stored = difference(raw, b"".join(old))
    if stored is None:
        assert 2 * span([d for d in new if d not in old]) > len(raw)
    else:
        assert len(stored) <= 4 + 12 * (len(actions) + 1) + changed * 200 + 30


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_garbage_is_refused_or_of_the_asked_length_at_most(stored: bytes, base: bytes) -> None:
    try:
        raw = combine(stored, base, 1000)
    except IntegrityError:
        return
    assert len(raw) <= 2000


def test_copies_outside_the_base_are_refused() -> None:
    stored = struct.pack("<IIII", 1, 0, 10, 11)
    with pytest.raises(IntegrityError, match="outside its base"):
        combine(stored, bytes(20), 11)


def test_copies_of_more_than_the_chunk_are_refused() -> None:
    """A short difference could ask for a base many times over."""
    stored = struct.pack("<I", 1000) + struct.pack("<III", 0, 0, 20) * 1000
    with pytest.raises(IntegrityError, match="more bytes"):
        combine(stored, bytes(20), 30)
