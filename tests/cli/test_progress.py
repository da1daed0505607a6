"""Progress in a pipe and on a terminal, by a clock of the test's own."""

import io
import os
import pty
import termios
from dataclasses import dataclass, field

import pytest

from telamon.cli.progress import Amount, Progress, Unit, duration, quantity

MIB = 1024 * 1024


@dataclass
class Watch:
    """An act whose time is what the test says."""

    screen: io.StringIO = field(default_factory=io.StringIO)
    now: float = 1000.0

    def progress(self, what: str = "Reading") -> Progress:
        return Progress(what, screen=self.screen, clock=lambda: self.now)

    @property
    def lines(self) -> list[str]:
        return self.screen.getvalue().splitlines()


def run(steps: list[tuple[float, int]], total: int | None = 100) -> list[str]:
    """Tell of so much done at so many seconds from the start; answers the lines."""
    watch = Watch()
    with watch.progress() as progress:
        for seconds, done in steps:
            watch.now = 1000.0 + seconds
            progress.tell(Amount(Unit.PACKS, done, total))
    return watch.lines


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([(0, 0), (1, 50), (2, 100)], []),
        ([(0, 0), (3, 9)], []),
        ([(0, 0), (3, 10)], [10]),
        ([(0, 0), (2.9, 90)], []),
        ([(0, 0), (4, 40), (5, 60), (6.9, 80)], [40, 80]),
        ([(0, 0), (4, 40), (5, 60), (7, 80), (8, 90)], [40, 80, 90]),
        ([(0, 0), (4, 40), (8, 45), (9, 49)], [40, 49]),
        ([(0, 0), (4, 40), (33.9, 41), (34, 42), (35, 43)], [40, 42, 43]),
        ([(0, 0), (4, 100)], [100]),
    ],
    ids=[
        "over before the first line",
        "less than a tenth",
        "a tenth",
        "too soon for a line",
        "each tenth, but not too soon, and the end",
        "each tenth",
        "within a tenth only the end",
        "a tenth that takes long",
        "the last line once",
    ],
)
def test_lines_come_every_tenth_but_never_in_quick_succession(
    steps: list[tuple[float, int]], told: list[int]
) -> None:
    assert [int(line.split()[1]) for line in run(steps)] == told


def test_without_a_total_lines_come_every_half_minute() -> None:
    steps = [(0.0, 0), (29.0, 290), (30.0, 300), (59.0, 590), (60.0, 600)]

    assert run(steps, total=None) == ["Reading: 300 packs, 10/s", "Reading: 600 packs, 10/s"]


def test_a_line_has_amount_percentage_rate_and_time_left() -> None:
    watch = Watch()
    with watch.progress("Checking") as progress:
        progress.tell(Amount(Unit.BYTES, 0, 100 * MIB))
        watch.now += 5
        progress.tell(
            Amount(Unit.BYTES, 20 * MIB, 100 * MIB),
            Amount(Unit.DOCUMENTS, 12_345, 60_000),
            Amount(Unit.NAMESPACES, 3),
            note="shop.orders",
        )

    assert watch.lines == [
        "Checking: 20.0 MiB of 100.0 MiB (20 %), 4.0 MiB/s, 20 s left; "
        "12,345 of 60,000 documents; 3 namespaces; shop.orders"
    ]


def test_what_was_done_before_the_first_look_is_not_in_the_rate() -> None:
    assert run([(0, 50), (10, 60)]) == ["Reading: 60 of 100 packs (60 %), 1.0/s, 40 s left"]


def test_nothing_is_foretold_while_nothing_has_moved() -> None:
    assert run([(0, 0), (30, 0)]) == ["Reading: 0 of 100 packs (0 %)"]


def test_what_is_not_quite_done_is_not_a_hundred_percent() -> None:
    assert Amount(Unit.BYTES, 999_999, 1_000_000).percent == 99


def test_an_act_that_fails_writes_no_last_line() -> None:
    watch = Watch()
    with pytest.raises(KeyError), watch.progress() as progress:  # noqa: PT012  # it fails midway
        progress.tell(Amount(Unit.PACKS, 0, 100))
        watch.now += 4
        progress.tell(Amount(Unit.PACKS, 40, 100))
        progress.tell(Amount(Unit.PACKS, 41, 100))
        raise KeyError

    assert watch.lines == ["Reading: 40 of 100 packs (40 %), 10/s, 6 s left"]


def test_an_act_of_which_nothing_is_told_writes_nothing() -> None:
    watch = Watch()
    with watch.progress():
        pass

    assert watch.screen.getvalue() == ""


def test_counts_can_be_told_by_who_knows_no_units() -> None:
    watch = Watch()
    with watch.progress() as progress:
        tell = progress.counting(Unit.SNAPSHOTS)
        tell(0, 4)
        watch.now += 4
        tell(2, 4)

    assert watch.lines == ["Reading: 2 of 4 snapshots (50 %), 0.5/s, 4 s left"]


def test_a_terminal_gets_a_bar_with_the_same_numbers() -> None:
    reading, writing = pty.openpty()
    termios.tcsetwinsize(writing, (24, 200))
    with os.fdopen(writing, "w") as screen:
        now = 1000.0
        with Progress("Checking", screen=screen, clock=lambda: now) as progress:
            progress.tell(Amount(Unit.BYTES, 0, 2 * MIB))
            now += 1
            progress.tell(Amount(Unit.BYTES, MIB, 2 * MIB), note="[red]packs")
    shown = _everything(reading)

    assert "Checking" in shown
    assert "━" in shown
    assert "1.0 MiB of 2.0 MiB (50 %), 1.0 MiB/s, 1 s left; [red]packs" in shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (3 * 1024**3, "3.0 GiB"),
        (5000 * 1024**4, "5,000.0 TiB"),
    ],
)
def test_bytes_are_shown_in_their_largest_unit(count: int, shown: str) -> None:
    assert quantity(Unit.BYTES, count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")],
)
def test_durations_are_shown_in_their_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def _everything(terminal: int) -> str:
    """What was written to a terminal that has been closed since."""
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(terminal)
    return shown.decode()
