"""Drills over the API: asked for, listed, their reports fetched and checked."""

from typing import Any

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.snapshot import SnapshotStatus
from telamon.operations.drill_signing import DrillPublicKey, check
from tests.api.routes.backups import add_drill, add_snapshot
from tests.api.routes.kinds import DEDICATED, add_dedicated
from tests.api.routes.world import DRILL_KEY, GROUP, MISSING_ID, OWN, SNAPSHOT_ID, World

DRILLS = f"{OWN}/groups/{GROUP}/instances/orders/drills"
FIRST = "65a0000000000000000000f1"


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def taken(world: World, orders: Instance) -> Instance:
    """An instance with a good snapshot and a later one that failed."""
    add_snapshot(world, orders)
    add_snapshot(
        world,
        orders,
        SnapshotStatus.FAILED,
        snapshot_id="65a0000000000000000000b2",
        requested_at=world.clock(),
    )
    return orders


async def test_a_drill_of_the_newest_good_snapshot_is_queued(
    world: World, client: httpx.AsyncClient, taken: Instance
) -> None:
    answer = await client.post(DRILLS)

    drill = {
        "id": "69a42a400000000000000002",
        "instanceName": "orders",
        "requestedAt": "2026-03-01T12:00:00Z",
        "snapshotId": SNAPSHOT_ID,
        "state": "queued",
    }
    assert (answer.status_code, answer.json()) == (201, drill)
    assert (await client.get(f"{DRILLS}/{drill['id']}")).json() == drill
    assert [job[:4] for job in world.queued_jobs()] == [
        (f"drill:{drill['id']}", "drill", "ENQUEUED", "telamon")
    ]


async def test_there_is_nothing_to_choose(client: httpx.AsyncClient, taken: Instance) -> None:
    answer = await client.post(DRILLS, json={"snapshotId": SNAPSHOT_ID})

    assert told(answer) == (400, "INVALID_ATTRIBUTE", ["snapshotId"])


async def test_it_is_of_any_kind_of_instance(client: httpx.AsyncClient, world: World) -> None:
    add_snapshot(world, add_dedicated(world))

    answer = await client.post(DRILLS.replace("orders", DEDICATED))

    assert answer.status_code == 201


async def test_an_instance_has_one_drill_at_a_time(
    client: httpx.AsyncClient, taken: Instance
) -> None:
    await client.post(DRILLS)

    assert told(await client.post(DRILLS)) == (409, "DRILL_IN_PROGRESS", ["orders"])


async def test_without_a_good_snapshot_there_is_nothing_to_drill(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders, SnapshotStatus.FAILED)

    assert told(await client.post(DRILLS)) == (409, "DRILL_NOT_POSSIBLE", ["orders"])


async def test_drills_are_listed_newest_first(
    world: World, client: httpx.AsyncClient, taken: Instance
) -> None:
    add_drill(world, taken, drill_id=FIRST, failure="shop.orders is not restored.")
    world.clock.advance(minutes=1)
    await client.post(DRILLS)

    body = (await client.get(DRILLS)).json()

    assert body["totalCount"] == 2
    assert [each["state"] for each in body["results"]] == ["queued", "failed"]
    assert body["results"][1] == {
        "failure": "shop.orders is not restored.",
        "finishedAt": "2026-03-01T12:00:00Z",
        "id": FIRST,
        "instanceName": "orders",
        "requestedAt": "2026-03-01T12:00:00Z",
        "snapshotId": SNAPSHOT_ID,
        "startedAt": "2026-03-01T12:00:00Z",
        "state": "failed",
    }
    page = (await client.get(f"{DRILLS}?itemsPerPage=1&pageNum=2")).json()
    assert page["results"] == body["results"][1:]


async def test_a_report_comes_as_it_was_signed(
    world: World, client: httpx.AsyncClient, taken: Instance
) -> None:
    signed = add_drill(world, taken, drill_id=FIRST)

    answer = await client.get(f"{DRILLS}/{FIRST}/report")

    assert (answer.status_code, answer.content) == (200, signed)
    assert check(answer.content, DRILL_KEY.public).fields["drillId"] == FIRST


@pytest.mark.parametrize("how", ["pretty=true", "envelope=true"])
async def test_a_report_can_be_checked_however_it_was_asked_for(
    world: World, client: httpx.AsyncClient, taken: Instance, how: str
) -> None:
    signed = add_drill(world, taken, drill_id=FIRST)

    answer = await client.get(f"{DRILLS}/{FIRST}/report?{how}")

    if how.startswith("pretty"):
        assert answer.content != signed
        assert check(answer.content, DRILL_KEY.public).fields["drillId"] == FIRST
    else:
        assert answer.content == b'{"content":' + signed + b',"status":200}'


async def test_before_its_end_there_is_no_report(
    client: httpx.AsyncClient, taken: Instance
) -> None:
    drill_id = (await client.post(DRILLS)).json()["id"]

    answer = await client.get(f"{DRILLS}/{drill_id}/report")

    assert told(answer) == (404, "DRILL_REPORT_NOT_FOUND", [drill_id])


@pytest.mark.parametrize("tail", ["", "/report"])
async def test_what_is_not_there(client: httpx.AsyncClient, taken: Instance, tail: str) -> None:
    async def get(drill_id: str) -> Any:
        return told(await client.get(f"{DRILLS}/{drill_id}{tail}"))

    assert await get(MISSING_ID) == (404, "DRILL_NOT_FOUND", [MISSING_ID, "orders"])
    assert await get("x") == (404, "INVALID_DRILL_ID", ["x"])


async def test_a_drill_is_its_instances(
    world: World, client: httpx.AsyncClient, taken: Instance
) -> None:
    add_drill(world, taken, drill_id=FIRST)
    add_dedicated(world)

    answer = await client.get(f"{DRILLS.replace('orders', DEDICATED)}/{FIRST}")

    assert told(answer) == (404, "DRILL_NOT_FOUND", [FIRST, DEDICATED])


async def test_a_snapshot_that_is_drilled_cannot_be_deleted(
    world: World, client: httpx.AsyncClient
) -> None:
    add_snapshot(world, add_dedicated(world))
    await client.post(DRILLS.replace("orders", DEDICATED))

    answer = await client.delete(
        f"/api/atlas/v2/groups/{GROUP}/clusters/{DEDICATED}/backup/snapshots/{SNAPSHOT_ID}"
    )

    assert answer.status_code == 409
    assert "it is being drilled" in answer.json()["detail"]


async def test_the_public_key_is_everybodys(client: httpx.AsyncClient) -> None:
    body = (await client.get(f"{OWN}/drillKey")).json()

    assert DrillPublicKey.of_pem(body["pem"].encode()) == DRILL_KEY.public
    assert body["keyId"] == DRILL_KEY.public.id
