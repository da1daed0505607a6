"""pyatlassdk: flex clusters on v2, with an API key and as a service account.

Of serverless instances it lists and reads the instances alone, as Atlas's API does now.
"""

import os
from pathlib import Path

import pytest

from tests.clients.installed import run_script
from tests.clients.protected import UNKNOWN, Protected, unknown_instance
from tests.end_to_end.harness import Json, Server

pytestmark = pytest.mark.xdist_group("clients")
SCRIPT = Path(__file__).parent / "scripts" / "drive_pyatlassdk.py"


@pytest.fixture(scope="module", params=["API key", "service account"])
def credentials(
    server: Server, account: dict[str, str], request: pytest.FixtureRequest
) -> dict[str, str]:
    if request.param == "API key":
        return {
            "public_key": server.key["publicKey"],
            "private_key": server.key["privateKey"],
        }
    return {
        "client_id": account["clientId"],
        "client_secret": account["clientSecret"],
        "oauth_token_url": f"{server.url}/api/oauth/token",
    }


@pytest.fixture(scope="module")
def listed(projects: list[str], shop: Protected) -> tuple[list[str], str]:
    """What has to be there before the client looks: ids of projects, and a serverless instance."""
    return projects, shop.name


@pytest.fixture(scope="module")
def told(
    server: Server,
    flex: Protected,
    python_clients: Path,
    credentials: dict[str, str],
    listed: object,
) -> Json:
    """What the client made of it; it began with a damaged cluster."""
    flex.damage()
    given = {
        "client": {"base_url": f"{server.url}/api/atlas/v2", **credentials},
        "groupId": server.group_id,
        "flex": flex.name,
        "snapshotId": flex.snapshot_id,
        "unknown": UNKNOWN,
    }
    return run_script(python_clients, SCRIPT, given, {**os.environ})


def test_projects_instances_and_snapshots_are_listed(
    told: Json, flex: Protected, listed: tuple[list[str], str]
) -> None:
    projects, serverless = listed
    assert told["projects"] == projects
    assert told["serverless"] == [[serverless, "IDLE"]]
    assert told["flex"] == [["bendy", "IDLE"]]
    assert told["snapshots"] == [[flex.snapshot_id, "COMPLETED"]]


def test_restore_jobs_are_watched_to_their_end(told: Json, flex: Protected) -> None:
    assert [status for _, status in told["restored"]] == ["COMPLETED"] * 3
    assert flex.content() == flex.saved


def test_pages_have_every_job_newest_first(told: Json) -> None:
    pages = told["pages"]
    found = [job_id for page in pages for job_id in page]

    assert [len(page) for page in pages[:-1]] == [2] * (len(pages) - 1)
    assert len(pages) >= 2
    assert found[:3] == [job_id for job_id, _ in reversed(told["restored"])]
    assert len(set(found)) == len(found)


def test_an_error_is_read(server: Server, told: Json) -> None:
    assert told["error"] == {"status": 404, **unknown_instance(server)}
