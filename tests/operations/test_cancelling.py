"""Noticing that a job is to end."""

import threading
from collections.abc import Callable
from threading import Event

import pytest

from telamon.errors import RestoreCancelled, RestoreFailed, Unavailable
from telamon.operations.cancelling import unless_cancelled
from tests.repository.wrapped_stores import CrashError

SECONDS = 20
LOOK_SECONDS = 0.001


def never() -> bool:
    return False


def nothing() -> None:
    pass


def failing(error: BaseException, when: Event) -> Callable[[], None]:
    """Work that goes on until ``when``, and then fails."""

    def work() -> None:
        assert when.wait(SECONDS)
        raise error

    return work


def test_what_nobody_cancels_is_done() -> None:
    assert unless_cancelled(lambda: 42, is_wanted=never, interrupt=nothing) == 42


@pytest.mark.parametrize("error", [RestoreFailed("no"), CrashError()])
def test_what_fails_by_itself_fails(error: BaseException) -> None:
    done = Event()
    done.set()

    with pytest.raises(type(error)) as caught:
        unless_cancelled(failing(error, done), is_wanted=never, interrupt=nothing)

    assert caught.value is error


def test_it_is_interrupted_once_and_then_cancelled() -> None:
    answers = iter([False, False, True])
    interrupted = Event()
    times: list[None] = []

    def interrupt() -> None:
        times.append(None)
        interrupted.set()

    error = RestoreFailed("the shadow is gone")
    with pytest.raises(RestoreCancelled) as caught:
        unless_cancelled(
            failing(error, interrupted),
            is_wanted=lambda: next(answers),
            interrupt=interrupt,
            look_seconds=LOOK_SECONDS,
        )

    assert times == [None]
    assert caught.value.__cause__ is error


def test_what_is_done_all_the_same_is_done() -> None:
    interrupted = Event()

    def work() -> int:
        assert interrupted.wait(SECONDS)
        return 42

    found = unless_cancelled(
        work, is_wanted=lambda: True, interrupt=interrupted.set, look_seconds=LOOK_SECONDS
    )

    assert found == 42


def test_a_crash_is_no_cancel() -> None:
    interrupted = Event()

    with pytest.raises(CrashError):
        unless_cancelled(
            failing(CrashError(), interrupted),
            is_wanted=lambda: True,
            interrupt=interrupted.set,
            look_seconds=LOOK_SECONDS,
        )


def test_a_question_that_cannot_be_answered_is_asked_again() -> None:
    interrupted = Event()
    answers = iter([False, True])

    def is_wanted() -> bool:
        if not next(answers):
            raise Unavailable("The database does not work.")
        return True

    with pytest.raises(RestoreCancelled):
        unless_cancelled(
            failing(RestoreFailed("no"), interrupted),
            is_wanted=is_wanted,
            interrupt=interrupted.set,
            look_seconds=LOOK_SECONDS,
        )


@pytest.mark.parametrize("error", [Unavailable("It does not answer."), ValueError("a defect")])
def test_an_interrupt_that_fails_is_no_failure_of_the_job(error: Exception) -> None:
    tried = Event()

    def interrupt() -> None:
        tried.set()
        raise error

    with pytest.raises(RestoreCancelled):
        unless_cancelled(
            failing(RestoreFailed("no"), tried),
            is_wanted=lambda: True,
            interrupt=interrupt,
            look_seconds=LOOK_SECONDS,
        )


def test_what_does_not_end_is_left_behind() -> None:
    """Both it and the interrupt may stand still."""
    woken, ended = Event(), Event()

    def stand_still() -> None:
        assert woken.wait(SECONDS)
        ended.set()

    with pytest.raises(RestoreCancelled):
        unless_cancelled(
            stand_still,
            is_wanted=lambda: True,
            interrupt=stand_still,
            look_seconds=LOOK_SECONDS,
            patience_seconds=0.01,
        )

    assert not ended.is_set()
    left = [one for one in threading.enumerate() if one.name == "telamon-cancellable"]
    assert left
    assert all(one.daemon for one in left)
    woken.set()
    assert ended.wait(SECONDS)
