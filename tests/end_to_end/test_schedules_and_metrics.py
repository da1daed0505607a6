"""A real server whose worker takes what is due by itself, and is measured over real HTTP."""

import os
import re
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.harness import Json, Server, is_alive, wait_for

pytestmark = pytest.mark.xdist_group("schedules")

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ON = {"TELAMON_SCHEDULES": "true"}
A_DAY = 86_400


def scrape(server: Server) -> dict[tuple[str, ...], float]:
    """As Prometheus does it: without credentials."""
    answer = httpx.get(f"{server.url}/metrics", timeout=30)
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def snapshots(server: Server) -> list[Json]:
    found: list[Json] = server.own("GET", "/instances/shop/snapshots")["results"]
    return found


def kill_after(server: Server, pause_seconds: float) -> None:
    """The worker, then the API."""
    worker = server.worker_pid()
    end = time.monotonic() + pause_seconds
    wait_for(lambda: scrape(server), lambda _: time.monotonic() > end)
    os.kill(worker, signal.SIGKILL)
    server.kill_alone()
    wait_for(lambda: is_alive(worker), lambda alive: not alive)


def write(server: Server, statement: str, *values: object) -> None:
    """Into the database of a server that does not run."""
    with closing(sqlite3.connect(server.data_dir / "telamon.db")) as file, file:
        file.execute(statement, values)


def rows(server: Server, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(server.data_dir / "telamon.db")) as file:
        return file.execute(query).fetchall()


@pytest.fixture
def overdue(own_server: Server) -> Server:
    """Stopped; of an instance that was made three days ago and has no snapshot."""
    own_server.create("shop")
    own_server.stop()
    write(own_server, "UPDATE instance SET created_at = created_at - ?", 3 * A_DAY)
    return own_server


def test_a_worker_takes_what_is_due_once_and_shows_it_in_its_metrics(overdue: Server) -> None:
    overdue.start(**ON)
    wait_for(lambda: snapshots(overdue), lambda found: found and "finishedAt" in found[0])

    [taken] = snapshots(overdue)
    assert (taken["status"], taken["snapshotType"]) == ("completed", "scheduled")
    labels = (overdue.group_id, "shop")
    samples = wait_for(
        lambda: scrape(overdue),
        lambda it: it["telamon_jobs_ended_total", "take_snapshot", "finished"] == 1,
    )
    assert samples["telamon_seconds_since_good_snapshot", *labels] < 600
    assert samples["telamon_last_snapshot_bytes", *labels] == taken["sizeBytes"]
    assert samples["telamon_schedule_lag_seconds", *labels] == 0
    overdue.stop()

    overdue.start(**ON)

    wait_for(lambda: overdue.log.count("worker_ready"), lambda count: count == 3)
    overdue.stop()
    assert rows(overdue, "SELECT count(*) FROM schedule_run") == [(1,)]


def test_whatever_is_killed_the_moment_has_one_run_and_one_snapshot(overdue: Server) -> None:
    """Servers killed again and again, at moments nobody chose, until the snapshot is there."""
    for pause_seconds in (0.6, 0.9, 1.2, 1.5):
        overdue.start(**ON)
        kill_after(overdue, pause_seconds)
    overdue.start(**ON)

    wait_for(lambda: snapshots(overdue), lambda found: found and "finishedAt" in found[0])

    [taken] = snapshots(overdue)
    assert taken["snapshotType"] == "scheduled"
    assert rows(overdue, "SELECT snapshot_id FROM schedule_run") == [(taken["id"],)]


def test_a_snapshot_whose_time_is_over_goes_by_itself(own_server: Server) -> None:
    own_server.create("shop")
    old, new = own_server.snapshot("shop"), own_server.snapshot("shop")
    own_server.stop()
    write(own_server, "UPDATE snapshot SET expires_at = expires_at - ?", 4000 * A_DAY)
    write(own_server, "UPDATE snapshot SET requested_at = requested_at - 60 WHERE id = ?", old)

    own_server.start()

    manifests = own_server.data_dir / "repository" / "snapshots"
    kept = wait_for(
        lambda: sorted(path.name for path in manifests.iterdir()), lambda it: len(it) == 1
    )
    assert [one["id"] for one in snapshots(own_server)] == [new]
    assert (new in kept[0], old in kept[0]) == (True, False)


def test_an_api_without_its_worker_is_ready_and_measured(own_server: Server) -> None:
    worker = own_server.worker_pid()
    os.kill(worker, signal.SIGKILL)

    assert httpx.get(f"{own_server.url}/readyz").status_code == 200
    assert httpx.get(f"{own_server.url}/livez").status_code == 200
    assert scrape(own_server)["telamon_jobs_ended_total", "restore", "failed"] == 0


def test_every_measured_name_is_in_the_operations_page_and_no_secret_is(
    own_server: Server,
) -> None:
    own_server.create("shop")
    own_server.snapshot("shop")
    page = wait_for(
        lambda: httpx.get(f"{own_server.url}/metrics").text,
        lambda text: "telamon_repository_packs" in text,
    )

    names = {
        sample.name for family in text_string_to_metric_families(page) for sample in family.samples
    }
    documented = set(re.findall(r"^\| `(telamon_\w+)` \|", OPERATIONS.read_text(), re.MULTILINE))
    idle = {
        "telamon_jobs",
        "telamon_oldest_job_seconds",
        "telamon_oplog_lag_seconds",
        "telamon_repository_checked_timestamp_seconds",
        "telamon_repository_findings",
        "telamon_schedule_lag_seconds",
        "telamon_seconds_since_good_drill",
    }
    assert names | idle == documented
    for secret in (own_server.key["privateKey"], own_server.key["publicKey"], "mongodb://"):
        assert secret not in page
