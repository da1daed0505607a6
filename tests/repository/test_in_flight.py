"""Portions of chunks, and the bytes that they may take."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.model.manifest import ChunkRef
from telamon.repository.cut import CutChunk
from telamon.repository.in_flight import Budget, groups

MIB = 1024 * 1024
KNOWN = ChunkRef(chunk_id=bytes(32), documents=1, size_bytes=MIB)


def new(size_bytes: int) -> CutChunk:
    return CutChunk(data=bytes(size_bytes), documents=1)


# Portions


@given(st.lists(st.one_of(st.just(KNOWN), st.integers(5, 2 * MIB).map(new)), max_size=12))
def test_portions_are_all_chunks_in_order(cuts: list[CutChunk | ChunkRef]) -> None:
    portions = list(groups(cuts))

    assert [cut for portion in portions for cut in portion] == cuts
    for portion in portions:
        sizes = [len(cut.data) for cut in portion if isinstance(cut, CutChunk)]
        assert portion
        assert sum(sizes[:-1]) < MIB


def test_a_portion_has_a_mebibyte_to_store_or_is_the_last() -> None:
    cuts: list[CutChunk | ChunkRef] = [KNOWN, new(MIB // 2), new(MIB // 2), new(2 * MIB), KNOWN]

    assert [len(portion) for portion in groups(cuts)] == [3, 1, 1]


# The budget


def test_what_is_more_than_the_budget_has_all_of_it() -> None:
    budget = Budget(100)
    assert budget.take(1000) == 100
    budget.give_back(100)
    assert budget.take(60) == 60
    assert budget.take(40) == 40


@pytest.mark.parametrize(
    ("wanted", "too_little", "enough", "taken"),
    [
        pytest.param(30, 20, 11, 79, id="until half is left"),
        pytest.param(90, 50, 20, 100, id="until more than half is there"),
    ],
)
def test_who_has_to_wait_waits(wanted: int, too_little: int, enough: int, taken: int) -> None:
    budget = Watched(100)
    budget.take(80)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(budget.take, wanted)
        assert budget.waits.wait(timeout=30)
        budget.give_back(too_little)
        assert not waiting.done()
        budget.give_back(enough)
        assert waiting.result(timeout=30) == wanted
        assert budget.taken_bytes == taken


@given(st.lists(st.integers(1, 150), min_size=1, max_size=30))
def test_nobody_waits_for_ever(wanted: list[int]) -> None:
    budget = Budget(100)

    def use(wanted_bytes: int) -> None:
        for _ in range(3):
            budget.give_back(budget.take(wanted_bytes))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(use, one) for one in wanted]:
            done.result(timeout=30)
    assert budget.take(100) == 100


class Watched(Budget):
    """Tells when somebody is about to wait for it."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(most_bytes)
        self.waits = threading.Event()

    @property
    def taken_bytes(self) -> int:
        return self._taken_bytes

    def take(self, wanted_bytes: int) -> int:
        if self._taken_bytes + wanted_bytes > self._most_bytes:
            self.waits.set()
        return super().take(wanted_bytes)
