"""curl --digest, as scripts use it."""

import json
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.clients.protected import UNKNOWN, Protected, restore_job_ids, unknown_instance
from tests.end_to_end.harness import PATIENCE_SECONDS, Json, Server, wait_for

pytestmark = pytest.mark.xdist_group("clients")


class Curl:
    """Calls on v1.0 with the key that init printed."""

    def __init__(self, server: Server) -> None:
        self._user = f"{server.key['publicKey']}:{server.key['privateKey']}"
        self.base = f"{server.url}/api/atlas/v1.0"
        self.jobs = f"{self.base}/groups/{server.group_id}/serverless/shop/backup/restoreJobs"

    def __call__(self, url: str, *words: str) -> Json:
        """What an answer says that is none of an error."""
        done = self.run("--fail-with-body", *words, url)
        assert done.returncode == 0, done.stdout + done.stderr
        answer: Json = json.loads(done.stdout)
        return answer

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--digest", "--user", self._user, *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def pages(self, url: str) -> Iterator[list[str]]:
        """Ids, page by page, as the links lead."""
        links = {"next": url}
        while "next" in links:
            page = self(links["next"])
            yield [job["id"] for job in page["results"]]
            links = {link["rel"]: link["href"] for link in page["links"]}


@pytest.fixture(scope="module")
def curl(server: Server) -> Curl:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    return Curl(server)


def test_projects_instances_and_snapshots_are_listed(
    server: Server, curl: Curl, shop: Protected, projects: list[str]
) -> None:
    group = f"{curl.base}/groups/{server.group_id}"

    listed = curl(f"{curl.base}/groups")
    instances = curl(f"{group}/serverless")
    snapshots = curl(f"{group}/serverless/shop/backup/snapshots")

    assert [project["id"] for project in listed["results"]] == projects
    assert [instance["name"] for instance in instances["results"]] == ["shop"]
    assert [(one["id"], one["status"]) for one in snapshots["results"]] == [
        (shop.snapshot_id, "completed")
    ]


def test_a_restore_job_is_watched_to_its_end(curl: Curl, shop: Protected) -> None:
    shop.damage()

    job = curl(
        curl.jobs,
        *("--header", "Content-Type: application/json", "--data", json.dumps(shop.order)),
    )
    ended = wait_for(lambda: curl(f"{curl.jobs}/{job['id']}"), lambda it: "finishedAt" in it)

    assert (ended["id"], ended["failed"], ended["cancelled"]) == (job["id"], False, False)
    assert shop.content() == shop.saved


def test_links_lead_through_the_pages(server: Server, curl: Curl, shop: Protected) -> None:
    pages = list(curl.pages(f"{curl.jobs}?itemsPerPage=1"))

    assert len(pages) >= 2
    assert [job_id for page in pages for job_id in page] == restore_job_ids(server, "shop")


def test_an_error_is_read(server: Server, curl: Curl) -> None:
    url = f"{curl.base}/groups/{server.group_id}/serverless/{UNKNOWN}"

    done = curl.run("--fail-with-body", "--write-out", "\n%{http_code}", url)

    body, _, status = done.stdout.rpartition("\n")
    assert (done.returncode, status) == (22, "404")
    assert json.loads(body) == unknown_instance(server)
