"""Asking for a restore: into which targets, of which snapshots, and what is kept of it."""

import asyncio
from typing import Any

import httpx
import pytest

from telamon.model.access import NewApiKey
from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.world import (
    GROUP,
    MISSING_ID,
    OTHER_INSTANCE_ID,
    SNAPSHOT_ID,
    V1,
    V2,
    World,
)

OTHER_SNAPSHOT_ID = "65a0000000000000000000b2"


def jobs_of(prefix: str, instance_name: str = "orders") -> str:
    return f"{prefix}/groups/{GROUP}/serverless/{instance_name}/backup/restoreJobs"


def wanted(**changes: object) -> dict[str, object]:
    """A body that restores the instance named orders into itself."""
    return {
        "deliveryType": "automated",
        "snapshotId": SNAPSHOT_ID,
        "targetClusterName": "orders",
        "targetGroupId": GROUP,
        **changes,
    }


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


@pytest.fixture
def source(world: World, orders: Instance) -> Instance:
    """An instance with a completed snapshot."""
    add_snapshot(world, orders)
    return orders


@pytest.mark.usefixtures("source")
async def test_v1_answers_201_and_the_job(client: httpx.AsyncClient) -> None:
    answer = await client.post(jobs_of(V1), json=wanted())

    job_id = answer.json()["id"]
    assert (answer.status_code, answer.content.replace(job_id.encode(), b"{id}")) == (
        201,
        b'{"cancelled":false,"createdAt":"2026-03-01T12:00:00Z","deliveryType":"automated",'
        b'"deliveryUrl":[],"expired":false,"expiresAt":"2027-03-01T12:00:00Z","failed":false,'
        b'"id":"{id}","snapshotId":"65a0000000000000000000b1","targetClusterName":"orders",'
        b'"targetDeploymentItemName":"atlas-a1c3d4","targetGroupId":"65a000000000000000000002",'
        b'"timestamp":"2026-03-01T11:30:00Z"}',
    )


@pytest.mark.usefixtures("source")
async def test_v2_answers_200_and_the_job_with_links(client: httpx.AsyncClient) -> None:
    answer = await client.post(jobs_of(V2), json=wanted())

    job = answer.json()
    assert (answer.status_code, job["links"][0]) == (
        200,
        {"href": f"http://telamon.test{jobs_of(V2)}/{job['id']}", "rel": "self"},
    )


@pytest.mark.usefixtures("source")
async def test_the_jobs_id_begins_with_the_second_it_was_made(
    client: httpx.AsyncClient, atlas: str
) -> None:
    job = (await client.post(jobs_of(atlas), json=wanted())).json()

    assert job["id"][:8] == "69a42a40"  # 2026-03-01T12:00:00Z


@pytest.mark.usefixtures("source")
async def test_the_job_can_be_read_as_it_was_answered(
    client: httpx.AsyncClient, atlas: str
) -> None:
    made = (await client.post(jobs_of(atlas), json=wanted())).json()

    read = await client.get(f"{jobs_of(atlas)}/{made['id']}")

    assert read.json() == made


@pytest.mark.usefixtures("source")
async def test_the_job_is_queued_behind_the_lock_of_its_target(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    target = world.add_instance("target", instance_id=OTHER_INSTANCE_ID)

    job = (await client.post(jobs_of(atlas), json=wanted(targetClusterName="target"))).json()

    assert world.queued_jobs() == [
        (f"restore:{job['id']}", "restore", "ENQUEUED", "telamon", target.id)
    ]


# Snapshots


@pytest.mark.usefixtures("source")
async def test_an_unknown_snapshot_is_404(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(jobs_of(atlas), json=wanted(snapshotId=MISSING_ID))

    assert (*code(answer), answer.json()["detail"]) == (
        404,
        "SNAPSHOT_NOT_FOUND",
        "No snapshot with ID 65f0000000000000000000aa exists for cluster orders.",
    )


@pytest.mark.usefixtures("source")
async def test_a_snapshot_of_another_instance_is_404(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    other = world.add_instance("other", instance_id=OTHER_INSTANCE_ID)
    add_snapshot(world, other, snapshot_id=OTHER_SNAPSHOT_ID)

    answer = await client.post(jobs_of(atlas), json=wanted(snapshotId=OTHER_SNAPSHOT_ID))

    assert code(answer) == (404, "SNAPSHOT_NOT_FOUND")


@pytest.mark.parametrize(
    "status", [SnapshotStatus.QUEUED, SnapshotStatus.IN_PROGRESS, SnapshotStatus.FAILED]
)
async def test_a_snapshot_that_is_not_completed_is_409(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, status: SnapshotStatus
) -> None:
    add_snapshot(world, orders, status)

    answer = await client.post(jobs_of(atlas), json=wanted())

    assert (*code(answer), answer.json()["parameters"]) == (
        409,
        "RESTORE_INITIATION_FAILED",
        [f"the snapshot {SNAPSHOT_ID} is {status.value}, not completed"],
    )


# One at a time


@pytest.mark.parametrize(
    "stage", [RestoreStage.QUEUED, RestoreStage.LOADING, RestoreStage.SWAPPING]
)
async def test_a_second_restore_into_a_target_is_409_while_the_first_goes_on(
    world: World, client: httpx.AsyncClient, source: Instance, atlas: str, stage: RestoreStage
) -> None:
    add_restore_job(world, source, stage)

    answer = await client.post(jobs_of(atlas), json=wanted())

    assert (answer.status_code, answer.json()) == (
        409,
        {
            "detail": "Cluster restore already in progress.",
            "error": 409,
            "errorCode": "ATLAS_CLUSTER_RESTORE_IN_PROGRESS",
            "parameters": [],
            "reason": "Conflict",
        },
    )


@pytest.mark.parametrize("stage", [RestoreStage.FINISHED, RestoreStage.FAILED])
async def test_a_target_takes_another_restore_once_the_first_has_ended(
    world: World, client: httpx.AsyncClient, source: Instance, stage: RestoreStage
) -> None:
    add_restore_job(world, source, stage)

    answer = await client.post(jobs_of(V1), json=wanted())

    assert answer.status_code == 201


async def test_a_running_restore_out_of_an_instance_does_not_hinder_one_into_it(
    world: World, client: httpx.AsyncClient, source: Instance
) -> None:
    target = world.add_instance("target", instance_id=OTHER_INSTANCE_ID)
    add_restore_job(world, source, RestoreStage.LOADING, target=target)

    answer = await client.post(jobs_of(V1), json=wanted())

    assert answer.status_code == 201


@pytest.mark.usefixtures("source")
async def test_of_two_requests_at_once_for_one_target_one_is_refused(
    world: World, key: NewApiKey
) -> None:
    answers = await asyncio.gather(
        *(world.client(key).post(jobs_of(V1), json=wanted()) for _ in range(2))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409]


# All or nothing


async def count(client: httpx.AsyncClient) -> Any:
    return (await client.get(jobs_of(V1))).json()["totalCount"]


async def test_a_refused_restore_leaves_neither_job_nor_gap(
    world: World, client: httpx.AsyncClient, source: Instance, atlas: str
) -> None:
    add_restore_job(world, source, RestoreStage.LOADING)

    await client.post(jobs_of(atlas), json=wanted())

    assert (await count(client), world.queued_jobs()) == (1, [])


@pytest.mark.usefixtures("source")
async def test_a_restore_that_cannot_be_queued_is_not_listed_either(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    with world.db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE workflow_status RENAME TO workflow_status_away")

    answer = await client.post(jobs_of(atlas), json=wanted())

    assert (answer.status_code, await count(client)) == (503, 0)
