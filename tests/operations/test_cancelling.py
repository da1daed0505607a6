"""Noticing that a job is to end."""

from threading import Event

from telamon.errors import Unavailable
from telamon.operations.cancelling import CancelWatch

SECONDS = 20


def test_it_acts_once_when_somebody_wants_it() -> None:
    answers = iter([False, False, True])
    acted = Event()
    acts: list[None] = []

    def act() -> None:
        acts.append(None)
        acted.set()

    with CancelWatch(lambda: next(answers), act, look_seconds=0.001) as watch:
        assert acted.wait(SECONDS)

    assert watch.was_cancelled
    assert acts == [None]


def test_it_does_nothing_where_nobody_does() -> None:
    asked = Event()

    def is_wanted() -> bool:
        asked.set()
        return False

    with CancelWatch(is_wanted, asked.clear, look_seconds=0.001) as watch:
        assert asked.wait(SECONDS)

    assert asked.is_set()
    assert not watch.was_cancelled


def test_a_question_that_cannot_be_answered_is_asked_again() -> None:
    answered = Event()
    answers = iter([False, True])

    def is_wanted() -> bool:
        if not next(answers):
            raise Unavailable("The database does not work.")
        return True

    with CancelWatch(is_wanted, answered.set, look_seconds=0.001) as watch:
        assert answered.wait(SECONDS)

    assert watch.was_cancelled


def test_an_act_that_fails_ends_the_watch_only() -> None:
    acted = Event()

    def act() -> None:
        acted.set()
        raise Unavailable("The deployment does not answer.")

    with CancelWatch(lambda: True, act, look_seconds=0.001) as watch:
        assert acted.wait(SECONDS)

    assert watch.was_cancelled
