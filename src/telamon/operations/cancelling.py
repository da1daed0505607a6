"""Noticing, while a job works, that somebody wants it to end."""

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import structlog

from telamon.errors import TelamonError

LOOK_SECONDS = 1.0

_log = structlog.get_logger()


class CancelWatch:
    """Asks ``is_wanted`` every second in a thread of its own, and calls ``act`` once if so.

    The job itself may be in the middle of a command that takes hours.
    """

    def __init__(
        self,
        is_wanted: Callable[[], bool],
        act: Callable[[], None],
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._is_wanted = is_wanted
        self._act = act
        self._look_seconds = look_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="telamon-cancel", daemon=True)
        self.was_cancelled = False
        """Whether ``act`` was called."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._look_seconds):
            try:
                if not self._is_wanted():
                    continue
                self.was_cancelled = True
                self._act()
            except TelamonError as error:  # the job itself meets it, too, or it passes
                _log.warning("cancel_not_done", action="cancel_job", reason=error.message)
            if self.was_cancelled:
                return
