"""Asking for a download, and what its job looks like, of a serverless instance."""

import httpx
import pytest

from telamon.api.asgi import Options
from telamon.model.access import NewApiKey
from telamon.model.instance import Instance
from telamon.model.snapshot import SnapshotStatus
from telamon.state import restore_jobs as rows
from tests.api.routes.backups import add_snapshot
from tests.api.routes.downloads import (
    DOWNLOAD_ID,
    add_download,
    link_to,
    prepare,
    store_snapshot,
)
from tests.api.routes.world import GROUP, MISSING_ID, OWN, SNAPSHOT_ID, V1, V2, World

WANTED = {"deliveryType": "download", "snapshotId": SNAPSHOT_ID}


def jobs_of(prefix: str, family: str = "serverless", name: str = "orders") -> str:
    return f"{prefix}/groups/{GROUP}/{family}/{name}/backup/restoreJobs"


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def url_of(world: World, job_id: str = DOWNLOAD_ID) -> str:
    return link_to(world, job_id).url


# Asking


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"targetClusterName": "", "targetGroupId": ""},  # the official Go SDK
        {"targetClusterName": "orders", "targetGroupId": GROUP},  # clients that check patterns
    ],
)
async def test_a_download_is_queued(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, target: dict[str, str]
) -> None:
    add_snapshot(world, orders)

    answer = await client.post(jobs_of(atlas), json={**WANTED, **target})

    assert answer.status_code == (201 if atlas == V1 else 200)
    job = answer.json()
    assert {name: job[name] for name in job if name not in ("links", "createdAt")} == {
        "cancelled": False,
        "deliveryType": "download",
        "deliveryUrl": [],
        "expired": False,
        "failed": False,
        "id": job["id"],
        "snapshotId": SNAPSHOT_ID,
        "timestamp": "2026-03-01T11:30:00Z",
        **{name: value for name, value in target.items() if value},
    }
    ((_, kind, _, _, lock),) = world.queued_jobs()
    assert (kind, lock) == ("prepare_download", job["id"])


async def test_a_target_that_no_client_needs_must_have_its_shape_all_the_same(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_snapshot(world, orders)

    name = await client.post(jobs_of(atlas), json={**WANTED, "targetClusterName": "a b"})
    group = await client.post(jobs_of(atlas), json={**WANTED, "targetGroupId": "x"})

    assert told(name) == (400, "CLUSTER_NAME_INVALID")
    assert told(group) == (404, "INVALID_GROUP_ID")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"snapshotId": ""}, (400, "MISSING_ATTRIBUTE")),
        ({"snapshotId": "x"}, (400, "INVALID_ATTRIBUTE")),
        ({"snapshotId": MISSING_ID}, (404, "SNAPSHOT_NOT_FOUND")),
    ],
)
async def test_a_download_of_nothing_is_refused(
    *,
    world: World,
    client: httpx.AsyncClient,
    orders: Instance,
    atlas: str,
    change: dict[str, str],
    expected: tuple[int, str],
) -> None:
    add_snapshot(world, orders)

    answer = await client.post(jobs_of(atlas), json={**WANTED, **change})

    assert told(answer) == expected
    assert world.queued_jobs() == []


@pytest.mark.parametrize(
    "status", [SnapshotStatus.QUEUED, SnapshotStatus.IN_PROGRESS, SnapshotStatus.FAILED]
)
async def test_a_snapshot_that_is_not_there_yet_is_not_downloaded(
    world: World, client: httpx.AsyncClient, orders: Instance, status: SnapshotStatus
) -> None:
    add_snapshot(world, orders, status)

    answer = await client.post(jobs_of(V2), json=WANTED)

    assert told(answer) == (409, "CANNOT_DOWNLOAD_INCOMPLETE_SNAPSHOT")


async def test_one_download_of_a_snapshot_is_prepared_at_a_time(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    store_snapshot(world, orders)
    first = (await client.post(jobs_of(V2), json=WANTED)).json()

    assert told(await client.post(jobs_of(V2), json=WANTED)) == (
        400,
        "CANNOT_DOWNLOAD_SNAPSHOT_CONCURRENTLY",
    )
    prepare(world, first["id"])
    assert (await client.post(jobs_of(V2), json=WANTED)).status_code == 200


async def test_twenty_downloads_are_prepared_in_a_project_at_a_time(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    ids = [f"65a0000000000000000001{number:02}" for number in range(21)]
    for snapshot_id in ids:
        add_snapshot(world, orders, snapshot_id=snapshot_id)

    answers = [await client.post(jobs_of(V2), json={**WANTED, "snapshotId": one}) for one in ids]

    assert [answer.status_code for answer in answers[:-1]] == [200] * 20
    assert told(answers[-1]) == (400, "TOO_MANY_SNAPSHOT_DOWNLOADS")


async def test_a_download_and_a_restore_are_not_in_each_others_way(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders)
    restore = {**WANTED, "deliveryType": "automated"}
    target = {"targetClusterName": "orders", "targetGroupId": GROUP}

    assert (await client.post(jobs_of(V2), json=WANTED)).status_code == 200
    assert (await client.post(jobs_of(V2), json={**restore, **target})).status_code == 200
    assert (await client.get(jobs_of(V2))).json()["totalCount"] == 2


# Of a serverless instance


async def test_a_download_that_is_ready_is_this(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    store_snapshot(world, orders)
    add_download(world, orders)
    world.clock.advance(minutes=3)
    prepare(world)

    job = (await client.get(f"{jobs_of(atlas)}/{DOWNLOAD_ID}")).json()

    assert {name: job[name] for name in job if name not in ("links", "createdAt")} == {
        "cancelled": False,
        "deliveryType": "download",
        "deliveryUrl": [url_of(world)],
        "expired": False,
        "expiresAt": "2026-03-01T16:03:00Z",
        "failed": False,
        "finishedAt": "2026-03-01T12:03:00Z",
        "id": DOWNLOAD_ID,
        "snapshotId": SNAPSHOT_ID,
        "timestamp": "2026-03-01T11:30:00Z",
    }
    assert (await client.get(jobs_of(atlas))).json()["results"] == [job]


async def test_after_its_time_it_is_expired_and_has_no_url(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    store_snapshot(world, orders)
    add_download(world, orders)
    prepare(world)
    world.clock.advance(hours=4)

    job = (await client.get(f"{jobs_of(atlas)}/{DOWNLOAD_ID}")).json()

    assert (job["expired"], job["deliveryUrl"]) == (True, [])
    assert (job["failed"], job["expiresAt"]) == (False, "2026-03-01T16:00:00Z")


async def test_one_that_waits_for_long_does_not_expire(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    store_snapshot(world, orders)
    add_download(world, orders)
    world.clock.advance(days=400)

    job = (await client.get(f"{jobs_of(atlas)}/{DOWNLOAD_ID}")).json()

    assert (job["expired"], "expiresAt" in job, "finishedAt" in job) == (False, False, False)


async def test_one_that_failed_has_an_end_and_no_url(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    store_snapshot(world, orders)
    add_download(world, orders)
    world.db.transact(lambda tx: rows.fail(tx, DOWNLOAD_ID, failure="harm", at=world.clock()))
    world.clock.advance(days=400)

    job = (await client.get(f"{jobs_of(atlas)}/{DOWNLOAD_ID}")).json()

    assert (job["failed"], job["finishedAt"]) == (True, "2026-03-01T12:00:00Z")
    assert (job["expired"], job["deliveryUrl"], "expiresAt" in job) == (False, [], False)


async def test_telamons_own_view_tells_the_stage(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    store_snapshot(world, orders)
    add_download(world, orders)
    prepare(world)

    job = (
        await client.get(f"{OWN}/groups/{GROUP}/instances/orders/restoreJobs/{DOWNLOAD_ID}")
    ).json()

    assert (job["stage"], job["documentsRestored"]) == ("finished", job["documentsTotal"])
    assert "targetClusterName" not in job


async def test_the_link_begins_as_the_operator_says(
    world: World, key: NewApiKey, orders: Instance, atlas: str
) -> None:
    store_snapshot(world, orders)
    add_download(world, orders)
    prepare(world)
    client = world.with_options(key, Options(public_url="https://backup.example.org"))

    job = (await client.get(f"{jobs_of(atlas)}/{DOWNLOAD_ID}")).json()

    assert job["deliveryUrl"] == [
        url_of(world).replace("http://telamon.test", "https://backup.example.org")
    ]
