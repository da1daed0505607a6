"""Whether a hundred thousand jobs that have ended are in the way of the next one."""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import sqlalchemy as sa
from sqlalchemy import Connection

from benchmarks.api_client import SignedConnection
from benchmarks.databases import Databases, both_databases, place_of
from benchmarks.deployment import deployment
from benchmarks.measured import Measured, Thing
from benchmarks.page import insert_jobs
from benchmarks.processes import Sample
from benchmarks.serving import serving
from telamon.clock import system_clock
from telamon.jobs.engine_tables import jobs_table
from telamon.jobs.queue import JobKind
from telamon.state import instances
from telamon.state.database import Database
from tests.operations.ended import add_records

_PAGE = 100
_MANY = 100_000
_JOBS = 30
_REQUESTS = 300
_POLL_SECONDS = 0.05
_NAME = "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Served:
    http: httpx.Client
    """Of Telamon's own paths of the project."""
    connection: SignedConnection
    list_path: str
    db: Database
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
        for _ in range(_JOBS):
            for served in (few, many):
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
        http = stack.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{caller.port}/api/telamon/v1/groups/{group_id}",
                auth=httpx.DigestAuth(caller.public_key, caller.private_key),
            )
        )
        attached = {"name": _NAME, "uri": uri, "kind": "serverless"}
        http.post("/instances", json=attached).raise_for_status()
        db = stack.enter_context(closing(place_of(data_dir, settings).open()))
        made = db.look(lambda tx: instances.by_name(tx, group_id, _NAME))
        db.transact(lambda tx: insert_jobs(tx, made, jobs))
        if jobs == _MANY:
            add_records(db, system_clock(), last=jobs)
        yield _Served(
            http=http,
            connection=stack.enter_context(closing(SignedConnection(caller))),
            list_path=f"/api/atlas/v1.0/groups/{group_id}/serverless/{_NAME}/backup/restoreJobs",
            db=db,
        )


def _page_seconds(served: _Served) -> float:
    started = time.perf_counter()
    served.connection.get(f"{served.list_path}?itemsPerPage={_PAGE}")
    return time.perf_counter() - started


def _queued_seconds(served: _Served) -> float:
    """From before the request until the engine began the job, by the clock that both read."""
    asked_at = time.time()
    taken = served.http.post(f"/instances/{_NAME}/snapshots", json={}).raise_for_status().json()
    path = f"/instances/{_NAME}/snapshots/{taken['id']}"
    while "finishedAt" not in served.http.get(path).raise_for_status().json():
        time.sleep(_POLL_SECONDS)
    return served.db.look(lambda tx: _started_at(tx, taken["id"])) - asked_at


def _started_at(tx: Connection, snapshot_id: str) -> float:
    jobs = jobs_table(tx)
    started = sa.select(jobs.c.started_at_epoch_ms).where(
        jobs.c.workflow_uuid == f"{JobKind.TAKE_SNAPSHOT}:{snapshot_id}"
    )
    return int(tx.execute(started).scalar_one()) / 1000
