"""Chores of a worker: whose turn it is, and what a broken one does to the others."""

import threading

import pytest
from structlog.testing import capture_logs

from telamon.errors import Unavailable
from telamon.server.ticker import Chore, Ticker


class Done:
    """What was done, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def chore(self, name: str, *, every_ticks: int = 1, error: Exception | None = None) -> Chore:
        def act() -> None:
            self.names.append(name)
            if error is not None:
                raise error

        return Chore(name=name, every_ticks=every_ticks, act=act)


def test_each_is_done_at_the_first_tick_and_when_its_turn_comes() -> None:
    done = Done()
    ticker = Ticker([done.chore("a"), done.chore("b", every_ticks=3)])

    for _ in range(5):
        ticker.tick()

    assert done.names == ["a", "b", "a", "a", "a", "b", "a"]


@pytest.mark.parametrize(
    ("error", "event"), [(Unavailable("x"), "chore_failed"), (KeyError("x"), "chore_broke")]
)
def test_one_that_fails_is_logged_and_ends_neither_the_others_nor_itself(
    error: Exception, event: str
) -> None:
    done = Done()
    ticker = Ticker([done.chore("bad", error=error), done.chore("good")])

    with capture_logs() as logs:
        ticker.tick()
        ticker.tick()

    assert done.names == ["bad", "good"] * 2
    assert [(log["event"], log["action"]) for log in logs] == [(event, "bad")] * 2


def test_it_ticks_until_it_is_stopped() -> None:
    ticked, often = threading.Event(), threading.Semaphore(0)
    ticker = Ticker(
        [
            Chore(name="a", every_ticks=1, act=often.release),
            Chore(name="b", every_ticks=2, act=ticked.set),
        ],
        tick_seconds=0.001,
    )

    ticker.start()
    assert all(often.acquire(timeout=30) for _ in range(3))
    ticker.stop(30)

    assert ticked.is_set()
    assert "ticker" not in [thread.name for thread in threading.enumerate()]


def test_a_chore_under_way_is_not_followed_by_another_once_it_is_stopped() -> None:
    done, begun, go_on = Done(), threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        go_on.wait(30)

    ticker = Ticker([Chore(name="slow", every_ticks=1, act=act), done.chore("next")])
    ticker.start()
    assert begun.wait(30)
    stopping = threading.Thread(target=ticker.stop, args=(30.0,))
    stopping.start()
    while not ticker._stopping.is_set():
        stopping.join(0.001)
    go_on.set()
    stopping.join(30)

    assert done.names == []
