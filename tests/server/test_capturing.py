"""The rounds of continuous backup: each instance by itself, and failures told once."""

import threading
from collections import Counter

from telamon.errors import DeploymentUnavailable, Unavailable
from telamon.server.capturing import Capturing


class Passes:
    """Instances that fail, or wait until they are let go."""

    def __init__(self, *wanted: str, failing: tuple[str, ...] = (), waiting: str = "") -> None:
        self._wanted = wanted
        self.failing = set(failing)
        self._waiting = waiting
        self.go = threading.Event()
        self.passed: Counter[str] = Counter()
        self.is_unavailable = False

    def wanted(self) -> tuple[str, ...]:
        if self.is_unavailable:
            raise Unavailable("The database does not work.")
        return self._wanted

    def pass_over(self, instance_id: str) -> bool:
        self.passed[instance_id] += 1
        if instance_id == self._waiting:
            assert self.go.wait(30)
        if instance_id in self.failing:
            raise DeploymentUnavailable("No answer.")
        if instance_id == "broken":
            raise ValueError
        return True

    def close(self) -> None:
        """There is nothing to give back."""


def test_one_that_hangs_holds_up_no_other() -> None:
    passes = Passes("a", "slow", "b", waiting="slow")
    capturing = Capturing(passes, every_seconds=60, threads=2)
    for _ in range(3):
        capturing.round()
        for name in ("a", "b"):
            capturing._passes[name].result(30)
    passes.go.set()
    capturing.settle()

    assert passes.passed == {"a": 3, "b": 3, "slow": 1}
    capturing.stop(1)


def test_a_failure_is_tried_again_more_and_more_rarely() -> None:
    passes = Passes("a", "b", "broken", failing=("a",))
    capturing = Capturing(passes, every_seconds=60)
    tried = []
    for number in range(1, 20):
        before = passes.passed["a"]
        capturing.round()
        capturing.settle()
        if passes.passed["a"] > before:
            tried.append(number)
    assert tried == [1, 3, 7, 15]
    assert passes.passed["b"] == passes.passed["broken"] == 19

    passes.failing.clear()
    for _ in range(15):
        capturing.round()
        capturing.settle()
    assert passes.passed["a"] > len(tried) + 1
    capturing.stop(1)


def test_a_database_that_does_not_answer_ends_nothing() -> None:
    passes = Passes("a")
    capturing = Capturing(passes, every_seconds=0.01)
    passes.is_unavailable = True
    capturing.round()
    assert not passes.passed
    passes.is_unavailable = False
    capturing.round()
    capturing.settle()
    assert passes.passed["a"] == 1
    capturing.stop(1)


def test_it_runs_until_it_is_stopped() -> None:
    passes = Passes("a", waiting="a")
    capturing = Capturing(passes, every_seconds=0.001)
    capturing.start()
    passes.go.set()
    capturing.stop(30)
    count = passes.passed["a"]
    capturing.round()
    assert passes.passed["a"] == count
