"""What a worker does by itself, now and then, in a thread beside its jobs."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from telamon.errors import TelamonError

TICK_SECONDS = 15.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Done at the first tick, and at every so many ticks after it."""

    name: str
    every_ticks: int
    act: Callable[[], object]


class Ticker:
    """Does chores one after the other, whatever became of those before."""

    def __init__(self, chores: Sequence[Chore], *, tick_seconds: float = TICK_SECONDS) -> None:
        self._chores = chores
        self._tick_seconds = tick_seconds
        self._stopping = threading.Event()
        self._ticks = 0
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait_seconds: float) -> None:
        """No chore begins any more. One that runs on is as good as killed when the process ends."""
        self._stopping.set()
        self._thread.join(wait_seconds)

    def tick(self) -> None:
        """Every chore whose turn it is. Raises nothing: the next tick tries again."""
        for chore in self._chores:
            if self._ticks % chore.every_ticks or self._stopping.is_set():
                continue
            try:
                chore.act()
            except TelamonError as error:
                _log.warning("chore_failed", action=chore.name, reason=error.message)
            except Exception:  # noqa: BLE001  # one chore's defect must not end the others
                _log.exception("chore_broke", action=chore.name)
        self._ticks += 1

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.tick()
            self._stopping.wait(self._tick_seconds)
