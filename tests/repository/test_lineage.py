"""Which older chunks a new one is compared with."""

import bson
import pytest

from telamon.model.manifest import ChunkRef
from telamon.repository.lineage import Lineage, chunk_start


def chunk(start: int | None, size_bytes: int = 100) -> ChunkRef:
    return ChunkRef(
        chunk_id=str(start).encode().ljust(32), documents=1, size_bytes=size_bytes, start=start
    )


OLD = [chunk(number) for number in range(10)]


def starts(chunks: tuple[ChunkRef, ...]) -> list[int | None]:
    return [found.start for found in chunks]


def test_the_chunk_that_began_at_the_same_document() -> None:
    lineage = Lineage(OLD)
    assert starts(lineage.ancestors(4, 100)) == [4]
    assert starts(lineage.ancestors(2, 90)) == [2]


def test_a_longer_chunk_covers_those_that_follow() -> None:
    lineage = Lineage(OLD)
    assert starts(lineage.ancestors(4, 101)) == [4, 5]
    assert starts(lineage.ancestors(9, 500)) == [9]


def test_a_chunk_that_begins_at_a_new_document_lies_after_the_one_before() -> None:
    lineage = Lineage(OLD)
    lineage.ancestors(4, 100)
    assert starts(lineage.ancestors(77, 100)) == [4, 5]


def test_after_two_new_ones_all_is_taken_for_new_until_a_known_one_comes() -> None:
    lineage = Lineage(OLD)
    lineage.ancestors(4, 100)
    found = [starts(lineage.ancestors(start, 100)) for start in (77, 78, 79, 80, 7, 81)]
    assert found == [[4, 5], [5, 6], [], [], [7], [7, 8]]


def test_a_chunk_is_found_by_where_it_began() -> None:
    lineage = Lineage(OLD)
    assert lineage.find(4) == OLD[4]
    assert lineage.find(77) is None


@pytest.mark.parametrize("previous", [[], [chunk(None), chunk(None)]])
def test_where_nothing_is_known_nothing_is_found(previous: list[ChunkRef]) -> None:
    lineage = Lineage(previous)
    assert [lineage.ancestors(start, 100) for start in range(5)] == [()] * 5


def test_a_first_document_that_is_new_lies_before_the_first_chunk() -> None:
    lineage = Lineage(OLD)
    found = [starts(lineage.ancestors(start, 100)) for start in (77, 78, 79)]
    assert found == [[0, 1], [1, 2], []]


def test_the_start_of_a_chunk_is_told_by_the_id_of_its_first_document() -> None:
    one = bson.encode({"_id": 5, "a": 1})
    assert chunk_start(one + bson.encode({"_id": 6})) == chunk_start(bson.encode({"_id": 5}))
    assert chunk_start(one) != chunk_start(bson.encode({"_id": 6}))
    assert 0 <= chunk_start(one) < 1 << 64
