"""What the API shows of snapshots that schedules asked for, and of when the next one is due."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from telamon.model.access import NewApiKey
from telamon.model.instance import Instance
from telamon.operations.scheduled_snapshots import ScheduledSnapshots
from telamon.operations.snapshots import Snapshots
from telamon.state import snapshots
from tests.api.routes.kinds import DEDICATED, FLEX, FLEX_TYPE, add_dedicated, add_flex
from tests.api.routes.world import GROUP, V1, V2, World

SCHEDULE = f"{V2}/groups/{GROUP}/clusters/{DEDICATED}/backup/schedule"
SNAPSHOTS = f"{V2}/groups/{GROUP}/clusters/{DEDICATED}/backup/snapshots"
DAILY = {
    "frequencyInterval": 1,
    "frequencyType": "daily",
    "retentionUnit": "days",
    "retentionValue": 7,
}
WEEKLY = {
    "frequencyInterval": 1,
    "frequencyType": "weekly",
    "retentionUnit": "weeks",
    "retentionValue": 4,
}


def take_due(world: World) -> None:
    ScheduledSnapshots(world.db, world.queue, clock=world.clock, new_id=world.new_id).take_due()


async def items_of(answer: httpx.Response) -> list[dict[str, Any]]:
    [policy] = answer.json()["policies"]
    found: list[dict[str, Any]] = policy["policyItems"]
    return found


async def put_rules(client: httpx.AsyncClient, *items: dict[str, Any]) -> list[dict[str, Any]]:
    body = {"referenceHourOfDay": 3, "policies": [{"policyItems": [*items]}]}
    return await items_of(await client.patch(SCHEDULE, json=body))


@pytest.fixture
def fixed(world: World) -> Instance:
    """A dedicated cluster. It is noon, a Sunday, the first of March."""
    return add_dedicated(world)


@pytest.mark.usefixtures("fixed")
async def test_a_scheduled_snapshot_names_its_rules_and_the_rarest_frequency(
    world: World, client: httpx.AsyncClient
) -> None:
    rules = await put_rules(client, DAILY, WEEKLY)
    world.clock.advance(hours=15)

    take_due(world)

    [shown] = (await client.get(SNAPSHOTS)).json()["results"]
    assert (shown["snapshotType"], shown["frequencyType"]) == ("scheduled", "weekly")
    assert shown["policyItems"] == [rule["id"] for rule in rules]
    assert shown["expiresAt"] == "2026-03-30T03:00:00Z"
    assert "description" not in shown


@pytest.mark.usefixtures("fixed")
async def test_the_schedule_tells_when_the_next_is_due(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    schedule = SCHEDULE.replace(V2, atlas)
    assert "nextSnapshot" not in (await client.get(schedule)).json()
    await put_rules(client, WEEKLY)

    assert (await client.get(schedule)).json()["nextSnapshot"] == "2026-03-02T03:00:00Z"
    world.clock.advance(hours=15)
    assert (await client.get(schedule)).json()["nextSnapshot"] == "2026-03-09T03:00:00Z"


@pytest.mark.usefixtures("fixed")
async def test_where_schedules_are_off_no_snapshot_is_announced(
    world: World, client: httpx.AsyncClient, key: NewApiKey
) -> None:
    await put_rules(client, WEEKLY)
    off = Snapshots(world.db, world.queue, clock=world.clock, new_id=world.new_id, schedules=False)
    app = world.app(services=replace(world.services(), snapshots=off))

    shown = (await world.client(key, app=app).get(SCHEDULE)).json()

    assert len(shown["policies"][0]["policyItems"]) == 1
    assert "nextSnapshot" not in shown


@pytest.mark.parametrize(("applies", "day"), [(True, "2026-03-12"), (False, "2026-03-09")])
@pytest.mark.usefixtures("fixed")
async def test_update_snapshots_keeps_what_a_rule_took_as_the_rule_now_says(
    world: World, client: httpx.AsyncClient, applies: bool, day: str
) -> None:
    [daily] = await put_rules(client, DAILY)
    world.clock.advance(hours=15)
    take_due(world)
    body = {
        "policies": [{"policyItems": [{**daily, "retentionValue": 10}]}],
        "updateSnapshots": applies,
    }

    await client.patch(SCHEDULE, json=body)

    [shown] = (await client.get(SNAPSHOTS)).json()["results"]
    assert shown["expiresAt"] == f"{day}T03:00:00Z"


@pytest.mark.usefixtures("fixed")
async def test_update_snapshots_leaves_those_alone_that_no_rule_of_the_schedule_took(
    world: World, client: httpx.AsyncClient
) -> None:
    await put_rules(client, DAILY)
    world.clock.advance(hours=15)
    take_due(world)
    await client.post(SNAPSHOTS, json={"retentionInDays": 1})
    before = (await client.get(SNAPSHOTS)).json()["results"]
    assert len(before) == 2

    body = {"policies": [{"policyItems": [WEEKLY]}], "updateSnapshots": True}
    await client.patch(SCHEDULE, json=body)

    assert (await client.get(SNAPSHOTS)).json()["results"] == before


@pytest.mark.usefixtures("fixed")
async def test_rules_that_stay_the_same_lose_no_moment_that_is_due(
    world: World, client: httpx.AsyncClient
) -> None:
    """As a tool that applies its configuration every hour sends them."""
    await put_rules(client, DAILY)
    world.clock.advance(hours=15, minutes=30)
    await put_rules(client, {**DAILY, "retentionValue": 9})

    take_due(world)

    assert len((await client.get(SNAPSHOTS)).json()["results"]) == 1


@pytest.mark.parametrize(("prefix", "frequency"), [(V1, None), (V2, "hourly")])
@pytest.mark.usefixtures("orders")
async def test_a_serverless_instances_is_of_every_six_hours_which_only_v2_tells(
    world: World, client: httpx.AsyncClient, prefix: str, frequency: str | None
) -> None:
    world.clock.advance(hours=6)

    take_due(world)

    url = f"{prefix}/groups/{GROUP}/serverless/orders/backup/snapshots"
    [shown] = (await client.get(url)).json()["results"]
    assert (shown["snapshotType"], shown.get("frequencyType")) == ("scheduled", frequency)
    assert shown["expiresAt"] == "2026-04-05T18:00:00Z"


async def test_a_flex_clusters_expires_after_eight_days(
    world: World, client: httpx.AsyncClient
) -> None:
    add_flex(world)
    world.clock.advance(days=1)

    take_due(world)

    url = f"{V2}/groups/{GROUP}/flexClusters/{FLEX}/backup/snapshots"
    [shown] = (await client.get(url, headers={"Accept": FLEX_TYPE})).json()["results"]
    assert (shown["scheduledTime"], shown["expiration"]) == (
        "2026-03-02T12:00:00Z",
        "2026-03-10T12:00:00Z",
    )


@pytest.mark.usefixtures("fixed")
async def test_a_cluster_whose_rules_are_gone_gets_no_more(
    world: World, client: httpx.AsyncClient, fixed: Instance
) -> None:
    await put_rules(client, DAILY)
    await client.delete(SCHEDULE)
    world.clock.advance(days=3)

    take_due(world)

    assert world.db.look(lambda tx: snapshots.visible(tx, fixed.id)) == ()
