"""What must hold when a soak has come to rest."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

import sqlalchemy as sa

from benchmarks.soak_callers import Fleet, Seen
from telamon.state.database import Database

_ENDS = ("completed", "finished", "failed")


def prove_jobs(fleet: Fleet, instances: Sequence[str], seen: Seen) -> Counter[str]:
    """Every job that was promised is there, has ended, and ended once. How they ended."""
    own = f"/api/telamon/v1/groups/{fleet.group_id}/instances"
    atlas = f"/api/atlas/v1.0/groups/{fleet.group_id}/serverless"
    ends: Counter[str] = Counter()
    found = set()
    for name in instances:
        snapshots = {one["id"]: one for one in fleet.all(f"{own}/{name}/snapshots")}
        for snapshot_id, snapshot in snapshots.items():
            found.add(f"{own}/{name}/snapshots/{snapshot_id}")
            _end(f"{own}/{name}/snapshots/{snapshot_id}", "snapshot", snapshot, ends, seen)
        for job in fleet.all(f"{atlas}/{name}/backup/restoreJobs"):
            found.add(f"{atlas}/{name}/backup/restoreJobs/{job['id']}")
            path = f"{own}/{name}/restoreJobs/{job['id']}"
            details = fleet.ask(path)
            _end(path, "restore", details, ends, seen)
            if job["failed"] is not (details["stage"] == "failed"):
                seen.violations.append(f"{path}: {details['stage']}, and failed is {job['failed']}")
    lost = sorted(set(seen.promised) - found)
    seen.violations += [f"{path} was promised and is not there" for path in lost]
    return ends


def _end(path: str, kind: str, found: Mapping[str, object], ends: Counter[str], seen: Seen) -> None:
    state = str(found.get("status") or found["stage"])
    reason = f": {found['failure']}" if "failure" in found else ""
    ends[f"{kind} {state}{reason}"] += 1
    if state not in _ENDS or "finishedAt" not in found:
        seen.violations.append(f"{path} has not ended: {state}")
    before = seen.ended.get(path, state)
    if before != state:
        seen.violations.append(f"{path} was {before} and is {state}")


def prove_engine(database_url: str, seen: Seen) -> None:
    """Nothing waits or runs any more where the job engine counts it."""
    with closing(Database.postgresql(database_url)) as db:
        rows = db.look(
            lambda tx: tx.execute(
                sa.text("SELECT status, count(*) FROM dbos.workflow_status GROUP BY status")
            ).all()
        )
    left = {str(status): int(count) for status, count in rows if status != "SUCCESS"}
    if left:
        seen.violations.append(f"the job engine has jobs that did not end well: {left}")


def prove_repository(settings: Mapping[str, str], data_dir: str, seen: Seen) -> str:
    """``telamon repository check --read-data`` finds nothing. What it says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "telamon", "repository", "check", "--read-data", "--json"),
            *("--data-dir", data_dir),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=dict(settings),
    )
    if done.returncode:
        seen.violations.append(
            f"check --read-data ended with {done.returncode}: {done.stdout} {done.stderr}"
        )
        return ""
    checked = json.loads(done.stdout)
    return ", ".join(f"{name} {value}" for name, value in checked.items() if value)
