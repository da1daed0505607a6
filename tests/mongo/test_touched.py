"""What became of documents that were written to while they were read."""

from collections.abc import Iterator

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.mongo.elements import id_element
from telamon.mongo.touched import Touched

ONE = b"1" * 16
OTHER = b"2" * 16


def document(number: object, note: str = "") -> bytes:
    return bson.encode({"_id": number, "note": note})


def id_of(number: object) -> bytes:
    return id_element(document(number), 0)


@pytest.fixture
def touched() -> Iterator[Touched]:
    with Touched() as made:
        yield made


def note(touched: Touched, *numbers: object) -> None:
    touched.add((ONE, id_of(number)) for number in numbers)


def end(touched: Touched, **documents: str) -> None:
    """What the documents ``n<number>`` are in the end."""
    touched.set_documents(
        ONE,
        ((id_of(int(name[1:])), document(int(name[1:]), text)) for name, text in documents.items()),
    )


def changed(touched: Touched, *buffers: list[bytes], uuid: bytes = ONE) -> list[bytes]:
    whole = b"".join(touched.change(uuid, [b"".join(buffer) for buffer in buffers]))
    return [bytes(found.raw) for found in raw(whole)]


def raw(data: bytes) -> list[bson.raw_bson.RawBSONDocument]:
    options = bson.codec_options.CodecOptions(document_class=bson.raw_bson.RawBSONDocument)
    return bson.decode_all(data, options)


def test_untouched_documents_stay(touched: Touched) -> None:
    note(touched, 7)
    documents = [document(1), document(2)]
    assert changed(touched, documents) == documents


def test_a_touched_document_is_replaced_where_it_is(touched: Touched) -> None:
    note(touched, 2)
    end(touched, n2="new")
    assert changed(touched, [document(1), document(2)], [document(3)]) == [
        document(1),
        document(2, "new"),
        document(3),
    ]


def test_a_touched_document_that_is_gone_is_left_out(touched: Touched) -> None:
    note(touched, 1, 3)
    assert changed(touched, [document(1), document(2), document(3)]) == [document(2)]


def test_documents_that_came_are_appended_in_the_order_of_their_first_touch(
    touched: Touched,
) -> None:
    note(touched, 9, 8)
    note(touched, 7, 8)
    end(touched, n7="c", n8="b", n9="a")
    assert changed(touched, [document(1)]) == [
        document(1),
        document(9, "a"),
        document(8, "b"),
        document(7, "c"),
    ]


def test_a_document_that_was_read_twice_is_there_once(touched: Touched) -> None:
    note(touched, 2)
    end(touched, n2="new")
    assert changed(touched, [document(2, "old"), document(1)], [document(2, "newer")]) == [
        document(2, "new"),
        document(1),
    ]


def test_collections_are_told_apart(touched: Touched) -> None:
    note(touched, 1)
    assert touched.uuids() == {ONE}
    assert changed(touched, [document(1)], uuid=OTHER) == [document(1)]


def test_ids_of_equal_value_and_other_types_are_told_apart(touched: Touched) -> None:
    note(touched, 1)
    assert changed(touched, [document(1.0), document(bson.Int64(1)), document(1)]) == [
        document(1.0),
        document(bson.Int64(1)),
    ]


def test_what_was_found_before_is_forgotten_when_it_is_asked_again(touched: Touched) -> None:
    note(touched, 1, 2)
    end(touched, n1="a", n2="b")
    assert len(changed(touched, [document(1)])) == 2
    touched.forget_documents()
    end(touched, n2="c")
    assert changed(touched, [document(1)]) == [document(2, "c")]


@pytest.mark.parametrize(
    ("most_bytes", "most", "expected"),
    [(10**6, 2, [2, 2, 1]), (18, 10, [2, 2, 1]), (1, 10, [1] * 5)],
)
def test_ids_come_some_at_a_time(
    touched: Touched, most_bytes: int, most: int, expected: list[int]
) -> None:
    note(touched, *range(5))
    pieces = list(touched.ids(ONE, most_bytes, most))
    assert [len(piece) for piece in pieces] == expected
    assert [id_ for piece in pieces for id_ in piece] == [id_of(number) for number in range(5)]


_ACTS = st.lists(st.tuples(st.sampled_from("udi"), st.integers(0, 15)), max_size=30)


@given(st.lists(st.integers(0, 15), unique=True), _ACTS, st.integers(1, 7))
def test_any_changes_end_as_the_collection_does(
    start: list[int], acts: list[tuple[str, int]], size: int
) -> None:
    """Whatever was read, touched or not: as if everything had been read in the end."""
    state = {number: document(number) for number in start}
    read = list(state.values())
    with Touched() as touched:
        for step, (kind, number) in enumerate(acts):
            if kind == "d":
                state.pop(number, None)
            elif kind == "i" or number in state:
                state[number] = document(number, str(step))
            note(touched, number)
        present = [(id_of(n), d) for n, d in state.items() if any(n == m for _, m in acts)]
        touched.set_documents(ONE, present)
        buffers = [read[position : position + size] for position in range(0, len(read), size)]
        found = changed(touched, *buffers)
    assert sorted(found) == sorted(state.values())
