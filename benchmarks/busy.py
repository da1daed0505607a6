"""How long callers wait while the worker beside them takes snapshots."""

import statistics
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx

from benchmarks.api_client import Caller, SignedConnection
from benchmarks.datasets import DATA_SETS
from benchmarks.deployment import deployment
from benchmarks.measured import Measured, Thing
from benchmarks.page import insert_jobs
from benchmarks.processes import Sample, run_job
from benchmarks.serving import serving
from telamon.state import instances
from telamon.state.database import Database

_CONNECTIONS = 32
_JOBS = 1_000
_DATA_BYTES = 256 * 1024 * 1024
_PERCENT = 100


def measure_busy(root: Path, name: str, rounds: int, measured: Measured) -> None:
    """One snapshot a round, each a first one, of text that takes the worker some seconds."""
    text = next(one for one in DATA_SETS if one.letter == "A")
    root.mkdir()
    with deployment(root / "source") as source:
        run_job(
            *("load", "--uri", source.uri, "--collection", text.name),
            *("--size-bytes", str(_DATA_BYTES)),
        )
        for number in range(rounds):
            with serving(root / f"data{number}", {}) as (caller, group_id):
                http = httpx.Client(
                    base_url=f"http://127.0.0.1:{caller.port}/api/telamon/v1/groups/{group_id}",
                    auth=httpx.DigestAuth(caller.public_key, caller.private_key),
                )
                attached = {"name": "bench", "uri": source.uri, "kind": "serverless"}
                http.post("/instances", json=attached).raise_for_status()
                _fill(root / f"data{number}", group_id)
                seconds = _seconds_during_snapshot(http, caller, group_id)
            tail = statistics.quantiles(seconds, n=_PERCENT)[-1]
            median = statistics.median(seconds)
            print(
                f"{name}  {len(seconds)} pages during a snapshot: median {median * 1e3:.1f} ms, "
                f"99th percentile {tail * 1e3:.1f} ms",
                file=sys.stderr,
            )
            measured.add(name, Thing.BUSY_MEDIAN, Sample(seconds=median, cpu_seconds=0))
            measured.add(name, Thing.BUSY_TAIL, Sample(seconds=tail, cpu_seconds=0))


def _fill(data_dir: Path, group_id: str) -> None:
    with closing(Database.sqlite(data_dir / "telamon.db")) as db:
        made = db.look(lambda tx: instances.by_name(tx, group_id, "bench"))
        db.transact(lambda tx: insert_jobs(tx, made, _JOBS))


def _seconds_during_snapshot(http: httpx.Client, caller: Caller, group_id: str) -> list[float]:
    """How long each page took, from when the worker began until it was done."""
    taken = http.post("/instances/bench/snapshots", json={}).raise_for_status().json()
    ended = threading.Event()
    found: list[float] = []
    target = f"/api/atlas/v1.0/groups/{group_id}/serverless/bench/backup/restoreJobs"

    def ask() -> None:
        with closing(SignedConnection(caller)) as connection:
            while not ended.is_set():
                started = time.perf_counter()
                connection.get(target)
                found.append(time.perf_counter() - started)

    threads = [threading.Thread(target=ask) for _ in range(_CONNECTIONS)]
    for thread in threads:
        thread.start()
    while "finishedAt" not in http.get(f"/instances/bench/snapshots/{taken['id']}").json():
        ended.wait(0.1)
    ended.set()
    for thread in threads:
        thread.join()
    return found
