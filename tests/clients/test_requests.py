"""requests, with a session that signs, on both versions of the API."""

from collections.abc import Iterator

import pytest
import requests
from requests.auth import HTTPDigestAuth

from tests.clients.protected import UNKNOWN, Protected, restore_job_ids, unknown_instance
from tests.end_to_end.harness import V2, Json, Server, wait_for

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture(params=["v1.0", "v2"])
def base(server: Server, request: pytest.FixtureRequest) -> str:
    return f"{server.url}/api/atlas/{request.param}"


@pytest.fixture
def session(server: Server, base: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.auth = HTTPDigestAuth(server.key["publicKey"], server.key["privateKey"])
        if base.endswith("v2"):
            session.headers.update(V2)
        yield session


@pytest.fixture
def serverless(server: Server, base: str) -> str:
    return f"{base}/groups/{server.group_id}/serverless"


def got(session: requests.Session, url: str, **params: int) -> Json:
    answer = session.get(url, params=params, timeout=30)
    answer.raise_for_status()
    found: Json = answer.json()
    return found


def test_projects_instances_and_snapshots_are_listed(
    session: requests.Session,
    base: str,
    serverless: str,
    shop: Protected,
    projects: list[str],
) -> None:
    listed = got(session, f"{base}/groups")
    instances = got(session, serverless)
    snapshots = got(session, f"{serverless}/shop/backup/snapshots")

    assert [project["id"] for project in listed["results"]] == projects
    assert [instance["name"] for instance in instances["results"]] == ["shop"]
    assert [(one["id"], one["status"]) for one in snapshots["results"]] == [
        (shop.snapshot_id, "completed")
    ]


def test_a_restore_job_is_watched_to_its_end(
    session: requests.Session, serverless: str, shop: Protected
) -> None:
    jobs = f"{serverless}/shop/backup/restoreJobs"
    shop.damage()

    created = session.post(jobs, json=shop.order, timeout=30)
    created.raise_for_status()
    job_id = created.json()["id"]
    ended = wait_for(lambda: got(session, f"{jobs}/{job_id}"), lambda it: "finishedAt" in it)

    assert (ended["id"], ended["failed"], ended["cancelled"]) == (job_id, False, False)
    assert shop.content() == shop.saved


def test_links_lead_through_the_pages(
    server: Server, session: requests.Session, serverless: str, shop: Protected
) -> None:
    page = got(session, f"{serverless}/shop/backup/restoreJobs", itemsPerPage=1)
    pages = [page]
    while following := [link["href"] for link in page["links"] if link["rel"] == "next"]:
        page = got(session, following[0])
        pages.append(page)

    assert len(pages) >= 2
    assert {page["totalCount"] for page in pages} == {len(pages)}
    assert [page["results"][0]["id"] for page in pages] == restore_job_ids(server, "shop")


def test_an_error_is_read(server: Server, session: requests.Session, serverless: str) -> None:
    answer = session.get(f"{serverless}/{UNKNOWN}", timeout=30)

    with pytest.raises(requests.HTTPError, match="404 Client Error: Not Found"):
        answer.raise_for_status()
    assert answer.json() == unknown_instance(server)


def test_one_challenge_is_enough_for_a_session(
    session: requests.Session, serverless: str, shop: Protected
) -> None:
    answers = [session.get(f"{serverless}/shop", timeout=30) for _ in range(3)]

    assert [len(answer.history) for answer in answers] == [1, 0, 0]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
