"""Snapshots and restore jobs of flex clusters, on v2."""

from datetime import timedelta

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from tests.api.routes.backups import TAKEN_AT, add_restore_job, add_snapshot
from tests.api.routes.kinds import DEDICATED, FLEX, FLEX_TYPE, add_dedicated, add_flex
from tests.api.routes.world import GROUP, MISSING_ID, OTHER_GROUP, SNAPSHOT_ID, V2, World

BACKUP = f"{V2}/groups/{GROUP}/flexClusters/{FLEX}/backup"
SNAPSHOTS, JOBS = f"{BACKUP}/snapshots", f"{BACKUP}/restoreJobs"
JOB_ID = "65a0000000000000000000c7"


def wanted(**changes: object) -> dict[str, object]:
    """A body that restores the cluster into itself."""
    return {
        "snapshotId": SNAPSHOT_ID,
        "targetDeploymentItemName": FLEX,
        "targetProjectId": GROUP,
        **changes,
    }


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def pliant(world: World) -> Instance:
    """A flex cluster without backups."""
    return add_flex(world)


@pytest.fixture
def flex(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The owner, asking for the version that has flex clusters."""
    client.headers["Accept"] = FLEX_TYPE
    return client


# Snapshots


async def test_a_completed_snapshot_is_this_to_the_byte(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    add_snapshot(world, pliant)

    answer = await flex.get(f"{SNAPSHOTS}/{SNAPSHOT_ID}")

    assert (answer.status_code, answer.text) == (
        200,
        '{"expiration":"2026-04-05T11:30:00Z","finishTime":"2026-03-01T11:30:20Z",'
        '"id":"65a0000000000000000000b1","mongoDBVersion":"6.0.5",'
        '"scheduledTime":"2026-03-01T11:30:00Z","startTime":"2026-03-01T11:30:00Z",'
        '"status":"COMPLETED"}',
    )


@pytest.mark.parametrize(
    ("status", "shown", "absent"),
    [
        (SnapshotStatus.QUEUED, "QUEUED", {"finishTime", "startTime", "mongoDBVersion"}),
        (SnapshotStatus.IN_PROGRESS, "RUNNING", {"finishTime", "startTime"}),
        (SnapshotStatus.FAILED, "FAILED", {"startTime"}),
    ],
)
async def test_a_snapshot_shows_what_is_known_of_it(
    *,
    world: World,
    flex: httpx.AsyncClient,
    pliant: Instance,
    status: SnapshotStatus,
    shown: str,
    absent: set[str],
) -> None:
    add_snapshot(world, pliant, status)

    read = (await flex.get(f"{SNAPSHOTS}/{SNAPSHOT_ID}")).json()

    every = {"expiration", "finishTime", "id", "mongoDBVersion", "scheduledTime", "startTime"}
    assert (read["status"], set(read)) == (shown, (every | {"status"}) - absent)


async def test_snapshots_are_listed_oldest_first(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    for number in (2, 0, 1):
        add_snapshot(
            world,
            pliant,
            snapshot_id=f"65a0{number:020x}",
            requested_at=TAKEN_AT + timedelta(days=number),
        )

    listed = (await flex.get(f"{SNAPSHOTS}?itemsPerPage=2")).json()
    rest = (await flex.get(f"{SNAPSHOTS}?itemsPerPage=2&pageNum=2")).json()

    ids = [each["id"] for each in [*listed["results"], *rest["results"]]]
    assert (ids, listed["totalCount"]) == ([f"65a0{number:020x}" for number in range(3)], 3)


@pytest.mark.usefixtures("pliant")
async def test_an_unknown_snapshot_has_the_words_of_flex(flex: httpx.AsyncClient) -> None:
    answer = await flex.get(f"{SNAPSHOTS}/{MISSING_ID}")

    assert told(answer) == (404, "TENANT_SNAPSHOT_NOT_FOUND", [MISSING_ID, FLEX])


# Restore jobs


async def test_a_new_job_is_this_to_the_byte(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    add_snapshot(world, pliant)

    answer = await flex.post(JOBS, json=wanted())

    job_id = answer.json()["id"]
    assert (answer.status_code, answer.text.replace(job_id, "{id}")) == (
        200,
        '{"deliveryType":"RESTORE","expirationDate":"2026-03-01T18:00:00Z","id":"{id}",'
        f'"instanceName":"{FLEX}","projectId":"{GROUP}",'
        '"restoreScheduledDate":"2026-03-01T12:00:00Z",'
        '"snapshotFinishedDate":"2026-03-01T11:30:20Z","snapshotId":"65a0000000000000000000b1",'
        f'"status":"PENDING","targetDeploymentItemName":"{FLEX}","targetProjectId":"{GROUP}"}}',
    )


async def test_a_new_job_is_queued_as_any_restore(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    add_snapshot(world, pliant)
    target = add_dedicated(world)

    job = (await flex.post(JOBS, json=wanted(targetDeploymentItemName=DEDICATED))).json()

    assert world.queued_jobs() == [
        (f"restore:{job['id']}", "restore", "ENQUEUED", "telamon", target.id)
    ]


@pytest.mark.parametrize("project", [{}, {"targetProjectId": ""}])
async def test_the_target_is_in_the_clusters_own_project_if_none_is_named(
    world: World, flex: httpx.AsyncClient, pliant: Instance, project: dict[str, str]
) -> None:
    add_snapshot(world, pliant)
    body = {"snapshotId": SNAPSHOT_ID, "targetDeploymentItemName": FLEX, **project}

    job = (await flex.post(JOBS, json=body)).json()

    assert (job["targetProjectId"], job["status"]) == (GROUP, "PENDING")


@pytest.mark.parametrize(
    ("stage", "status", "is_finished"),
    [
        (RestoreStage.QUEUED, "PENDING", False),
        (RestoreStage.LOADING, "RUNNING", False),
        (RestoreStage.SWAPPING, "RUNNING", False),
        (RestoreStage.FINISHED, "COMPLETED", True),
        (RestoreStage.FAILED, "FAILED", True),
    ],
)
async def test_a_job_shows_how_far_it_is(
    *,
    world: World,
    flex: httpx.AsyncClient,
    pliant: Instance,
    stage: RestoreStage,
    status: str,
    is_finished: bool,
) -> None:
    add_restore_job(world, pliant, stage, restore_job_id=JOB_ID)

    read = (await flex.get(f"{JOBS}/{JOB_ID}")).json()

    assert (read["status"], read.get("restoreFinishedDate")) == (
        status,
        "2026-03-01T12:01:30Z" if is_finished else None,
    )


async def test_jobs_are_listed_newest_first_and_as_they_are_shown_alone(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    made = []
    for _ in range(3):
        made.append(add_restore_job(world, pliant))
        world.clock.advance(minutes=5)

    listed = (await flex.get(JOBS)).json()

    alone = [(await flex.get(f"{JOBS}/{job_id}")).json() for job_id in reversed(made)]
    assert (listed["results"], listed["totalCount"]) == (alone, 3)


@pytest.mark.usefixtures("pliant")
async def test_an_unknown_job_has_the_words_of_flex(flex: httpx.AsyncClient) -> None:
    answer = await flex.get(f"{JOBS}/{MISSING_ID}")

    assert told(answer) == (404, "TENANT_RESTORE_NOT_FOUND", [MISSING_ID, FLEX])


@pytest.mark.parametrize(
    ("change", "status", "code", "parameters"),
    [
        ({"snapshotId": MISSING_ID}, 404, "TENANT_SNAPSHOT_NOT_FOUND", [MISSING_ID, FLEX]),
        ({"snapshotId": ""}, 400, "MISSING_ATTRIBUTE", ["snapshotId"]),
        ({"snapshotId": "x"}, 400, "INVALID_ATTRIBUTE", ["snapshotId"]),
        ({"targetDeploymentItemName": "a_b"}, 400, "CLUSTER_NAME_INVALID", ["a_b"]),
        ({"targetDeploymentItemName": "nobody"}, 404, "CLUSTER_NOT_FOUND", ["nobody", GROUP]),
        ({"targetProjectId": "x"}, 404, "INVALID_GROUP_ID", ["x"]),
        ({"targetProjectId": OTHER_GROUP}, 404, "CLUSTER_NOT_FOUND", [FLEX, OTHER_GROUP]),
        ({"colour": "blue"}, 400, "INVALID_ATTRIBUTE", ["colour"]),
    ],
)
async def test_a_job_that_cannot_be_is_refused_and_queues_nothing(
    *,
    world: World,
    flex: httpx.AsyncClient,
    pliant: Instance,
    change: dict[str, object],
    status: int,
    code: str,
    parameters: list[str],
) -> None:
    add_snapshot(world, pliant)

    answer = await flex.post(JOBS, json=wanted(**change))

    assert told(answer) == (status, code, parameters)
    assert world.queued_jobs() == []


async def test_what_official_clients_send_along_is_ignored(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    add_snapshot(world, pliant)

    answer = await flex.post(JOBS, json=wanted(instanceName="another", deliveryType="DOWNLOAD"))

    assert (answer.json()["instanceName"], answer.json()["deliveryType"]) == (FLEX, "RESTORE")


async def test_a_snapshot_that_is_not_there_yet_is_not_restored(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    add_snapshot(world, pliant, SnapshotStatus.IN_PROGRESS)

    answer = await flex.post(JOBS, json=wanted())

    assert told(answer)[:2] == (409, "RESTORE_INITIATION_FAILED")


# Download


async def test_a_download_of_nothing_is_404(
    world: World, flex: httpx.AsyncClient, pliant: Instance
) -> None:
    add_snapshot(world, pliant)

    answer = await flex.post(f"{BACKUP}/download", json={"snapshotId": MISSING_ID})

    assert told(answer)[:2] == (404, "TENANT_SNAPSHOT_NOT_FOUND")
