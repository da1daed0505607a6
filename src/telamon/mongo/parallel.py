"""Several threads for one piece of work that fails as a whole."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait

Task = Callable[[], None]


class Stopped(Exception):
    """What a task raises when it gives up because another one failed."""


class Stop:
    """Tells the tasks of one piece of work that it has failed."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raise Stopped once ``set`` was called; tasks call it between their batches."""
        if self._event.is_set():
            raise Stopped


def run_all(tasks: Iterable[Task], *, parallel: int, stop: Stop) -> None:
    """Run every task, ``parallel`` at a time, started in the order given.

    The first failure sets ``stop``, keeps the tasks that wait from starting, and is raised once the
    running ones have ended.
    """
    failures: list[BaseException] = []  # in the order of time

    def guarded(task: Task) -> None:
        try:
            stop.check()
            task()
        except BaseException as error:  # noqa: BLE001  # raised again below, whatever it is
            failures.append(error)
            stop.set()

    with ThreadPoolExecutor(parallel, thread_name_prefix="telamon-mongo") as pool:
        futures = [pool.submit(guarded, task) for task in tasks]
        try:
            wait(futures)
        except BaseException:
            stop.set()
            raise
    if failures:
        raise failures[0]
