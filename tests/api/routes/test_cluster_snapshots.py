"""Snapshots of dedicated clusters: taken on demand, shown, kept longer, deleted."""

from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from telamon.model.instance import Instance, InstanceState
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from telamon.state import restore_jobs as job_rows
from telamon.state import snapshots as rows
from tests.api.routes.backups import TAKEN_AT, add_restore_job, add_snapshot
from tests.api.routes.kinds import DEDICATED, DEDICATED_ID, add_dedicated
from tests.api.routes.world import GROUP, MISSING_ID, OWN, SNAPSHOT_ID, V1, V2, World


def snapshots_at(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/clusters/{DEDICATED}/backup/snapshots"


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def fixed(world: World) -> Instance:
    """A dedicated cluster without backups."""
    return add_dedicated(world)


@pytest.fixture
def backed_up(world: World, fixed: Instance) -> Instance:
    """A dedicated cluster with one completed snapshot."""
    add_snapshot(world, fixed)
    return fixed


# On demand


@pytest.mark.usefixtures("fixed")
async def test_a_new_snapshot_is_this_to_the_byte(client: httpx.AsyncClient, atlas: str) -> None:
    body = {"description": "before the move", "retentionInDays": 2}

    answer = await client.post(snapshots_at(atlas), json=body)

    snapshot_id = answer.json()["id"]
    cluster = f"http://telamon.test{atlas}/groups/{GROUP}/clusters/{DEDICATED}"
    assert (answer.status_code, answer.text.replace(snapshot_id, "{id}")) == (
        200,
        '{"copyRegions":[],"description":"before the move","expiresAt":"2026-03-03T12:00:00Z",'
        '"frequencyType":"ondemand","id":"{id}","links":'
        f'[{{"href":"{cluster}/backup/snapshots/{{id}}","rel":"self"}},'
        f'{{"href":"{cluster}","rel":"https://cloud.mongodb.com/cluster"}}],'
        f'"policyItems":[],"replicaSetName":"{DEDICATED}","snapshotType":"onDemand",'
        '"status":"queued","storageSizeBytes":0,"type":"replicaSet"}',
    )


@pytest.mark.usefixtures("fixed")
async def test_a_new_snapshot_can_be_read_as_it_was_answered(
    client: httpx.AsyncClient, atlas: str
) -> None:
    made = (await client.post(snapshots_at(atlas), json={"description": "mine"})).json()

    assert (await client.get(f"{snapshots_at(atlas)}/{made['id']}")).json() == made


@pytest.mark.usefixtures("fixed")
async def test_a_new_snapshot_is_queued_behind_the_lock_of_its_cluster(
    world: World, client: httpx.AsyncClient
) -> None:
    made = (await client.post(snapshots_at(V2))).json()["id"]

    assert world.queued_jobs() == [
        (f"take_snapshot:{made}", "take_snapshot", "ENQUEUED", "telamon", DEDICATED_ID)
    ]


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ({"retentionInDays": 0}, ["retentionInDays"]),
        ({"retentionInDays": "2"}, ["retentionInDays"]),
        ({"description": 5}, ["description"]),
        ({"colour": "blue"}, ["colour"]),
    ],
)
@pytest.mark.usefixtures("fixed")
async def test_a_body_that_cannot_be_is_refused(
    world: World, client: httpx.AsyncClient, body: dict[str, object], parameters: list[str]
) -> None:
    answer = await client.post(snapshots_at(V2), json=body)

    assert told(answer) == (400, "INVALID_ATTRIBUTE", parameters)
    assert world.queued_jobs() == []


async def test_a_cluster_that_is_being_deleted_is_not_backed_up(
    world: World, client: httpx.AsyncClient, fixed: Instance
) -> None:
    world.set_state(fixed.id, InstanceState.DELETING)

    answer = await client.post(snapshots_at(V2))

    assert told(answer)[:2] == (409, "SNAPSHOT_INITIATION_FAILED")


# Shown


@pytest.mark.usefixtures("backed_up")
async def test_a_completed_snapshot_is_this(client: httpx.AsyncClient, atlas: str) -> None:
    read = (await client.get(f"{snapshots_at(atlas)}/{SNAPSHOT_ID}")).json()

    cluster = f"http://telamon.test{atlas}/groups/{GROUP}/clusters/{DEDICATED}"
    assert read == {
        "copyRegions": [],
        "createdAt": "2026-03-01T11:30:00Z",
        "expiresAt": "2026-04-05T11:30:00Z",
        "frequencyType": "ondemand",
        "id": SNAPSHOT_ID,
        "links": [
            {"href": f"{cluster}/backup/snapshots/{SNAPSHOT_ID}", "rel": "self"},
            {"href": cluster, "rel": "https://cloud.mongodb.com/cluster"},
        ],
        "mongodVersion": "6.0.5",
        "policyItems": [],
        "replicaSetName": DEDICATED,
        "snapshotType": "onDemand",
        "status": "completed",
        "storageSizeBytes": 3_000_000_000,
        "type": "replicaSet",
    }


async def test_a_snapshot_in_progress_has_no_size_yet(
    world: World, client: httpx.AsyncClient, fixed: Instance
) -> None:
    add_snapshot(world, fixed, SnapshotStatus.IN_PROGRESS)
    world.db.transact(
        lambda tx: rows.progress(
            tx,
            SNAPSHOT_ID,
            documents=5,
            size_bytes=50,
            expected_bytes=100,
            new_bytes=50,
            namespaces=1,
            namespaces_total=2,
        )
    )

    read = (await client.get(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")).json()

    assert (read["status"], read["storageSizeBytes"], "createdAt" in read) == (
        "inProgress",
        0,
        False,
    )


async def test_snapshots_are_listed_newest_first(
    world: World, client: httpx.AsyncClient, fixed: Instance, atlas: str
) -> None:
    for number in (1, 2, 0):
        add_snapshot(
            world,
            fixed,
            snapshot_id=f"65a0{number:020x}",
            requested_at=TAKEN_AT + timedelta(days=number),
        )

    listed = (await client.get(f"{snapshots_at(atlas)}?itemsPerPage=2")).json()

    ids = [each["id"] for each in listed["results"]]
    assert (ids, listed["totalCount"]) == ([f"65a0{number:020x}" for number in (2, 1)], 3)


@pytest.mark.usefixtures("fixed")
async def test_an_unknown_snapshot_is_404(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{snapshots_at(atlas)}/{MISSING_ID}")

    assert told(answer) == (404, "SNAPSHOT_NOT_FOUND", [MISSING_ID, DEDICATED])


# Kept


@pytest.mark.parametrize(
    ("unit", "value", "expires_at"),
    [
        ("DAYS", 3, "2026-03-04T11:30:00Z"),
        ("WEEKS", 1, "2026-03-08T11:30:00Z"),
        ("MONTHS", 11, "2027-02-01T11:30:00Z"),
        ("YEARS", 2, "2028-03-01T11:30:00Z"),
    ],
)
@pytest.mark.usefixtures("backed_up")
async def test_retention_counts_from_the_moment_it_was_taken(
    client: httpx.AsyncClient, atlas: str, unit: str, value: int, expires_at: str
) -> None:
    before = (await client.get(f"{snapshots_at(atlas)}/{SNAPSHOT_ID}")).json()

    answer = await client.patch(
        f"{snapshots_at(atlas)}/{SNAPSHOT_ID}",
        json={"retentionUnit": unit, "retentionValue": value},
    )

    assert (answer.status_code, answer.json()) == (200, {**before, "expiresAt": expires_at})
    assert (await client.get(f"{snapshots_at(atlas)}/{SNAPSHOT_ID}")).json() == answer.json()


@pytest.mark.usefixtures("backed_up")
async def test_a_retention_that_is_over_is_refused(world: World, client: httpx.AsyncClient) -> None:
    world.clock.advance(days=3)
    path = f"{snapshots_at(V2)}/{SNAPSHOT_ID}"

    answer = await client.patch(path, json={"retentionUnit": "DAYS", "retentionValue": 2})

    assert told(answer)[:2] == (400, "EXPIRATION_DATE_IN_PAST")
    assert (await client.get(path)).json()["expiresAt"] == "2026-04-05T11:30:00Z"


@pytest.mark.parametrize(
    ("body", "code", "parameters"),
    [
        ({}, "MISSING_ATTRIBUTE", ["retentionUnit"]),
        ({"retentionUnit": "DAYS"}, "MISSING_ATTRIBUTE", ["retentionValue"]),
        ({"retentionUnit": "days", "retentionValue": 1}, "INVALID_ENUM_VALUE", ["days"]),
        ({"retentionUnit": "DAYS", "retentionValue": 0}, "INVALID_ATTRIBUTE", ["retentionValue"]),
    ],
)
@pytest.mark.usefixtures("backed_up")
async def test_a_retention_that_cannot_be_is_refused(
    client: httpx.AsyncClient, body: dict[str, object], code: str, parameters: list[str]
) -> None:
    answer = await client.patch(f"{snapshots_at(V2)}/{SNAPSHOT_ID}", json=body)

    assert told(answer) == (400, code, parameters)


# Deleted


@pytest.mark.usefixtures("backed_up")
async def test_deleting_answers_nothing(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.delete(f"{snapshots_at(atlas)}/{SNAPSHOT_ID}")

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.usefixtures("backed_up")
async def test_nobody_is_shown_a_deleted_snapshot(client: httpx.AsyncClient, atlas: str) -> None:
    path = f"{snapshots_at(atlas)}/{SNAPSHOT_ID}"
    await client.delete(path)

    for method, address in (
        ("GET", path),
        ("DELETE", path),
        ("PATCH", path),
        ("GET", f"{OWN}/groups/{GROUP}/instances/{DEDICATED}/snapshots/{SNAPSHOT_ID}"),
    ):
        answer = await client.request(method, address)
        assert told(answer) == (404, "SNAPSHOT_NOT_FOUND", [SNAPSHOT_ID, DEDICATED])
    listed = (await client.get(snapshots_at(atlas))).json()
    assert (listed["results"], listed["totalCount"]) == ([], 0)


@pytest.mark.usefixtures("backed_up")
async def test_a_deleted_snapshot_is_not_restored(client: httpx.AsyncClient) -> None:
    await client.delete(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")
    body = {
        "deliveryType": "automated",
        "snapshotId": SNAPSHOT_ID,
        "targetClusterName": DEDICATED,
        "targetGroupId": GROUP,
    }

    answer = await client.post(
        f"{V2}/groups/{GROUP}/clusters/{DEDICATED}/backup/restoreJobs", json=body
    )

    assert told(answer) == (404, "SNAPSHOT_NOT_FOUND", [SNAPSHOT_ID, DEDICATED])


@pytest.mark.usefixtures("backed_up")
async def test_a_deleted_snapshot_is_nobodys_predecessor_and_not_missed_in_the_repository(
    world: World, client: httpx.AsyncClient
) -> None:
    assert world.db.look(lambda tx: rows.newest_completed(tx, DEDICATED_ID)) == SNAPSHOT_ID
    await client.delete(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")

    assert world.db.look(lambda tx: rows.newest_completed(tx, DEDICATED_ID)) is None
    assert world.db.look(rows.completed_ids) == ()


@pytest.mark.usefixtures("backed_up")
async def test_the_manifest_is_left_to_a_job_behind_the_lock_of_the_cluster(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.delete(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")

    [(job, name, status, queue, lock)] = world.queued_jobs()
    deletion_id = job.removeprefix("delete_snapshot:")
    assert (name, status, queue, lock) == (
        "delete_snapshot",
        "ENQUEUED",
        "telamon",
        DEDICATED_ID,
    )
    assert world.db.look(lambda tx: rows.being_deleted(tx, deletion_id)) == SNAPSHOT_ID


@pytest.mark.usefixtures("backed_up")
async def test_a_deletion_that_failed_can_be_asked_for_again(
    world: World, client: httpx.AsyncClient
) -> None:
    path = f"{snapshots_at(V2)}/{SNAPSHOT_ID}"
    await client.delete(path)
    first = world.queued_jobs()[0][0].removeprefix("delete_snapshot:")
    world.db.transact(lambda tx: rows.show_again(tx, first))

    answer = await client.delete(path)

    assert (answer.status_code, len({job[0] for job in world.queued_jobs()})) == (204, 2)


@pytest.mark.parametrize("status", [SnapshotStatus.QUEUED, SnapshotStatus.IN_PROGRESS])
async def test_a_snapshot_that_is_being_taken_is_not_deleted(
    world: World, client: httpx.AsyncClient, fixed: Instance, status: SnapshotStatus
) -> None:
    add_snapshot(world, fixed, status)

    answer = await client.delete(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")

    assert told(answer) == (409, "SNAPSHOT_IN_USE", [SNAPSHOT_ID, "it is being taken"])
    assert world.queued_jobs() == []


async def test_a_snapshot_that_failed_is_deleted(
    world: World, client: httpx.AsyncClient, fixed: Instance
) -> None:
    add_snapshot(world, fixed, SnapshotStatus.FAILED)

    answer = await client.delete(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")

    assert answer.status_code == 204


@pytest.mark.parametrize(
    "stage", [RestoreStage.QUEUED, RestoreStage.LOADING, RestoreStage.SWAPPING]
)
async def test_a_snapshot_that_is_being_restored_is_not_deleted(
    world: World, client: httpx.AsyncClient, backed_up: Instance, stage: RestoreStage
) -> None:
    job_id = add_restore_job(world, backed_up, stage)
    path = f"{snapshots_at(V2)}/{SNAPSHOT_ID}"

    refused = await client.delete(path)
    world.db.transact(lambda tx: job_rows.finish(tx, job_id, at=world.clock()))
    answer = await client.delete(path)

    assert told(refused) == (409, "SNAPSHOT_IN_USE", [SNAPSHOT_ID, "it is being restored"])
    assert answer.status_code == 204


async def test_a_restore_of_another_snapshot_is_no_obstacle(
    world: World, client: httpx.AsyncClient, backed_up: Instance
) -> None:
    add_restore_job(world, backed_up, RestoreStage.LOADING, snapshot_id=MISSING_ID)

    answer = await client.delete(f"{snapshots_at(V1)}/{SNAPSHOT_ID}")

    assert answer.status_code == 204


@pytest.mark.usefixtures("backed_up")
async def test_a_snapshot_that_is_being_deleted_has_a_row_for_a_rescan_to_find(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.delete(f"{snapshots_at(V2)}/{SNAPSHOT_ID}")
    found = world.db.look(lambda tx: rows.by_id(tx, SNAPSHOT_ID))

    assert world.db.transact(lambda tx: rows.insert_completed(tx, found)) is False
    with world.db.engine.connect() as connection:
        count = connection.execute(sa.text("SELECT count(*) FROM snapshot")).scalar_one()
    assert count == 1
