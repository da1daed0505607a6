"""Restore jobs for points in time, and continuous backup, on the wire."""

from typing import Any

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import CaptureFailure, OplogSlice, OplogWindow
from telamon.state import oplogs
from tests.api.routes.backups import TAKEN_AT, add_snapshot
from tests.api.routes.kinds import CONTENTS_TYPE, DEDICATED, add_dedicated
from tests.api.routes.test_metrics import calling
from tests.api.routes.world import GROUP, OWN, SNAPSHOT_ID, V1, V2, World

TAKEN = int(TAKEN_AT.timestamp())
OWN_PATH = f"{OWN}/groups/{GROUP}/instances/orders"
UNREACHABLE = "UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME"
BACKUP = f"{OWN_PATH}/continuousBackup"


def at(seconds: int, increment: int = 1) -> ClusterTime:
    return ClusterTime(seconds=TAKEN + seconds, increment=increment)


def add_window(
    world: World, instance: Instance, number: int, span: tuple[int, int], *, gap: str | None = None
) -> None:
    start, until = span
    window = OplogWindow(
        instance_id=instance.id,
        number=number,
        start=at(start, 0),
        stored_until=at(until),
        until=at(until),
        digest=b"d",
        gap=gap,
    )
    world.db.transact(lambda tx: oplogs.insert_window(tx, window))


def wanted(target: str, **moment: int) -> dict[str, object]:
    return {
        "deliveryType": "pointInTime",
        "targetClusterName": target,
        "targetGroupId": GROUP,
        **moment,
    }


@pytest.fixture
def covered(world: World, orders: Instance) -> Instance:
    """An instance with a snapshot, and its oplog for a hundred seconds around it."""
    add_snapshot(world, orders)
    add_window(world, orders, 1, (-10, 100))
    return orders


def jobs_of(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/serverless/orders/backup/restoreJobs"


@pytest.mark.usefixtures("covered")
async def test_a_second_is_shown_as_it_was_asked_for(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(
        jobs_of(atlas), json=wanted("orders", pointInTimeUTCSeconds=TAKEN + 60)
    )

    body = answer.json()
    assert answer.status_code == (201 if atlas == V1 else 200)
    assert (body["deliveryType"], body["snapshotId"]) == ("pointInTime", SNAPSHOT_ID)
    assert body["pointInTimeUTCSeconds"] == TAKEN + 60
    assert body["desiredTimestamp"] == {
        "increment": 0,
        "time": TAKEN + 60,
        "date": "2026-03-01T11:31:00Z",
    }
    assert "oplogTs" not in body
    assert (await client.get(f"{jobs_of(atlas)}/{body['id']}")).json() == body


@pytest.mark.usefixtures("covered")
async def test_an_entry_of_the_oplog_is_shown_as_it_was_asked_for(
    client: httpx.AsyncClient, atlas: str
) -> None:
    moment = {"oplogTs": TAKEN + 100, "oplogInc": 1}
    answer = await client.post(jobs_of(atlas), json=wanted("orders", **moment))

    body = answer.json()
    assert {name: body[name] for name in moment} == moment
    assert "pointInTimeUTCSeconds" not in body


async def test_a_dedicated_cluster_is_restored_alike(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    cluster = add_dedicated(world)
    add_snapshot(world, cluster)
    add_window(world, cluster, 1, (0, 100))
    path = f"{atlas}/groups/{GROUP}/clusters/{DEDICATED}/backup/restoreJobs"
    answer = await client.post(path, json=wanted(DEDICATED, oplogTs=TAKEN + 5, oplogInc=3))

    body = answer.json()
    assert (body["oplogTs"], body["oplogInc"]) == (TAKEN + 5, 3)
    assert body["desiredTimestamp"]["increment"] == 3


@pytest.mark.usefixtures("covered")
async def test_telamons_own_path_takes_a_moment(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{OWN_PATH}/restoreJobs", json={"pointInTimeUTCSeconds": TAKEN + 9})

    assert answer.status_code == 201
    assert answer.json()["pointInTime"] == f"{TAKEN + 9}.0"


@pytest.mark.usefixtures("covered")
async def test_telamons_own_path_takes_a_part_of_a_moment(
    client: httpx.AsyncClient,
) -> None:
    """Also of what the snapshot does not have: whether it was there is for the job to find out."""
    body = {"pointInTimeUTCSeconds": TAKEN + 9, "selection": {"namespaces": ["made.since"]}}

    answer = await client.post(f"{OWN_PATH}/restoreJobs", json=body)

    assert answer.status_code == 201
    assert answer.json()["pointInTime"] == f"{TAKEN + 9}.0"
    assert answer.json()["selection"]["namespaces"] == ["made.since"]
    assert (answer.json()["documentsTotal"], answer.json()["namespacesTotal"]) == (0, 0)


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ({"namespaces": ["made."]}, "made. is neither a database nor a database.collection"),
        (
            {"namespaces": ["made.since"], "query": "{"},
            "the query is not MongoDB's extended JSON: ",
        ),
    ],
)
@pytest.mark.usefixtures("covered")
async def test_a_part_that_no_moment_could_have_is_refused_at_once(
    client: httpx.AsyncClient, selection: dict[str, object], reason: str
) -> None:
    body = {"oplogTs": TAKEN + 9, "oplogInc": 1, "selection": selection}

    answer = await client.post(f"{OWN_PATH}/restoreJobs", json=body)

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_RESTORE_SELECTION")
    assert reason in answer.json()["detail"]


async def test_a_part_of_a_dedicated_cluster_is_restored_as_of_a_moment(
    world: World, client: httpx.AsyncClient
) -> None:
    cluster = add_dedicated(world)
    add_snapshot(world, cluster)
    add_window(world, cluster, 1, (-10, 100))
    client.headers["Accept"] = CONTENTS_TYPE
    jobs = f"{V2}/groups/{GROUP}/clusters/{DEDICATED}/collectionRestoreJobs"
    body = {
        "collections": [{"sourceNamespace": "made.since"}],
        "indexStrategy": "ALL",
        "targetClusterName": DEDICATED,
        "targetGroupId": GROUP,
        "writeStrategy": "CREATE_NEW",
    }

    made = await client.post(jobs, json=body | {"oplogTs": TAKEN + 5, "oplogInc": 3})

    assert made.status_code == 200, made.text
    assert (made.json()["oplogTs"], made.json()["oplogInc"]) == (TAKEN + 5, 3)
    assert (made.json()["snapshotId"], made.json()["totalDocuments"]) == (SNAPSHOT_ID, 0)
    listed = (await client.get(jobs)).json()["results"]
    assert listed == [made.json()]
    collections = await client.get(f"{jobs}/{made.json()['id']}/collections")
    assert collections.json()["results"] == []
    for changes, code in (
        ({"pointInTimeUTCSeconds": TAKEN + 101}, UNREACHABLE),
        ({"pointInTimeUTCSeconds": TAKEN + 9, "collections": []}, "INVALID_RESTORE_SELECTION"),
    ):
        assert (await client.post(jobs, json=body | changes)).json()["errorCode"] == code


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (-60, "there is no completed snapshot from before"),
        (101, f"the oplog has been captured up to {TAKEN + 100}.1 only"),
    ],
)
@pytest.mark.usefixtures("covered")
async def test_where_there_is_no_way_the_answer_says_why(
    client: httpx.AsyncClient, atlas: str, seconds: int, reason: str
) -> None:
    until = TAKEN + seconds
    answer = await client.post(jobs_of(atlas), json=wanted("orders", pointInTimeUTCSeconds=until))

    body = answer.json()
    assert (answer.status_code, body["errorCode"]) == (404, UNREACHABLE)
    assert body["detail"] == f"There is no way to restore to {until}.0: {reason}."


async def test_a_gap_is_named(
    world: World, client: httpx.AsyncClient, covered: Instance, atlas: str
) -> None:
    add_window(world, covered, 2, (150, 200), gap="it was overwritten")
    for seconds, status in ((120, 404), (170, 404), (90, 200)):
        moment = {"pointInTimeUTCSeconds": TAKEN + seconds}
        answer = await client.post(jobs_of(atlas), json=wanted("orders", **moment))
        if status == 404:
            gap = f"between {TAKEN + 100}.1 and {TAKEN + 150}.0 was not captured"
            assert gap in answer.json()["detail"]
            assert "it was overwritten" in answer.json()["detail"]
        else:
            assert answer.is_success


async def test_the_latest_snapshot_that_leads_there_is_taken(
    world: World, client: httpx.AsyncClient, covered: Instance, atlas: str
) -> None:
    later = "65a0000000000000000000d9"
    add_snapshot(world, covered, snapshot_id=later, requested_at=TAKEN_AT.replace(minute=31))
    moment = {"pointInTimeUTCSeconds": TAKEN + 90}
    answer = await client.post(jobs_of(atlas), json=wanted("orders", **moment))

    assert answer.json()["snapshotId"] == later


# Continuous backup


async def test_it_is_off_until_it_is_switched_on(
    client: httpx.AsyncClient, orders: Instance
) -> None:
    del orders
    nothing: dict[str, object] = {"gaps": [], "storedBytes": 0, "windows": []}

    assert (await client.get(BACKUP)).json() == {"enabled": False, **nothing}
    switched = await client.patch(BACKUP, json={"enabled": True})
    assert (switched.status_code, switched.json()) == (200, {"enabled": True, **nothing})
    serverless = (await client.get(f"{V2}/groups/{GROUP}/serverless/orders")).json()
    assert serverless["serverlessBackupOptions"] == {"serverlessContinuousBackupEnabled": True}
    assert not (await client.patch(BACKUP, json={"enabled": False})).json()["enabled"]


async def test_what_is_covered_is_shown(
    world: World, client: httpx.AsyncClient, covered: Instance
) -> None:
    await client.patch(BACKUP, json={"enabled": True})
    add_window(world, covered, 2, (150, 1_795), gap="it was overwritten")
    found = OplogSlice(instance_id=covered.id, after=at(150), first=at(151), last=at(160))
    failure = CaptureFailure(reason="No answer.", at=TAKEN_AT)

    def work(tx: Any) -> None:
        oplogs.insert_slice(tx, 2, found, stored_bytes=77)
        assert oplogs.claim(tx, covered.id, "w")
        oplogs.set_failure(tx, covered.id, failure)

    world.db.transact(work)

    def moment(seconds: int, increment: int, date: str) -> dict[str, object]:
        return {"date": date, "oplogInc": increment, "oplogTs": TAKEN + seconds}

    start, end = moment(-10, 0, "2026-03-01T11:29:50Z"), moment(100, 1, "2026-03-01T11:31:40Z")
    again, until = moment(150, 0, "2026-03-01T11:32:30Z"), moment(1795, 1, "2026-03-01T11:59:55Z")
    assert (await client.get(BACKUP)).json() == {
        "enabled": True,
        "failedAt": "2026-03-01T11:30:00Z",
        "failure": "No answer.",
        "gaps": [{"reason": "it was overwritten", "start": end, "until": again}],
        "lagSeconds": 5,
        "storedBytes": 77,
        "windows": [{"start": start, "until": end}, {"start": again, "until": until}],
    }
    metrics = (await calling(world).get("/metrics")).text
    assert f'telamon_oplog_lag_seconds{{group_id="{GROUP}",instance="orders"}} 5.0' in metrics


@pytest.mark.parametrize("body", [{}, {"enabled": "yes"}, {"enabled": True, "else": 1}])
async def test_a_body_that_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, orders: Instance, body: dict[str, object]
) -> None:
    del orders
    assert (await client.patch(BACKUP, json=body)).status_code == 400
