"""The list of restore jobs over HTTP: against an empty answer, at any depth, and beside a snapshot."""

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.api_client import Caller, SignedConnection
from benchmarks.busy import measure_busy
from benchmarks.goals import POSTGRESQL, SQLITE
from benchmarks.measured import Measured, Thing
from benchmarks.processes import Sample
from tests.databases import PostgresMaker, find_postgres, running_postgres

_FEW = 1_000
_MANY = 1_000_000
_LAST_PAGE = 10_000
_REQUESTS = 300
_BLOCK = 50

Ask = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    connection: SignedConnection
    list_path: str


def measure_api(root: Path, rounds: int, measured: Measured) -> None:
    """On SQLite, and on PostgreSQL where that is installed."""
    few, many = root / "few.db", root / "many.db"
    _measure_database(SQLITE, str(few), str(many), rounds, measured)
    measure_busy(root / "busy", SQLITE, rounds, measured)
    programs = find_postgres()
    if programs is None:
        return
    folder = root / "postgresql"
    folder.mkdir()
    with running_postgres(programs, folder) as url:
        maker = PostgresMaker(url)
        addresses = maker.make().address, maker.make().address
        _measure_database(POSTGRESQL, *addresses, rounds, measured)


def _measure_database(
    name: str, few_address: str, many_address: str, rounds: int, measured: Measured
) -> None:
    with _serving(few_address, _FEW) as few, _serving(many_address, _MANY) as many:
        last = f"{many.list_path}?pageNum={_LAST_PAGE}"
        for _ in range(rounds):
            against_empty = {
                Thing.EMPTY_ANSWER: lambda: few.connection.get("/"),
                Thing.JOB_PAGE: lambda: few.connection.get(few.list_path),
            }
            _record(name, _blocks(against_empty), measured)
            with _committing(few_address) as commit_few, _committing(many_address) as commit_many:
                of_few = _after(commit_few, lambda: few.connection.get(few.list_path))
                of_many = _after(commit_many, lambda: many.connection.get(many.list_path))
                of_last = _after(commit_many, lambda: many.connection.get(last))
                alternating = {
                    Thing.FIRST_OF_FEW: of_few,
                    Thing.FIRST_OF_MANY: of_many,
                    Thing.LAST_OF_MANY: of_last,
                }
                _record(name, _alternating(alternating), measured)


@contextmanager
def _serving(address: str, jobs: int) -> Iterator[_Server]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.api_server", address, str(jobs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        path = told.pop("path")
        with closing(SignedConnection(Caller(**told))) as connection:
            yield _Server(connection=connection, list_path=path)
    finally:
        process.kill()
        process.wait()


@contextmanager
def _committing(address: str) -> Iterator[Ask]:
    """What makes the API read its database again; on PostgreSQL it does so each time."""
    if "://" in address:
        yield lambda: None
        return
    with closing(sqlite3.connect(address)) as connection:

        def commit() -> None:
            connection.execute("UPDATE instance SET name = name")
            connection.commit()

        yield commit


def _after(before: Ask, ask: Ask) -> Callable[[], float]:
    """The seconds of ``ask``."""

    def timed() -> float:
        before()
        return _seconds(ask)

    return timed


def _seconds(ask: Ask) -> float:
    started = time.perf_counter()
    ask()
    return time.perf_counter() - started


def _blocks(asks: Mapping[Thing, Ask]) -> dict[Thing, list[float]]:
    """Each many times in a row, by turns: a server that is asked for one thing all the time."""
    found: dict[Thing, list[float]] = {thing: [] for thing in asks}
    for _ in range(_REQUESTS // _BLOCK):
        for thing, ask in asks.items():
            found[thing] += [_seconds(ask) for _ in range(_BLOCK)]
    return found


def _alternating(asks: Mapping[Thing, Callable[[], float]]) -> dict[Thing, list[float]]:
    found: dict[Thing, list[float]] = {thing: [] for thing in asks}
    for _ in range(_REQUESTS):
        for thing, ask in asks.items():
            found[thing].append(ask())
    return found


def _record(name: str, found: Mapping[Thing, list[float]], measured: Measured) -> None:
    for thing, seconds in found.items():
        median = statistics.median(seconds)
        measured.add(name, thing, Sample(seconds=median, cpu_seconds=0))
        print(f"{name}  {thing:60} {median * 1e6:8.0f} us", file=sys.stderr)
