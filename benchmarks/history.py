"""Whether a hundred thousand jobs that have ended are in the way of the next one."""

import json
import random
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.api_client import SignedConnection
from benchmarks.databases import Databases, both_databases, place_of
from benchmarks.deployment import deployment
from benchmarks.measured import Measured, Thing
from benchmarks.page import insert_jobs
from benchmarks.processes import Sample
from benchmarks.serving import serving
from telamon.clock import system_clock
from telamon.state import instances
from tests.operations.ended import add_records

_PAGE = 100
_MANY = 100_000
_JOBS = 40
_REQUESTS = 300
_POLL_SECONDS = 0.01
_NAME = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    http: httpx.Client
    """Of Telamon's own paths of the project."""
    connection: SignedConnection
    own_path: str
    """The same, for the connection."""
    list_path: str
    waits: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)


def measure_history(root: Path, rounds: int, measured: Measured) -> None:
    """A page of jobs and the wait of a queued job, with a history and without, by turns."""
    folder = root / "history"
    folder.mkdir()
    with both_databases(folder) as databases, deployment(folder / "source") as source:
        source.client["shop"]["orders"].insert_one({})
        for number in range(rounds):
            for kind in databases.kinds:
                _measure(folder / f"{kind}{number}", kind, databases, source.uri, measured)


def _measure(folder: Path, kind: str, databases: Databases, uri: str, measured: Measured) -> None:
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(_served(folder / name, databases.settings(kind), uri, jobs))
            for name, jobs in (("few", _PAGE), ("many", _MANY))
        )
        for _ in range(_REQUESTS):
            for served in (few, many):
                served.pages.append(_page_seconds(served))
        for pause_seconds in _pauses():
            for served in (few, many):
                time.sleep(pause_seconds)
                served.waits.append(_queued_seconds(served))
    for thing, found in (
        (Thing.PAGE_WITHOUT_HISTORY, few.pages),
        (Thing.PAGE_WITH_HISTORY, many.pages),
        (Thing.WAIT_WITHOUT_HISTORY, few.waits),
        (Thing.WAIT_WITH_HISTORY, many.waits),
    ):
        median = statistics.median(found)
        print(
            f"{kind}  {thing:60} median {median * 1e3:7.1f} ms, longest {max(found) * 1e3:7.1f} ms",
            file=sys.stderr,
        )
        # The poll decides when a job is found: means differ less from run to run than medians.
        typical = statistics.mean(found) if found in (few.waits, many.waits) else median
        measured.add(kind, thing, Sample(seconds=typical, cpu_seconds=0))


@contextmanager
def _served(data_dir: Path, settings: dict[str, str], uri: str, jobs: int) -> Iterator[_Served]:
    """A server of which one instance has so many restore jobs that ended, as has the job engine."""
    data_dir.parent.mkdir(exist_ok=True)
    quiet = {"TELAMON_SCHEDULES": "false"}
    with serving(data_dir, {**settings, **quiet}) as (caller, group_id), ExitStack() as stack:
        own_path = f"/api/telamon/v1/groups/{group_id}"
        http = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{caller.port}{own_path}",
                auth=httpx.DigestAuth(caller.public_key, caller.private_key),
            )
        )
        attached = {"name": _NAME, "uri": uri, "kind": "serverless"}
        http.post("/instances", json=attached).raise_for_status()
        with closing(place_of(data_dir, settings).open()) as db:
            made = db.look(lambda tx: instances.by_name(tx, group_id, _NAME))
            db.transact(lambda tx: insert_jobs(tx, made, jobs))
            add_records(db, system_clock(), last=jobs)
        yield _Served(
            http=http,
            connection=stack.enter_context(closing(SignedConnection(caller))),
            own_path=own_path,
            list_path=f"/api/atlas/v1.0/groups/{group_id}/serverless/{_NAME}/backup/restoreJobs",
        )


def _pauses() -> list[float]:
    """From nothing to two polls, in any order: otherwise each job, asked for when the one before
    has ended, waits what that one left of a poll."""
    pauses = [number / _JOBS for number in range(_JOBS)]
    random.Random(1).shuffle(pauses)
    return pauses


def _page_seconds(served: _Served) -> float:
    started = time.perf_counter()
    served.connection.get(f"{served.list_path}?itemsPerPage={_PAGE}")
    return time.perf_counter() - started


def _queued_seconds(served: _Served) -> float:
    """From the request until its job is seen to have begun."""
    started = time.perf_counter()
    taken = served.http.post(f"/instances/{_NAME}/snapshots", json={}).raise_for_status().json()
    path = f"{served.own_path}/instances/{_NAME}/snapshots/{taken['id']}"
    seconds = 0.0
    while "finishedAt" not in (found := json.loads(served.connection.get(path))):
        if not seconds and found["status"] != "queued":
            seconds = time.perf_counter() - started
        time.sleep(_POLL_SECONDS)
    return seconds or time.perf_counter() - started
