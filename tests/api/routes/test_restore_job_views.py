"""One restore job: its flags in every stage, on v1.0, v2 and Telamon's own view."""

from typing import Any

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreStage
from tests.api.routes.backups import add_restore_job
from tests.api.routes.world import (
    GROUP,
    MISSING_ID,
    OTHER_INSTANCE_ID,
    OWN,
    V1,
    V2,
    World,
)

JOB_ID = "65a0000000000000000000c1"
UNENDED = [RestoreStage.QUEUED, RestoreStage.LOADING, RestoreStage.SWAPPING]
IS = {"cancelled": False, "expired": False, "failed": False}


def jobs_of(prefix: str, instance_name: str = "orders") -> str:
    if prefix == OWN:
        return f"{OWN}/groups/{GROUP}/instances/{instance_name}/restoreJobs"
    return f"{prefix}/groups/{GROUP}/serverless/{instance_name}/backup/restoreJobs"


def flags(job: dict[str, Any]) -> dict[str, Any]:
    names = ("cancelled", "expired", "failed", "finishedAt")
    return {name: job[name] for name in names if name in job}


@pytest.mark.parametrize("stage", UNENDED)
async def test_a_job_that_goes_on_has_no_flag_and_no_end(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, stage: RestoreStage
) -> None:
    add_restore_job(world, orders, stage, restore_job_id=JOB_ID)

    job = (await client.get(f"{jobs_of(atlas)}/{JOB_ID}")).json()

    assert flags(job) == IS


async def test_a_finished_job_has_an_end_and_no_flag(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders, RestoreStage.FINISHED, restore_job_id=JOB_ID)

    job = (await client.get(f"{jobs_of(atlas)}/{JOB_ID}")).json()

    assert flags(job) == {**IS, "finishedAt": "2026-03-01T12:01:30Z"}


async def test_a_failed_job_says_so_and_has_an_end(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders, RestoreStage.FAILED, restore_job_id=JOB_ID)

    job = (await client.get(f"{jobs_of(atlas)}/{JOB_ID}")).json()

    assert flags(job) == {**IS, "failed": True, "finishedAt": "2026-03-01T12:01:30Z"}


@pytest.mark.parametrize("stage", list(RestoreStage))
async def test_the_list_shows_a_job_as_it_is_shown_alone(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, stage: RestoreStage
) -> None:
    add_restore_job(world, orders, stage, restore_job_id=JOB_ID)

    alone = (await client.get(f"{jobs_of(atlas)}/{JOB_ID}")).json()
    listed = (await client.get(jobs_of(atlas))).json()["results"]

    assert listed == [alone]


async def test_a_job_is_not_expired_a_second_before_it_expires(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders, restore_job_id=JOB_ID)
    world.clock.advance(days=365, seconds=-1)

    job = (await client.get(f"{jobs_of(atlas)}/{JOB_ID}")).json()

    assert job["expired"] is False


async def test_a_job_is_expired_from_the_second_it_expires(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders, restore_job_id=JOB_ID)
    world.clock.advance(days=365)

    job = (await client.get(f"{jobs_of(atlas)}/{JOB_ID}")).json()

    assert (job["expired"], job["expiresAt"]) == (True, "2027-03-01T12:00:00Z")


async def test_the_list_shows_what_is_expired_too(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders, restore_job_id=JOB_ID)
    world.clock.advance(days=365)

    (job,) = (await client.get(jobs_of(atlas))).json()["results"]

    assert job["expired"] is True


async def test_a_job_of_v1_is_this_to_the_byte(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_restore_job(world, orders, RestoreStage.LOADING, restore_job_id=JOB_ID)

    answer = await client.get(f"{jobs_of(V1)}/{JOB_ID}")

    assert answer.content == (
        b'{"cancelled":false,"createdAt":"2026-03-01T12:00:00Z","deliveryType":"automated",'
        b'"deliveryUrl":[],"expired":false,"expiresAt":"2027-03-01T12:00:00Z","failed":false,'
        b'"id":"65a0000000000000000000c1","snapshotId":"65a0000000000000000000b1",'
        b'"targetClusterName":"orders","targetDeploymentItemName":"atlas-a1c3d4",'
        b'"targetGroupId":"65a000000000000000000002","timestamp":"2026-03-01T11:30:00Z"}'
    )


async def test_a_job_of_v2_is_this_to_the_byte(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_restore_job(world, orders, RestoreStage.LOADING, restore_job_id=JOB_ID)

    answer = await client.get(f"{jobs_of(V2)}/{JOB_ID}")

    group = b"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002"
    assert answer.content == (
        b'{"cancelled":false,"deliveryType":"automated","deliveryUrl":[],"expired":false,'
        b'"expiresAt":"2027-03-01T12:00:00Z","failed":false,"id":"65a0000000000000000000c1",'
        b'"links":[{"href":"' + group + b"/serverless/orders/backup/restoreJobs"
        b'/65a0000000000000000000c1","rel":"self"},'
        b'{"href":"' + group + b'/serverless/orders/backup/snapshots/65a0000000000000000000b1",'
        b'"rel":"https://cloud.mongodb.com/snapshot"},'
        b'{"href":"' + group + b'/serverless/orders","rel":"https://cloud.mongodb.com/cluster"},'
        b'{"href":"' + group + b'","rel":"https://cloud.mongodb.com/group"}],'
        b'"snapshotId":"65a0000000000000000000b1","targetClusterName":"orders",'
        b'"targetDeploymentItemName":"atlas-a1c3d4",'
        b'"targetGroupId":"65a000000000000000000002","timestamp":"2026-03-01T11:30:00Z"}'
    )


@pytest.mark.parametrize("prefix", [V1, V2, OWN])
@pytest.mark.usefixtures("orders")
async def test_an_unknown_job_is_404(client: httpx.AsyncClient, prefix: str) -> None:
    answer = await client.get(f"{jobs_of(prefix)}/{MISSING_ID}")

    assert (answer.status_code, answer.json()) == (
        404,
        {
            "detail": "No restore job with ID 65f0000000000000000000aa exists for cluster orders.",
            "error": 404,
            "errorCode": "RESTORE_JOB_NOT_FOUND",
            "parameters": ["65f0000000000000000000aa", "orders"],
            "reason": "Not Found",
        },
    )


@pytest.mark.parametrize("prefix", [V1, V2, OWN])
async def test_a_job_of_another_instance_is_404(
    world: World, client: httpx.AsyncClient, orders: Instance, prefix: str
) -> None:
    world.add_instance("target", instance_id=OTHER_INSTANCE_ID)
    add_restore_job(world, orders, restore_job_id=JOB_ID)

    answer = await client.get(f"{jobs_of(prefix, 'target')}/{JOB_ID}")

    assert (answer.status_code, answer.json()["errorCode"]) == (404, "RESTORE_JOB_NOT_FOUND")


@pytest.mark.parametrize(
    "wrong", ["1", "65A0000000000000000000C1", "65a0000000000000000000c10", "latest"]
)
@pytest.mark.parametrize("prefix", [V1, V2, OWN])
@pytest.mark.usefixtures("orders")
async def test_an_id_of_another_shape_is_no_job_id(
    client: httpx.AsyncClient, prefix: str, wrong: str
) -> None:
    answer = await client.get(f"{jobs_of(prefix)}/{wrong}")

    assert (answer.status_code, answer.json()) == (
        404,
        {
            "detail": f"An invalid restore job ID {wrong} was specified.",
            "error": 404,
            "errorCode": "INVALID_JOB_ID",
            "parameters": [wrong],
            "reason": "Not Found",
        },
    )


# Telamon's own view


@pytest.mark.parametrize(
    ("stage", "shown"),
    [
        (RestoreStage.QUEUED, {"stage": "queued", "documentsRestored": 0}),
        (RestoreStage.LOADING, {"stage": "loading", "documentsRestored": 250}),
        (RestoreStage.SWAPPING, {"stage": "swapping", "documentsRestored": 250}),
        (RestoreStage.FINISHED, {"stage": "finished", "documentsRestored": 1_000}),
        (RestoreStage.FAILED, {"stage": "failed", "documentsRestored": 250}),
    ],
)
async def test_telamons_own_view_shows_stage_and_progress(
    world: World,
    client: httpx.AsyncClient,
    orders: Instance,
    stage: RestoreStage,
    shown: dict[str, object],
) -> None:
    add_restore_job(world, orders, stage, restore_job_id=JOB_ID)

    job = (await client.get(f"{jobs_of(OWN)}/{JOB_ID}")).json()

    assert {name: job[name] for name in shown} == shown


async def test_telamons_own_view_says_why_a_job_failed(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_restore_job(
        world, orders, RestoreStage.FAILED, restore_job_id=JOB_ID, failure="The disk is full."
    )

    answer = await client.get(f"{jobs_of(OWN)}/{JOB_ID}")

    assert answer.content == (
        b'{"createdAt":"2026-03-01T12:00:00Z","documentsRestored":250,"documentsTotal":1000,'
        b'"failure":"The disk is full.","finishedAt":"2026-03-01T12:01:30Z",'
        b'"id":"65a0000000000000000000c1","namespacesRestored":1,"namespacesTotal":0,"sizeBytesRestored":750000000,'
        b'"sizeBytesTotal":3000000000,"snapshotId":"65a0000000000000000000b1",'
        b'"stage":"failed","targetClusterName":"orders",'
        b'"targetGroupId":"65a000000000000000000002"}'
    )


async def test_telamons_own_view_of_a_job_without_an_end_has_neither_end_nor_failure(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_restore_job(world, orders, RestoreStage.QUEUED, restore_job_id=JOB_ID)

    job = (await client.get(f"{jobs_of(OWN)}/{JOB_ID}")).json()

    assert {"failure", "finishedAt"} & set(job) == set()
