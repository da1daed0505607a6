"""Restore jobs of dedicated clusters: made, shown, cancelled."""

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreStage
from telamon.state import restore_jobs
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.kinds import DEDICATED, DEDICATED_ID, FLEX, add_dedicated, add_flex
from tests.api.routes.world import GROUP, MISSING_ID, OWN, SNAPSHOT_ID, V1, V2, World

JOB_ID = "65a0000000000000000000c8"


def jobs_at(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/clusters/{DEDICATED}/backup/restoreJobs"


def wanted(**changes: object) -> dict[str, object]:
    """A body that restores the cluster into itself."""
    return {
        "deliveryType": "automated",
        "snapshotId": SNAPSHOT_ID,
        "targetClusterName": DEDICATED,
        "targetGroupId": GROUP,
        **changes,
    }


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def fixed(world: World) -> Instance:
    """A dedicated cluster with one completed snapshot."""
    cluster = add_dedicated(world)
    add_snapshot(world, cluster)
    return cluster


def links(prefix: str, job_id: str) -> str:
    group = f"http://telamon.test{prefix}/groups/{GROUP}"
    cluster = f"{group}/clusters/{DEDICATED}"
    return (
        f'[{{"href":"{cluster}/backup/restoreJobs/{job_id}","rel":"self"}},'
        f'{{"href":"{cluster}/backup/snapshots/{SNAPSHOT_ID}",'
        '"rel":"https://cloud.mongodb.com/snapshot"},'
        f'{{"href":"{cluster}","rel":"https://cloud.mongodb.com/cluster"}},'
        f'{{"href":"{group}","rel":"https://cloud.mongodb.com/group"}}]'
    )


NULLS = '{"increment":null,"time":null,"date":null}'
TARGET = (
    f'"targetClusterName":"{DEDICATED}","targetDeploymentItemName":"atlas-a8c3d4",'
    f'"targetGroupId":"{GROUP}"'
)


@pytest.mark.usefixtures("fixed")
async def test_v2_answers_200_and_this_to_the_byte(client: httpx.AsyncClient) -> None:
    answer = await client.post(jobs_at(V2), json=wanted())

    job_id = answer.json()["id"]
    assert (answer.status_code, answer.text) == (
        200,
        '{"cancelled":false,"deliveryType":"automated","deliveryUrl":[],'
        f'"desiredTimestamp":{NULLS},"expired":false,"failed":false,"id":"{job_id}",'
        f'"links":{links(V2, job_id)},"snapshotId":"{SNAPSHOT_ID}",{TARGET},'
        '"timestamp":"2026-03-01T11:30:00Z"}',
    )


@pytest.mark.usefixtures("fixed")
async def test_v1_answers_201_and_two_dates_more(client: httpx.AsyncClient) -> None:
    answer = await client.post(jobs_at(V1), json=wanted())

    job_id = answer.json()["id"]
    assert (answer.status_code, answer.text) == (
        201,
        '{"cancelled":false,"createdAt":"2026-03-01T12:00:00Z","deliveryType":"automated",'
        f'"deliveryUrl":[],"desiredTimestamp":{NULLS},"expired":false,'
        f'"expiresAt":"2027-03-01T12:00:00Z","failed":false,"id":"{job_id}",'
        f'"links":{links(V1, job_id)},"snapshotId":"{SNAPSHOT_ID}",{TARGET},'
        '"timestamp":"2026-03-01T11:30:00Z"}',
    )


@pytest.mark.parametrize("field", ["components", "privateDownloadDeliveryUrls"])
@pytest.mark.usefixtures("fixed")
async def test_a_read_only_field_is_ignored(
    client: httpx.AsyncClient, atlas: str, field: str
) -> None:
    answer = await client.post(jobs_at(atlas), json=wanted(**{field: []}))

    assert answer.status_code == (201 if atlas == V1 else 200)


@pytest.mark.parametrize("name", ["orders", FLEX])
@pytest.mark.usefixtures("fixed", "orders")
async def test_the_target_may_be_of_another_kind(
    world: World, client: httpx.AsyncClient, atlas: str, name: str
) -> None:
    add_flex(world)

    answer = await client.post(jobs_at(atlas), json=wanted(targetClusterName=name))

    assert answer.json()["targetClusterName"] == name


@pytest.mark.usefixtures("fixed")
async def test_an_unknown_target_is_an_unknown_cluster(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.post(jobs_at(atlas), json=wanted(targetClusterName="nobody"))

    assert told(answer) == (404, "CLUSTER_NOT_FOUND", ["nobody", GROUP])


async def test_a_finished_job_says_when(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str
) -> None:
    add_restore_job(world, fixed, restore_job_id=JOB_ID)

    read = (await client.get(f"{jobs_at(atlas)}/{JOB_ID}")).json()

    assert (read["finishedAt"], read["failed"]) == ("2026-03-01T12:01:30Z", False)


async def test_jobs_are_listed_newest_first_and_as_they_are_shown_alone(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str
) -> None:
    made = [add_restore_job(world, fixed) for _ in range(3)]

    listed = (await client.get(jobs_at(atlas))).json()

    alone = [(await client.get(f"{jobs_at(atlas)}/{job_id}")).json() for job_id in made[::-1]]
    assert (listed["results"], listed["totalCount"]) == (alone, 3)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.usefixtures("fixed")
async def test_an_unknown_job_is_404(client: httpx.AsyncClient, atlas: str, method: str) -> None:
    answer = await client.request(method, f"{jobs_at(atlas)}/{MISSING_ID}")

    assert told(answer) == (404, "RESTORE_JOB_NOT_FOUND", [MISSING_ID, DEDICATED])


# Cancelled


async def test_a_job_that_has_not_begun_is_cancelled(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str
) -> None:
    add_restore_job(world, fixed, RestoreStage.QUEUED, restore_job_id=JOB_ID)
    path = f"{jobs_at(atlas)}/{JOB_ID}"
    before = (await client.get(path)).json()
    world.clock.advance(seconds=5)

    answer = await client.delete(path)

    after = (await client.get(path)).json()
    assert (answer.status_code, answer.content) == (204, b"")
    assert after == {
        **before,
        "cancelled": True,
        "failed": True,
        "finishedAt": "2026-03-01T12:00:05Z",
    }


async def test_a_cancelled_job_says_what_the_target_holds(
    world: World, client: httpx.AsyncClient, fixed: Instance
) -> None:
    add_restore_job(world, fixed, RestoreStage.QUEUED, restore_job_id=JOB_ID)
    await client.delete(f"{jobs_at(V2)}/{JOB_ID}")

    details = f"{OWN}/groups/{GROUP}/instances/{DEDICATED}/restoreJobs/{JOB_ID}"
    read = (await client.get(details)).json()

    assert (read["stage"], read["failure"]) == (
        "failed",
        "It was cancelled before it began. The target's own data is as it was.",
    )


async def test_a_job_that_a_worker_has_begun_is_to_be_ended_by_it(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str
) -> None:
    """Until then nothing about it changes, and nobody minds being asked twice."""
    add_restore_job(world, fixed, RestoreStage.LOADING, restore_job_id=JOB_ID)
    path = f"{jobs_at(atlas)}/{JOB_ID}"
    before = (await client.get(path)).json()

    answers = [await client.delete(path), await client.delete(path)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await client.get(path)).json() == before
    assert world.db.look(lambda tx: restore_jobs.is_cancel_requested(tx, JOB_ID))


@pytest.mark.usefixtures("fixed")
async def test_after_a_cancelled_job_another_can_be_made(client: httpx.AsyncClient) -> None:
    first = (await client.post(jobs_at(V2), json=wanted())).json()["id"]
    refused = await client.post(jobs_at(V2), json=wanted())
    await client.delete(f"{jobs_at(V2)}/{first}")

    answer = await client.post(jobs_at(V2), json=wanted())

    assert told(refused)[1] == "ATLAS_CLUSTER_RESTORE_IN_PROGRESS"
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (
            RestoreStage.SWAPPING,
            "it puts the snapshot in place of the target's data, and stopping now would leave a "
            "mixture",
        ),
        (RestoreStage.FINISHED, "it has ended"),
        (RestoreStage.FAILED, "it has ended"),
    ],
)
async def test_a_job_in_its_swap_or_at_its_end_is_not_cancelled(
    *,
    world: World,
    client: httpx.AsyncClient,
    fixed: Instance,
    atlas: str,
    stage: RestoreStage,
    reason: str,
) -> None:
    add_restore_job(world, fixed, stage, restore_job_id=JOB_ID)
    path = f"{jobs_at(atlas)}/{JOB_ID}"
    before = (await client.get(path)).json()

    answer = await client.delete(path)

    assert told(answer) == (400, "CANNOT_CANCEL_AUTOMATED_RESTORE", [JOB_ID, reason])
    assert (await client.get(path)).json() == before


async def test_a_job_of_another_cluster_is_not_found(
    world: World, client: httpx.AsyncClient, fixed: Instance
) -> None:
    other = add_dedicated(world, "other", instance_id="65a0000000000000000000a9")
    add_restore_job(world, other, RestoreStage.QUEUED, restore_job_id=JOB_ID)

    answer = await client.delete(f"{jobs_at(V2)}/{JOB_ID}")

    assert (answer.status_code, fixed.id) == (404, DEDICATED_ID)
