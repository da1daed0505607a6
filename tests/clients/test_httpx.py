"""httpx, without waiting for one answer before the next request."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.clients.protected import UNKNOWN, Protected, restore_job_ids, unknown_instance
from tests.clients.tls_front import TlsFront
from tests.end_to_end.harness import PATIENCE_SECONDS, V2, Json, Server

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    auth = httpx.DigestAuth(server.key["publicKey"], server.key["privateKey"])
    base_url = f"{server.url}/api/atlas/v2/groups"
    async with httpx.AsyncClient(base_url=base_url, auth=auth, headers=V2, timeout=30) as client:
        yield client


async def got(client: httpx.AsyncClient, path: str, **params: int) -> Json:
    answer = await client.get(path, params=params)
    found: Json = answer.raise_for_status().json()
    return found


async def test_projects_instances_and_snapshots_are_listed_at_once(
    server: Server, client: httpx.AsyncClient, shop: Protected, projects: list[str]
) -> None:
    serverless = f"/{server.group_id}/serverless"

    listed, instances, snapshots = await asyncio.gather(
        got(client, ""), got(client, serverless), got(client, f"{serverless}/shop/backup/snapshots")
    )

    assert [project["id"] for project in listed["results"]] == projects
    assert [instance["name"] for instance in instances["results"]] == ["shop"]
    assert [(one["id"], one["status"]) for one in snapshots["results"]] == [
        (shop.snapshot_id, "completed")
    ]


async def test_a_restore_job_is_watched_to_its_end(
    server: Server, client: httpx.AsyncClient, shop: Protected
) -> None:
    jobs = f"/{server.group_id}/serverless/shop/backup/restoreJobs"
    shop.damage()

    job = (await client.post(jobs, json=shop.order)).raise_for_status().json()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while "finishedAt" not in job:
            job = await got(client, f"{jobs}/{job['id']}")

    assert (job["failed"], job["cancelled"]) == (False, False)
    assert shop.content() == shop.saved


async def test_pages_are_read_at_once(
    server: Server, client: httpx.AsyncClient, shop: Protected
) -> None:
    jobs = f"/{server.group_id}/serverless/shop/backup/restoreJobs"
    total = (await got(client, jobs, itemsPerPage=1))["totalCount"]

    pages = await asyncio.gather(
        *(got(client, jobs, itemsPerPage=1, pageNum=number + 1) for number in range(total))
    )

    assert total >= 2
    assert [page["results"][0]["id"] for page in pages] == restore_job_ids(server, "shop")


async def test_an_error_is_read(server: Server, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/{server.group_id}/serverless/{UNKNOWN}")

    with pytest.raises(httpx.HTTPStatusError, match="404 Not Found"):
        answer.raise_for_status()
    assert answer.json() == unknown_instance(server)


def test_links_lead_through_the_pages_behind_a_proxy(
    server: Server, front: TlsFront, shop: Protected
) -> None:
    """One that ends TLS: links have its scheme and its address."""
    auth = httpx.DigestAuth(server.key["publicKey"], server.key["privateKey"])
    trusted = ssl.create_default_context(cafile=str(front.certificate))
    links = {
        "next": f"{front.url}/api/atlas/v1.0/groups/{server.group_id}/serverless/shop"
        "/backup/restoreJobs?itemsPerPage=1"
    }
    found: list[str] = []
    with httpx.Client(auth=auth, verify=trusted, timeout=30) as client:
        while "next" in links:
            page = client.get(links["next"]).raise_for_status().json()
            found += [job["id"] for job in page["results"]]
            links = {link["rel"]: link["href"] for link in page["links"]}

    assert len(found) >= 2
    assert found == restore_job_ids(server, "shop")
    assert links["self"].startswith(f"{front.url}/")
