"""Work in several threads that fails as a whole."""

import threading
from functools import partial

import pytest

from telamon.mongo.parallel import Stop, Stopped, run_all


def test_all_tasks_run() -> None:
    done: list[int] = []

    run_all([partial(done.append, n) for n in range(10)], parallel=3, stop=Stop())

    assert sorted(done) == list(range(10))


def test_the_first_failure_is_raised_and_tells_the_others_to_stop() -> None:
    stop = Stop()
    runs = threading.Event()
    ended: list[str] = []

    def fail() -> None:
        runs.wait()
        raise OSError("first")

    def work() -> None:
        runs.set()
        try:
            while True:
                stop.check()
        except Stopped:
            ended.append("work")
            raise

    with pytest.raises(OSError, match="first"):
        run_all([fail, work], parallel=2, stop=stop)

    assert ended == ["work"]


def test_tasks_that_wait_do_not_start_after_a_failure() -> None:
    started: list[str] = []

    def fail() -> None:
        raise OSError("first")

    with pytest.raises(OSError, match="first"):
        run_all([fail, lambda: started.append("late")], parallel=1, stop=Stop())

    assert started == []
