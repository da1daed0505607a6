"""The page of results."""

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.datasets import DataSet
from benchmarks.goals import GOALS, Figure, Goal
from benchmarks.measured import Measured, Thing
from benchmarks.peer import Peers
from benchmarks.published import CPU_SECONDS_PER_GB

_SHORT_SECONDS = 0.05
_STAND_IN = "stand-in for "


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a reader must know of a run."""

    peers: Peers
    rounds: int
    sizes: Mapping[DataSet, int]
    """Bytes of documents of each data set that was measured."""


def report(measured: Measured, conditions: Conditions) -> str:
    """Markdown."""
    sections = [
        ["# Benchmark results", "", *_conditions(conditions)],
        ["## Goals", "", *_goals(measured, conditions.peers)],
        ["## Medians", "", *_medians(measured, conditions.peers)],
    ]
    if conditions.peers.are_stand_ins:
        sections.append(["## The stand-ins", "", *_stand_ins(measured, conditions)])
    return "\n".join("\n".join([*lines, ""]) for lines in sections)


def _conditions(conditions: Conditions) -> list[str]:
    peers = conditions.peers
    lines = [
        f"`make bench`, rounds: {conditions.rounds}. What is compared runs by turns in one run, on one "
        f"machine together with the mongods ({os.cpu_count()} cores, {platform.machine()}, Python "
        f"{platform.python_version()}). Compare ratios; seconds are this machine's.",
        "",
        "| data set | documents of | MB |",
        "|---|---|---|",
        *(
            f"| {one.letter} | {one.what} | {size / 1e6:.0f} |"
            for one, size in conditions.sizes.items()
        ),
        "",
    ]
    if peers.are_stand_ins:
        lines.append(
            "mongodump and mongorestore could not be had on this machine. **Where they are named, what "
            "ran is a stand-in (Go driver, same work)**, see below. "
        )
    elif peers.dump is None:
        lines.append("Neither mongodump nor Go are on the PATH: their rows are not measured. ")
    else:
        lines.append(f"{peers.versions}. ")
    lines[-1] += (
        f"zstd: {peers.zstd_name}. Dumps are written to files without fsync, snapshots with it. Bytes of "
        "a snapshot are those by which the store grew, its manifest included. Each run of Telamon is a "
        "process of its own; its figures leave out the start of the interpreter. Processor time is the "
        "client's, mongod's is in none."
    )
    return lines


def _goals(measured: Measured, peers: Peers) -> list[str]:
    return [
        "| measure | data | against | goal | measured | | why |",
        "|---|---|---|---|---|---|---|",
        *(_goal(goal, measured, peers) for goal in GOALS),
    ]


def _goal(goal: Goal, measured: Measured, peers: Peers) -> str:
    value = goal.measure(measured)
    if value is None:
        verdict = "not measured"
    elif goal.bound is None:
        verdict = ""
    else:
        verdict = "met" if goal.is_met(value) else "**missed**"
    against = "" if goal.against is None else _name(goal.against, peers)
    sign = "≥" if goal.figure is Figure.SPEED else "≤"
    bound = "" if goal.bound is None else f"{sign} {_value(goal, goal.bound)}"
    shown = "" if value is None else _value(goal, value)
    return (
        f"| {goal.thing}: {goal.figure} | {goal.letter} | {against} | {bound} | {shown} | {verdict} "
        f"| {goal.remark} |"
    )


def _value(goal: Goal, value: float) -> str:
    if goal.figure is Figure.MEMORY:
        return f"{value:.0f} MB"
    if goal.figure is Figure.CORE:
        return f"{value * 100:.1f} %"
    if goal.figure is Figure.SECONDS:
        return f"{value:.3f} s"
    if goal.figure is Figure.BYTES and goal.against is Thing.FIRST:
        return f"{value * 100:.2f} %"
    return f"{value:.3f}" if goal.figure is Figure.BYTES else f"{value:.2f}"


def _medians(measured: Measured, peers: Peers) -> list[str]:
    lines = [
        "Seconds and CPU seconds are medians, in brackets the shortest and the longest; memory is the "
        "largest of all runs, of a pipe the larger program's, and empty where it was too little to be "
        "seen.",
        "",
        "| data | | runs | seconds | CPU seconds | MB | peak memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for letter, thing in measured.things():
        median = measured.median(letter, thing)
        assert median is not None
        shortest, longest = measured.spread(letter, thing)
        lines.append(
            f"| {letter} | {_name(thing, peers)} | {measured.runs(letter, thing)} "
            f"| {_time(median.seconds)} ({_time(shortest)}-{_time(longest)}) | {_known(median.cpu_seconds, 2)} "
            f"| {_known(median.bytes / 1e6, 2)} | {_known(median.peak_bytes / 1e6, 0)} |"
        )
    return lines


def _time(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds >= _SHORT_SECONDS else f"{seconds:.5f}"


def _known(value: float, digits: int) -> str:
    """Zero stands for what was not measured."""
    return f"{value:.{digits}f}" if value else ""


def _stand_ins(measured: Measured, conditions: Conditions) -> list[str]:
    lines = [
        "The module proxy does not serve mongo-tools, so benchmarks/peers has two programs that do the "
        "same work with the same official driver: one cursor, raw documents handed one by one from a "
        "goroutine that reads to one that writes, the archive format with its CRC-64, Go's gzip at its "
        "usual level; and the other way round, unordered bulk writes of 1,000 raw documents by 4 workers, "
        "`w: majority`, indexes afterwards. They decode nothing and report nothing, so they should be no "
        "slower than what they stand for. "
        f"Built with {conditions.peers.versions}; with mongodump and mongorestore on the PATH those run.",
        "",
        "How near they are: client CPU seconds for each GB of documents, beside what the real "
        "mongo-tools 100.18.0 needed on another machine with data of the same kinds (gzip's cost hangs on "
        "the data most). Below 1 the stand-in is the cheaper one, and the ratios above are harder to "
        "reach than against the real program.",
        "",
        "| program | data | stand-in here | real, published | ratio |",
        "|---|---|---|---|---|",
    ]
    gigabytes = {one.letter: size / 1e9 for one, size in conditions.sizes.items()}
    for (letter, thing), real in CPU_SECONDS_PER_GB.items():
        median = measured.median(letter, thing)
        if median is not None:
            here = median.cpu_seconds / gigabytes[letter]
            lines.append(f"| {thing} | {letter} | {here:.1f} | {real:.1f} | {here / real:.2f} |")
    return lines


def _name(thing: Thing, peers: Peers) -> str:
    is_peer = thing.startswith(("mongodump", "mongorestore"))
    return f"{_STAND_IN}{thing}" if is_peer and peers.are_stand_ins else thing.value
