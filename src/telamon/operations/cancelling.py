"""Noticing, while a job works, that somebody wants it to end."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

import structlog

from telamon.errors import RestoreCancelled, TelamonError

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 15.0

T = TypeVar("T")

_log = structlog.get_logger()


def unless_cancelled(
    work: Callable[[], T],
    *,
    is_wanted: Callable[[], bool],
    interrupt: Callable[[], None],
    look_seconds: float = LOOK_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
) -> T:
    """What ``work`` answers or raises; RestoreCancelled if somebody wanted it to end, and it failed.

    ``work`` may be in the middle of a command that takes hours, so it has a thread of its own, and
    ``is_wanted`` is asked meanwhile. ``interrupt`` is called once, and is to have ``work`` fail soon.
    Where it does not, as with a deployment that stands still, ``work`` is left behind: it must do no
    harm when it goes on one day.
    """
    working = _in_thread("telamon-cancellable", work)
    while not _is_done(working, look_seconds):
        if not _is_wanted(is_wanted):
            continue
        interrupting = _in_thread("telamon-interrupt", interrupt)
        interrupting.add_done_callback(_tell_failure)
        if not _is_done(working, patience_seconds):
            _log.warning("left_behind", action="cancel_job", seconds=patience_seconds)
            raise RestoreCancelled
        wait([interrupting], timeout=patience_seconds)
        if isinstance(error := working.exception(), Exception):
            raise RestoreCancelled from error
    return working.result()


def _in_thread(name: str, work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001  # it is for whoever waits
            future.set_exception(error)

    # Of the daemon kind, so that one that is left behind keeps no process from its end.
    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def _is_done(future: Future[T], seconds: float) -> bool:
    return bool(wait([future], timeout=seconds).done)


def _is_wanted(is_wanted: Callable[[], bool]) -> bool:
    try:
        return is_wanted()
    except TelamonError as error:  # the job itself meets it, too, or it passes
        _log.warning("cancel_not_seen", action="cancel_job", reason=error.message)
        return False


def _tell_failure(interrupting: Future[None]) -> None:
    error = interrupting.exception()
    if isinstance(error, TelamonError):
        _log.warning("cancel_not_done", action="cancel_job", reason=error.message)
    elif error is not None:
        _log.error("cancel_broke", action="cancel_job", exc_info=error)
