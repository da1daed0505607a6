"""Return All Restore Jobs For One Serverless Instance: the page, byte for byte."""

import httpx
import pytest

from telamon.model.access import NewApiKey
from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreStage
from tests.api.routes.backups import add_finished_jobs, add_restore_job
from tests.api.routes.world import GROUP, OTHER_INSTANCE_ID, V1, V2, World

PAGE_V1 = f"{V1}/groups/{GROUP}/serverless/orders/backup/restoreJobs"
PAGE_V2 = f"{V2}/groups/{GROUP}/serverless/orders/backup/restoreJobs"

BODY_V1 = (
    b'{"links":[{"href":"http://telamon.test/api/atlas/v1.0/groups/65a000000000000000000002'
    b'/serverless/orders/backup/restoreJobs?pageNum=1&itemsPerPage=100","rel":"self"}],'
    b'"results":[{"cancelled":false,"createdAt":"2026-03-01T12:00:00Z",'
    b'"deliveryType":"automated","deliveryUrl":[],"expired":false,'
    b'"expiresAt":"2027-03-01T12:00:00Z","failed":false,"finishedAt":"2026-03-01T12:01:30Z",'
    b'"id":"65a0000000000000000000c1","snapshotId":"65a0000000000000000000b1",'
    b'"targetClusterName":"orders","targetDeploymentItemName":"atlas-a1c3d4",'
    b'"targetGroupId":"65a000000000000000000002","timestamp":"2026-03-01T11:30:00Z"}],'
    b'"totalCount":1}'
)

BODY_V2 = (
    b'{"links":[{"href":"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002'
    b'/serverless/orders/backup/restoreJobs?pageNum=1&itemsPerPage=100","rel":"self"}],'
    b'"results":[{"cancelled":false,"deliveryType":"automated","deliveryUrl":[],'
    b'"expired":false,"expiresAt":"2027-03-01T12:00:00Z","failed":false,'
    b'"finishedAt":"2026-03-01T12:01:30Z","id":"65a0000000000000000000c1","links":['
    b'{"href":"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002'
    b'/serverless/orders/backup/restoreJobs/65a0000000000000000000c1","rel":"self"},'
    b'{"href":"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002'
    b'/serverless/orders/backup/snapshots/65a0000000000000000000b1",'
    b'"rel":"https://cloud.mongodb.com/snapshot"},'
    b'{"href":"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002'
    b'/serverless/orders","rel":"https://cloud.mongodb.com/cluster"},'
    b'{"href":"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002",'
    b'"rel":"https://cloud.mongodb.com/group"}],'
    b'"snapshotId":"65a0000000000000000000b1","targetClusterName":"orders",'
    b'"targetDeploymentItemName":"atlas-a1c3d4",'
    b'"targetGroupId":"65a000000000000000000002","timestamp":"2026-03-01T11:30:00Z"}],'
    b'"totalCount":1}'
)

PRETTY_V1 = b"""{
  "links" : [ {
    "href" : "http://telamon.test/api/atlas/v1.0/groups/65a000000000000000000002/serverless/orders\
/backup/restoreJobs?pretty=true&pageNum=1&itemsPerPage=100",
    "rel" : "self"
  } ],
  "results" : [ {
    "cancelled" : false,
    "createdAt" : "2026-03-01T12:00:00Z",
    "deliveryType" : "automated",
    "deliveryUrl" : [ ],
    "expired" : false,
    "expiresAt" : "2027-03-01T12:00:00Z",
    "failed" : false,
    "finishedAt" : "2026-03-01T12:01:30Z",
    "id" : "65a0000000000000000000c1",
    "snapshotId" : "65a0000000000000000000b1",
    "targetClusterName" : "orders",
    "targetDeploymentItemName" : "atlas-a1c3d4",
    "targetGroupId" : "65a000000000000000000002",
    "timestamp" : "2026-03-01T11:30:00Z"
  } ],
  "totalCount" : 1
}"""

JOB_ID = "65a0000000000000000000c1"


def page_of(prefix: str, query: str = "") -> str:
    return f"{prefix}/groups/{GROUP}/serverless/orders/backup/restoreJobs{query}"


@pytest.fixture
def job_id(world: World, orders: Instance) -> str:
    """One finished job."""
    return add_restore_job(world, orders, restore_job_id=JOB_ID)


@pytest.mark.usefixtures("job_id")
async def test_the_page_of_v1_is_this_to_the_byte(client: httpx.AsyncClient) -> None:
    answer = await client.get(PAGE_V1)

    assert answer.content == BODY_V1


@pytest.mark.usefixtures("job_id")
async def test_the_page_of_v2_is_this_to_the_byte(client: httpx.AsyncClient) -> None:
    answer = await client.get(PAGE_V2)

    assert answer.content == BODY_V2


@pytest.mark.usefixtures("job_id")
async def test_the_headers_of_v1_are_these(client: httpx.AsyncClient) -> None:
    answer = await client.get(PAGE_V1)

    assert answer.headers.raw == [
        (b"Vary", b"Accept-Encoding"),
        (b"Content-Type", b"application/json"),
        (b"Strict-Transport-Security", b"max-age=300"),
        (b"Connection", b"keep-alive"),
        (b"Content-Length", b"615"),
    ]


@pytest.mark.usefixtures("job_id")
async def test_the_headers_of_v2_are_these(client: httpx.AsyncClient) -> None:
    answer = await client.get(PAGE_V2)

    assert answer.headers.raw == [
        (b"Content-Type", b"application/vnd.atlas.2023-01-01+json;charset=utf-8"),
        (b"Server", b"mdbws"),
        (b"Strict-Transport-Security", b"max-age=31536000; includeSubdomains;"),
        (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"X-Frame-Options", b"DENY"),
        (b"X-Permitted-Cross-Domain-Policies", b"none"),
        (b"Content-Length", b"1170"),
    ]


@pytest.mark.usefixtures("job_id")
async def test_v1_answers_plain_json_to_a_client_that_asks_for_it(
    world: World, key: NewApiKey
) -> None:
    answer = await world.client(key).get(PAGE_V1, headers={"Accept": "application/json"})

    assert answer.content == BODY_V1


@pytest.mark.usefixtures("job_id")
async def test_pretty_prints_as_jackson_does(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PAGE_V1}?pretty=true")

    assert answer.content == PRETTY_V1


@pytest.mark.usefixtures("job_id")
async def test_pretty_is_off_unless_asked_for(client: httpx.AsyncClient, atlas: str) -> None:
    asked = await client.get(page_of(atlas, "?pretty=false"))

    assert b"\n" not in asked.content


@pytest.mark.usefixtures("job_id")
async def test_the_length_is_that_of_the_pretty_body(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{PAGE_V1}?pretty=true")

    assert answer.headers["Content-Length"] == str(len(PRETTY_V1))


@pytest.mark.usefixtures("orders")
async def test_an_instance_without_jobs_has_an_empty_list(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas))

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "links": [
                {
                    "href": f"http://telamon.test{page_of(atlas)}?pageNum=1&itemsPerPage=100",
                    "rel": "self",
                }
            ],
            "results": [],
            "totalCount": 0,
        },
    )


async def test_jobs_stand_newest_first_even_within_one_second(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    first, second = add_restore_job(world, orders), add_restore_job(world, orders)
    world.clock.advance(seconds=1)
    third = add_restore_job(world, orders)

    answer = await client.get(page_of(atlas))

    assert [job["id"] for job in answer.json()["results"]] == [third, second, first]


async def test_a_job_is_listed_where_its_snapshot_comes_from(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    target = world.add_instance("target", instance_id=OTHER_INSTANCE_ID)
    add_restore_job(world, orders, target=target)

    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/target/backup/restoreJobs")

    assert answer.json()["results"] == []


async def test_a_job_names_its_target(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    target = world.add_instance("target", instance_id=OTHER_INSTANCE_ID)
    add_restore_job(world, orders, target=target)

    (job,) = (await client.get(page_of(atlas))).json()["results"]

    assert (job["targetClusterName"], job["targetDeploymentItemName"]) == ("target", "atlas-a2c3d4")


async def test_an_envelope_adds_the_status_to_the_list(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_finished_jobs(world, orders, 1)

    body = (await client.get(page_of(atlas, "?envelope=true"))).json()

    assert (list(body), body["status"]) == (["links", "results", "status", "totalCount"], 200)


@pytest.mark.parametrize("query", ["", "?envelope=false", "?envelope="])
@pytest.mark.usefixtures("orders")
async def test_there_is_no_envelope_unless_asked_for(
    client: httpx.AsyncClient, atlas: str, query: str
) -> None:
    body = (await client.get(page_of(atlas, query))).json()

    assert list(body) == ["links", "results", "totalCount"]


async def test_polls_are_answered_while_no_worker_lives(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders, RestoreStage.QUEUED)

    polls = [await client.get(page_of(atlas)) for _ in range(3)]

    assert [poll.status_code for poll in polls] == [200, 200, 200]


async def test_a_body_of_null_is_a_get_all_the_same(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    del orders

    answer = await client.request("GET", page_of(atlas), json=None, content=b"null")

    assert answer.status_code == 200


async def test_the_page_of_an_unknown_instance_is_404(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    del orders

    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/nobody/backup/restoreJobs")

    assert (answer.status_code, answer.content) == (
        404,
        b'{"detail":"No serverless instance named nobody exists in group '
        b'65a000000000000000000002.","error":404,"errorCode":"SERVERLESS_INSTANCE_NOT_FOUND",'
        b'"parameters":["nobody","65a000000000000000000002"],"reason":"Not Found"}',
    )
