"""How far a long act has come: a bar on a terminal, a line now and then anywhere else.

Both go to standard error, so that what a command answers can be piped on.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress

# A line is written for each tenth, and where a tenth takes long; never sooner than this after another.
_SHORTEST_PAUSE_SECONDS = 3.0
_LONGEST_PAUSE_SECONDS = 30.0
_TENTHS = 10
_SLOW = 10  # things a second; fewer are told with a decimal
_KIBI = 1024
_MINUTE_SECONDS = 60
_HOUR_SECONDS = 3600

Seconds = Callable[[], float]
"""A clock that only goes forward; where it begins has no meaning."""


class Unit(StrEnum):
    """What is counted. The values are the words for many of it."""

    BYTES = "bytes"
    DOCUMENTS = "documents"
    NAMESPACES = "namespaces"
    PACKS = "packs"
    SNAPSHOTS = "snapshots"


@dataclass(frozen=True, slots=True)
class Amount:
    """So much is done, of so much; ``total`` is None while nobody knows it."""

    unit: Unit
    done: int
    total: int | None = None

    @property
    def percent(self) -> int | None:
        """Rounded down: 100 means done."""
        return min(100, 100 * self.done // self.total) if self.total else None

    def __str__(self) -> str:
        counted = quantity(self.unit, self.done)
        if self.total is None:
            return f"{counted}{_word(self.unit)}"
        return f"{counted} of {quantity(self.unit, self.total)}{_word(self.unit)}"


class Progress:
    """Tells how one act comes along. A context manager, for one thread at a time.

    ::

        with Progress("Restoring") as progress:
            progress.tell(
                Amount(Unit.BYTES, 10, 200), Amount(Unit.DOCUMENTS, 1, 20), note="shop.orders"
            )
    """

    def __init__(
        self, what: str, *, screen: TextIO | None = None, clock: Seconds = time.monotonic
    ) -> None:
        """``what`` is done, as in "Restoring"; ``screen`` is standard error if not given."""
        screen = screen or sys.stderr
        self._what = what
        self._clock = clock
        self._view: _View = _Bar(screen) if screen.isatty() else _Lines(screen)
        self._began_at = 0.0
        self._first: Amount | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._view.end(whole=error is None)

    def tell(self, leading: Amount, *others: Amount, note: str = "") -> None:
        """Rate, percentage and time left are those of the ``leading`` amount.

        They count from the first call on: an act that is watched from its middle has a rate too.
        """
        now = self._clock()
        if self._first is None:
            self._first, self._began_at = leading, now
        numbers = [_pace(leading, leading.done - self._first.done, now - self._began_at)]
        text = "; ".join([*numbers, *map(str, others), *([note] if note else [])])
        self._view.show(self._what, leading, text, now)

    def counting(self, unit: Unit) -> Callable[[int, int], None]:
        """A function that is told how much is done and how much there is."""
        return lambda done, total: self.tell(Amount(unit, done, total))


def quantity(unit: Unit, count: float) -> str:
    """A number for people; bytes have their unit with them."""
    if unit is not Unit.BYTES:
        return f"{count:,.0f}"
    for name in ("B", "KiB", "MiB", "GiB"):
        if count < _KIBI:
            return f"{count:.0f} B" if name == "B" else f"{count:.1f} {name}"
        count /= _KIBI
    return f"{count:,.1f} TiB"


def duration(seconds: float) -> str:
    """In the two largest units that matter."""
    whole = round(seconds)
    if whole < _MINUTE_SECONDS:
        return f"{whole} s"
    if whole < _HOUR_SECONDS:
        return f"{whole // _MINUTE_SECONDS} min {whole % _MINUTE_SECONDS} s"
    return f"{whole // _HOUR_SECONDS} h {whole % _HOUR_SECONDS // _MINUTE_SECONDS} min"


def _pace(amount: Amount, done: int, elapsed_seconds: float) -> str:
    """The amount, its percentage, its rate, and the time that is left; what is known of these."""
    percent = "" if amount.percent is None else f" ({amount.percent} %)"
    parts = [f"{amount}{percent}"]
    if done > 0 and elapsed_seconds > 0:
        rate = done / elapsed_seconds
        slow = amount.unit is not Unit.BYTES and rate < _SLOW
        parts.append(f"{rate:.1f}/s" if slow else f"{quantity(amount.unit, rate)}/s")
        if amount.total is not None and amount.done < amount.total:
            parts.append(f"{duration((amount.total - amount.done) / rate)} left")
    return ", ".join(parts)


def _word(unit: Unit) -> str:
    return "" if unit is Unit.BYTES else f" {unit.value}"


class _View(Protocol):
    def show(self, what: str, leading: Amount, text: str, now: float) -> None: ...

    def end(self, *, whole: bool) -> None: ...


class _Lines:
    """For pipes and logs. An act that ends before the first line is due writes none at all."""

    def __init__(self, screen: TextIO) -> None:
        self._screen = screen
        self._written_at: float | None = None
        self._tenth = 0
        self._unwritten = ""
        self._wrote = False

    def show(self, what: str, leading: Amount, text: str, now: float) -> None:
        if self._written_at is None:
            self._written_at = now
        pause = now - self._written_at
        tenth = 0 if leading.percent is None else leading.percent // _TENTHS
        self._unwritten = f"{what}: {text}"
        if pause >= _LONGEST_PAUSE_SECONDS or (
            pause >= _SHORTEST_PAUSE_SECONDS and tenth != self._tenth
        ):
            self._write()
            self._written_at, self._tenth = now, tenth

    def end(self, *, whole: bool) -> None:
        if whole and self._wrote and self._unwritten:
            self._write()

    def _write(self) -> None:
        print(self._unwritten, file=self._screen, flush=True)
        self._unwritten = ""
        self._wrote = True


class _Bar:
    """For terminals."""

    def __init__(self, screen: TextIO) -> None:
        self._bar = RichProgress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            console=Console(file=screen),
        )
        self._task: TaskID | None = None

    def show(self, what: str, leading: Amount, text: str, now: float) -> None:
        del now  # a terminal is drawn anew several times a second by itself
        if self._task is None:
            self._task = self._bar.add_task(what, total=None, text=text)
            self._bar.start()
        self._bar.update(self._task, completed=leading.done, total=leading.total or None, text=text)

    def end(self, *, whole: bool) -> None:
        del whole
        if self._task is not None:
            self._bar.stop()
