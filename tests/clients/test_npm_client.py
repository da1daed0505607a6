"""mongodb-atlas-api-client of npm: dedicated clusters, on v1.0 and, with its options for HTTP, on v2.

It knows no serverless instance and cannot list restore jobs, so that it pages through clusters. An
error is no exception to it: it returns what the server answered.
"""

import os
from pathlib import Path

import pytest

from tests.clients.installed import run_script
from tests.clients.protected import UNKNOWN, Protected, unknown_cluster
from tests.end_to_end.harness import Json, Server

pytestmark = pytest.mark.xdist_group("clients")
SCRIPT = Path(__file__).parent / "scripts" / "drive_npm_client.cjs"
V2_OPTIONS = {
    "headers": {"Accept": "application/vnd.atlas.2024-08-05+json"},
    "contentType": "json",
}


@pytest.fixture(scope="module", params=[("v1.0", None), ("v2", V2_OPTIONS)], ids=["v1.0", "v2"])
def told(
    server: Server,
    cluster: Protected,
    projects: list[str],
    node_clients: Path,
    request: pytest.FixtureRequest,
) -> Json:
    """What the client made of it; it began with a damaged cluster."""
    version, options = request.param
    cluster.damage()
    given = {
        "installed": str(node_clients),
        "client": {
            "publicKey": server.key["publicKey"],
            "privateKey": server.key["privateKey"],
            "baseUrl": f"{server.url}/api/atlas/{version}",
            "projectId": server.group_id,
        },
        "httpOptions": options,
        "cluster": cluster.name,
        "order": cluster.order,
        "unknown": UNKNOWN,
    }
    return run_script("node", SCRIPT, given, {**os.environ})


def test_organizations_and_projects_are_listed(
    server: Server, told: Json, projects: list[str]
) -> None:
    assert told["organizations"] == [server.key["orgId"]]
    assert told["projects"] == projects


def test_clusters_are_listed_one_a_page(told: Json) -> None:
    assert told["clusters"] == [["archive"], ["legacy"]]


def test_snapshots_are_listed(told: Json, cluster: Protected) -> None:
    assert told["snapshots"][-1] == cluster.snapshot_id


def test_a_restore_job_is_watched_to_its_end(told: Json, cluster: Protected) -> None:
    job = told["job"]
    assert (job["snapshotId"], job["failed"]) == (cluster.snapshot_id, False)
    assert cluster.content() == cluster.saved


def test_an_error_is_read(server: Server, told: Json) -> None:
    assert told["error"] == unknown_cluster(server)
