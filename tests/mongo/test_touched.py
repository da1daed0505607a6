"""What became of documents that were written to while they were read."""

from collections.abc import Iterator
from pathlib import Path

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telamon.model.manifest import ClusterTime
from telamon.mongo.elements import id_element
from telamon.mongo.touched import Touched

ONE = b"1" * 16
OTHER = b"2" * 16
DURING, FIRST, BETWEEN, SECOND, AFTER = (ClusterTime(seconds=2**31, increment=n) for n in range(5))


def document(number: object, note: str = "") -> bytes:
    return bson.encode({"_id": number, "note": note})


def id_of(number: object) -> bytes:
    return id_element(document(number), 0)


@pytest.fixture
def touched() -> Iterator[Touched]:
    with Touched() as made:
        yield made


def note(touched: Touched, *numbers: object, at: ClusterTime = DURING) -> None:
    touched.add(((ONE, id_of(number)) for number in numbers), at)


def unsettled(touched: Touched) -> list[bytes]:
    return [id_ for some in touched.unsettled(ONE, 10**6, 100) for id_ in some]


def end(touched: Touched, at: ClusterTime = FIRST, **documents: str) -> None:
    """What the documents ``n<number>`` are in the end; the other touched ones are gone."""
    found = (
        (id_of(int(name[1:])), document(int(name[1:]), text)) for name, text in documents.items()
    )
    touched.settle(ONE, unsettled(touched), found, at)


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
    end(touched)
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
    end(touched)
    assert changed(touched, [document(1.0), document(bson.Int64(1)), document(1)]) == [
        document(1.0),
        document(bson.Int64(1)),
    ]


def test_a_document_first_touched_after_the_end_stays_as_it_was_read(touched: Touched) -> None:
    note(touched, 1)
    end(touched, n1="new")
    note(touched, 2, 3, at=AFTER)
    assert changed(touched, [document(1), document(2)]) == [document(1, "new"), document(2)]


def test_what_is_known_is_asked_again_only_if_it_was_touched_since(touched: Touched) -> None:
    note(touched, 1, 2, 3)
    end(touched, n1="a", n2="b", n3="c")
    note(touched, 2, 3, 4, at=BETWEEN)
    assert unsettled(touched) == [id_of(2), id_of(3), id_of(4)]
    end(touched, at=SECOND, n2="newer")
    assert unsettled(touched) == []
    assert changed(touched, [document(1), document(3)]) == [document(1, "a"), document(2, "newer")]


def test_an_error_on_the_way_leaves_the_rest_unsettled(touched: Touched) -> None:
    def failing() -> Iterator[tuple[bytes, bytes]]:
        yield id_of(2), document(2, "new")
        raise OSError("cut off")

    note(touched, 1, 2, 3)
    with pytest.raises(OSError, match="cut off"):
        touched.settle(ONE, unsettled(touched), failing(), FIRST)
    assert unsettled(touched) == [id_of(1), id_of(3)]


@pytest.mark.parametrize(
    ("most_bytes", "most", "expected"),
    [(10**6, 2, [2, 2, 1]), (18, 10, [2, 2, 1]), (1, 10, [1] * 5)],
)
def test_ids_come_some_at_a_time(
    touched: Touched, most_bytes: int, most: int, expected: list[int]
) -> None:
    note(touched, *range(5))
    pieces = list(touched.unsettled(ONE, most_bytes, most))
    assert [len(piece) for piece in pieces] == expected
    assert [id_ for piece in pieces for id_ in piece] == [id_of(number) for number in range(5)]


def test_what_is_touched_while_ids_are_read_is_not_among_them(touched: Touched) -> None:
    note(touched, 1, 2)
    pieces = touched.unsettled(ONE, 10**6, 1)
    first = next(pieces)
    note(touched, 3, at=AFTER)
    assert [*first, *(id_ for piece in pieces for id_ in piece)] == [id_of(1), id_of(2)]


def test_large_documents_come_in_pieces_of_some_megabytes(touched: Touched) -> None:
    """There may be more of them in one chunk, or of new ones, than memory should hold."""
    note(touched, *range(20))
    end(touched, FIRST, **{f"n{number}": "x" * 1_000_000 for number in range(20)})
    pieces = list(touched.change(ONE, [b"".join(document(number) for number in range(10))]))
    assert max(len(piece) for piece in pieces) < 6_000_000
    assert sum(len(raw(piece)) for piece in pieces) == 20


def steps_of_a_catch_up(count: int) -> int:
    """How many instructions of SQLite's it takes to ask for so many documents and to place them."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with Touched() as touched:
        note(touched, *range(count))
        touched._db.set_progress_handler(step, 100)
        for ids in touched.unsettled(ONE, 10**6, 50):
            touched.settle(ONE, ids, ((id_, document(1, "x" * 100_000)) for id_ in ids), FIRST)
        for _ in touched.change(ONE, []):
            pass
    return steps


def test_the_work_grows_with_the_number_of_documents_and_not_with_its_square() -> None:
    assert steps_of_a_catch_up(1600) < 6 * steps_of_a_catch_up(400)


def test_no_file_of_it_can_be_found(tmp_path: Path) -> None:
    with Touched(tmp_path) as touched:
        note(touched, *range(1000))
        assert list(tmp_path.iterdir()) == []
        assert unsettled(touched)[-1] == id_of(999)


_ACTS = st.lists(st.tuples(st.sampled_from("udi"), st.integers(0, 15)), max_size=30)


@settings(deadline=None)  # a file is made for each
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
        touched.settle(ONE, unsettled(touched), present, FIRST)
        buffers = [read[position : position + size] for position in range(0, len(read), size)]
        found = changed(touched, *buffers)
    assert sorted(found) == sorted(state.values())
