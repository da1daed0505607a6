"""atlasapi: dedicated clusters on v1.0.

It knows no serverless instance, and does not page through restore jobs: it asks for the first page.
It pages through clusters instead.
"""

import os
from pathlib import Path

import pytest

from tests.clients.installed import run_script
from tests.clients.protected import UNKNOWN, Protected, unknown_cluster
from tests.end_to_end.harness import Json, Server

pytestmark = pytest.mark.xdist_group("clients")
SCRIPT = Path(__file__).parent / "scripts" / "drive_atlasapi.py"


@pytest.fixture(scope="module")
def told(server: Server, cluster: Protected, projects: list[str], python_clients: Path) -> Json:
    """What the client made of it; it began with a damaged cluster."""
    cluster.damage()
    given = {
        "cluster": cluster.name,
        "snapshotId": cluster.snapshot_id,
        "unknown": UNKNOWN,
        **server.key,
    }
    return run_script(python_clients, SCRIPT, given, {**os.environ, "BASE_URL": server.url})


def test_organizations_and_projects_are_listed(
    server: Server, told: Json, projects: list[str]
) -> None:
    assert told["organizations"] == [server.key["orgId"]]
    assert told["projects"] == projects
    assert told["of_organization"] == projects


def test_clusters_are_listed_one_a_page(told: Json) -> None:
    assert told["clusters"] == ["archive", "legacy"]


def test_a_snapshot_is_taken_and_listed_first(told: Json, cluster: Protected) -> None:
    assert told["snapshots"] == [[told["taken"], "COMPLETED"], [cluster.snapshot_id, "COMPLETED"]]


def test_a_restore_job_is_watched_to_its_end(told: Json, cluster: Protected) -> None:
    assert told["job"]["snapshotId"] == cluster.snapshot_id
    assert told["job"]["cancelled"] is False
    assert told["jobs"][0] == told["job"]["id"]
    assert cluster.content() == cluster.saved


def test_an_error_is_read(server: Server, told: Json) -> None:
    assert told["error"] == {"status": 404, **unknown_cluster(server)}
