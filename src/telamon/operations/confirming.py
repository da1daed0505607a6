"""Asking whether a job is still this worker's, before what no transaction protects."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Protocol


class Confirm(Protocol):
    """Called with the id of a job's subject; raises if the job is not to go on here."""

    def __call__(self, subject_id: str) -> None:
        """Surely, at the price of a question to the database."""
        ...

    def lately(self, subject_id: str) -> None:
        """As of some seconds ago; for what is done many times a second."""
        ...


class _Always:
    def __call__(self, subject_id: str) -> None: ...

    def lately(self, subject_id: str) -> None: ...


ALWAYS = _Always()
"""For jobs that nobody else can have."""


def confirmed(pieces: Generator[bytes], confirm: Callable[[], None]) -> Generator[bytes]:
    """The same pieces, each after ``confirm``."""
    with closing(pieces):
        for piece in pieces:
            confirm()
            yield piece
