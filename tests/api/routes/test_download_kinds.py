"""Downloads of flex and dedicated clusters, which have shapes of their own."""

from typing import Any

import httpx
import pytest

from telamon.model.instance import Instance
from tests.api.routes.downloads import (
    DOWNLOAD_ID,
    FILE_NAME,
    link_to,
    prepare,
    store_snapshot,
)
from tests.api.routes.kinds import DEDICATED, FLEX, FLEX_TYPE, add_dedicated, add_flex
from tests.api.routes.world import GROUP, SNAPSHOT_ID, V2, World

WANTED = {"deliveryType": "download", "snapshotId": SNAPSHOT_ID}
FLEX_PATH = f"{V2}/groups/{GROUP}/flexClusters/{FLEX}/backup"
FLEX_ACCEPT = {"Accept": FLEX_TYPE}


def jobs_of(prefix: str, family: str = "serverless", name: str = "orders") -> str:
    return f"{prefix}/groups/{GROUP}/{family}/{name}/backup/restoreJobs"


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def url_of(world: World, job_id: str = DOWNLOAD_ID) -> str:
    return link_to(world, job_id).url


# Of a flex cluster


@pytest.fixture
def pliant(world: World) -> Instance:
    cluster = add_flex(world)
    store_snapshot(world, cluster)
    return cluster


def shape(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "id"}


FLEX_SHAPE = {
    "deliveryType": "DOWNLOAD",
    "expirationDate": "2026-03-01T16:00:00Z",
    "instanceName": FLEX,
    "projectId": GROUP,
    "restoreScheduledDate": "2026-03-01T12:00:00Z",
    "snapshotFinishedDate": "2026-03-01T11:30:20Z",
    "snapshotId": SNAPSHOT_ID,
    "status": "PENDING",
}


@pytest.mark.usefixtures("pliant")
async def test_the_download_route_answers_a_job(client: httpx.AsyncClient) -> None:
    body = {"snapshotId": SNAPSHOT_ID}
    answer = await client.post(f"{FLEX_PATH}/download", json=body, headers=FLEX_ACCEPT)

    assert (answer.status_code, shape(answer.json())) == (200, FLEX_SHAPE)


@pytest.mark.usefixtures("pliant")
async def test_a_restore_without_a_target_is_a_download(client: httpx.AsyncClient) -> None:
    """So the Atlas CLI's ``restores start download`` asks for one."""
    body = {"snapshotId": SNAPSHOT_ID, "targetDeploymentItemName": ""}
    answer = await client.post(f"{FLEX_PATH}/restoreJobs", json=body, headers=FLEX_ACCEPT)

    assert (answer.status_code, shape(answer.json())) == (200, FLEX_SHAPE)


@pytest.mark.usefixtures("pliant")
async def test_a_flex_download_that_is_ready_has_a_url(
    world: World, client: httpx.AsyncClient
) -> None:
    body = {"snapshotId": SNAPSHOT_ID}
    made = await client.post(f"{FLEX_PATH}/download", json=body, headers=FLEX_ACCEPT)
    path = f"{FLEX_PATH}/restoreJobs/{made.json()['id']}"
    world.clock.advance(minutes=3)
    prepare(world, made.json()["id"])

    ready = (await client.get(path, headers=FLEX_ACCEPT)).json()
    world.clock.advance(hours=4)
    over = (await client.get(path, headers=FLEX_ACCEPT)).json()

    expected = {
        **FLEX_SHAPE,
        "expirationDate": "2026-03-01T16:03:00Z",
        "restoreFinishedDate": "2026-03-01T12:03:00Z",
        "status": "COMPLETED",
    }
    url = url_of(world, made.json()["id"])
    assert shape(ready) == {**expected, "snapshotUrl": url}
    assert shape(over) == expected


# Of a dedicated cluster


@pytest.fixture
def fixed(world: World) -> Instance:
    cluster = add_dedicated(world)
    store_snapshot(world, cluster)
    return cluster


async def test_a_cluster_download_has_no_target_and_no_end_as_recorded(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str
) -> None:
    made = (await client.post(jobs_of(atlas, "clusters", DEDICATED), json=WANTED)).json()
    prepare(world, made["id"])

    ready = (await client.get(f"{jobs_of(atlas, 'clusters', DEDICATED)}/{made['id']}")).json()

    recorded = {
        "cancelled",
        "deliveryType",
        "deliveryUrl",
        "desiredTimestamp",
        "expired",
        "failed",
        "id",
        "links",
        "snapshotId",
        "timestamp",
    }
    assert (set(made) - {"createdAt"}, made["deliveryUrl"]) == (recorded, [])
    assert set(ready) - {"createdAt"} == recorded | {"expiresAt"}
    assert ready["deliveryUrl"] == [url_of(world, made["id"])]
    assert ready["deliveryUrl"][0].endswith(FILE_NAME)
    assert ready["expiresAt"] == "2026-03-01T16:00:00Z"
    assert fixed.name == DEDICATED


@pytest.mark.parametrize("is_ready", [False, True])
@pytest.mark.usefixtures("fixed")
async def test_a_download_can_be_cancelled_at_any_time(
    world: World, client: httpx.AsyncClient, is_ready: bool
) -> None:
    path = jobs_of(V2, "clusters", DEDICATED)
    made = (await client.post(path, json=WANTED)).json()
    if is_ready:
        prepare(world, made["id"])

    answer = await client.delete(f"{path}/{made['id']}")

    assert answer.status_code == 204
    job = (await client.get(f"{path}/{made['id']}")).json()
    assert (job["cancelled"], job["failed"], job["expired"]) == (True, True, False)
    assert (job["deliveryUrl"], job["finishedAt"]) == ([], "2026-03-01T12:00:00Z")
    again = await client.delete(f"{path}/{made['id']}")
    assert told(again) == (400, "CANNOT_CANCEL_AUTOMATED_RESTORE")


@pytest.mark.usefixtures("fixed")
async def test_one_that_was_cancelled_is_not_prepared(
    world: World, client: httpx.AsyncClient
) -> None:
    path = jobs_of(V2, "clusters", DEDICATED)
    made = (await client.post(path, json=WANTED)).json()
    await client.delete(f"{path}/{made['id']}")

    prepare(world, made["id"])

    job = (await client.get(f"{path}/{made['id']}")).json()
    assert (job["cancelled"], job["deliveryUrl"]) == (True, [])
