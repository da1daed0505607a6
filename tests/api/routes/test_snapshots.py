"""Snapshots: listed, shown alone, and with their reasons on Telamon's own view."""

from datetime import timedelta

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.snapshot import SnapshotStatus
from tests.api.routes.backups import TAKEN_AT, add_snapshot
from tests.api.routes.world import (
    GROUP,
    MISSING_ID,
    OTHER_INSTANCE_ID,
    OWN,
    SNAPSHOT_ID,
    V1,
    V2,
    World,
)

ALL_SURFACES = pytest.mark.parametrize("prefix", [V1, V2, OWN])


def snapshots_of(prefix: str, instance_name: str = "orders") -> str:
    if prefix == OWN:
        return f"{OWN}/groups/{GROUP}/instances/{instance_name}/snapshots"
    return f"{prefix}/groups/{GROUP}/serverless/{instance_name}/backup/snapshots"


def numbered(number: int) -> str:
    return f"65a0{number:020x}"


async def test_a_completed_snapshot_of_v1_is_this_to_the_byte(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders)

    answer = await client.get(f"{snapshots_of(V1)}/{SNAPSHOT_ID}")

    assert answer.content == (
        b'{"createdAt":"2026-03-01T11:30:00Z","expiresAt":"2026-04-05T11:30:00Z",'
        b'"id":"65a0000000000000000000b1","mongodVersion":"6.0.5",'
        b'"serverlessInstanceName":"orders","snapshotType":"onDemand","status":"completed",'
        b'"storageSizeBytes":3000000000}'
    )


async def test_a_completed_snapshot_of_v2_is_this_to_the_byte(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders)

    answer = await client.get(f"{snapshots_of(V2)}/{SNAPSHOT_ID}")

    instance = b"http://telamon.test/api/atlas/v2/groups/65a000000000000000000002/serverless/orders"
    assert answer.content == (
        b'{"createdAt":"2026-03-01T11:30:00Z","expiresAt":"2026-04-05T11:30:00Z",'
        b'"id":"65a0000000000000000000b1","links":[{"href":"' + instance + b"/backup/snapshots"
        b'/65a0000000000000000000b1","rel":"self"},{"href":"' + instance + b'",'
        b'"rel":"https://cloud.mongodb.com/cluster"}],"mongodVersion":"6.0.5",'
        b'"serverlessInstanceName":"orders","snapshotType":"onDemand","status":"completed",'
        b'"storageSizeBytes":3000000000}'
    )


async def test_a_queued_snapshot_has_neither_date_nor_version(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders, SnapshotStatus.QUEUED)

    answer = await client.get(f"{snapshots_of(V1)}/{SNAPSHOT_ID}")

    assert answer.json() == {
        "expiresAt": "2026-04-05T11:30:00Z",
        "id": "65a0000000000000000000b1",
        "serverlessInstanceName": "orders",
        "snapshotType": "onDemand",
        "status": "queued",
        "storageSizeBytes": 0,
    }


@pytest.mark.parametrize("status", [SnapshotStatus.IN_PROGRESS, SnapshotStatus.FAILED])
async def test_a_snapshot_that_was_begun_has_a_version_and_no_date(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, status: SnapshotStatus
) -> None:
    add_snapshot(world, orders, status)

    body = (await client.get(f"{snapshots_of(atlas)}/{SNAPSHOT_ID}")).json()

    assert (body["status"], body["mongodVersion"], "createdAt" in body) == (
        status.value,
        "6.0.5",
        False,
    )


@pytest.mark.parametrize("status", list(SnapshotStatus))
async def test_the_list_shows_a_snapshot_as_it_is_shown_alone(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, status: SnapshotStatus
) -> None:
    add_snapshot(world, orders, status)

    alone = (await client.get(f"{snapshots_of(atlas)}/{SNAPSHOT_ID}")).json()
    listed = (await client.get(snapshots_of(atlas))).json()["results"]

    assert listed == [alone]


async def test_snapshots_stand_newest_first(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    for number, hours in ((1, 2), (2, 0), (3, 1)):
        at = TAKEN_AT + timedelta(hours=hours)
        add_snapshot(world, orders, snapshot_id=numbered(number), requested_at=at)

    body = (await client.get(snapshots_of(atlas))).json()

    assert [each["createdAt"] for each in body["results"]] == [
        "2026-03-01T13:30:00Z",
        "2026-03-01T12:30:00Z",
        "2026-03-01T11:30:00Z",
    ]


async def test_a_page_of_snapshots_is_counted_and_linked(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    for number in range(1, 6):
        at = TAKEN_AT + timedelta(minutes=number)
        add_snapshot(world, orders, snapshot_id=numbered(number), requested_at=at)

    body = (await client.get(f"{snapshots_of(atlas)}?itemsPerPage=2&pageNum=2")).json()

    assert (
        [each["id"] for each in body["results"]],
        [link["rel"] for link in body["links"]],
        body["totalCount"],
    ) == ([numbered(3), numbered(2)], ["previous", "self", "next"], 5)


@pytest.mark.usefixtures("orders")
async def test_an_instance_without_snapshots_has_an_empty_list(
    client: httpx.AsyncClient, atlas: str
) -> None:
    body = (await client.get(snapshots_of(atlas))).json()

    assert (body["results"], body["totalCount"]) == ([], 0)


async def test_a_page_past_the_end_of_the_snapshots_is_empty(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_snapshot(world, orders)

    body = (await client.get(f"{snapshots_of(atlas)}?pageNum=18446744073709551")).json()

    assert (body["results"], body["totalCount"]) == ([], 1)


async def test_an_instance_lists_its_own_snapshots_only(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_snapshot(world, orders)
    world.add_instance("other", instance_id=OTHER_INSTANCE_ID)

    body = (await client.get(snapshots_of(atlas, "other"))).json()

    assert body["results"] == []


@ALL_SURFACES
@pytest.mark.usefixtures("orders")
async def test_an_unknown_snapshot_is_404(client: httpx.AsyncClient, prefix: str) -> None:
    answer = await client.get(f"{snapshots_of(prefix)}/{MISSING_ID}")

    assert (answer.status_code, answer.json()) == (
        404,
        {
            "detail": "No snapshot with ID 65f0000000000000000000aa exists for cluster orders.",
            "error": 404,
            "errorCode": "SNAPSHOT_NOT_FOUND",
            "parameters": ["65f0000000000000000000aa", "orders"],
            "reason": "Not Found",
        },
    )


@ALL_SURFACES
async def test_a_snapshot_of_another_instance_is_404(
    world: World, client: httpx.AsyncClient, orders: Instance, prefix: str
) -> None:
    add_snapshot(world, orders)
    world.add_instance("other", instance_id=OTHER_INSTANCE_ID)

    answer = await client.get(f"{snapshots_of(prefix, 'other')}/{SNAPSHOT_ID}")

    assert (answer.status_code, answer.json()["errorCode"]) == (404, "SNAPSHOT_NOT_FOUND")


@ALL_SURFACES
@pytest.mark.parametrize("wrong", ["1", "65A0000000000000000000B1", "latest"])
@pytest.mark.usefixtures("orders")
async def test_an_id_of_another_shape_is_no_snapshot_id(
    client: httpx.AsyncClient, prefix: str, wrong: str
) -> None:
    answer = await client.get(f"{snapshots_of(prefix)}/{wrong}")

    assert (answer.status_code, answer.json()) == (
        404,
        {
            "detail": f"An invalid snapshot ID {wrong} was specified.",
            "error": 404,
            "errorCode": "INVALID_SNAPSHOT_ID",
            "parameters": [wrong],
            "reason": "Not Found",
        },
    )


@pytest.mark.parametrize("prefix", [V1, V2])
@pytest.mark.usefixtures("orders")
async def test_the_snapshots_of_an_unknown_instance_are_404(
    client: httpx.AsyncClient, prefix: str
) -> None:
    answer = await client.get(snapshots_of(prefix, "nobody"))

    assert (answer.status_code, answer.json()["errorCode"]) == (
        404,
        "SERVERLESS_INSTANCE_NOT_FOUND",
    )


# Telamon's own view


async def test_telamons_own_view_of_a_completed_snapshot_is_this_to_the_byte(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders)

    answer = await client.get(f"{snapshots_of(OWN)}/{SNAPSHOT_ID}")

    assert answer.content == (
        b'{"clusterTime":"1772364600.7","consistency":"snapshot",'
        b'"createdAt":"2026-03-01T11:30:00Z","documents":1000,'
        b'"expectedBytes":3000000000,"expiresAt":"2026-04-05T11:30:00Z","finishedAt":"2026-03-01T11:30:20Z",'
        b'"id":"65a0000000000000000000b1","instanceName":"orders","mongodVersion":"6.0.5",'
        b'"namespaces":1,"namespacesTotal":1,"newBytes":4096,"requestedAt":"2026-03-01T11:30:00Z","sizeBytes":3000000000,'
        b'"snapshotType":"onDemand","status":"completed"}'
    )


async def test_telamons_own_view_says_why_a_snapshot_failed(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders, SnapshotStatus.FAILED, failure="The snapshot is too old (239).")

    answer = await client.get(f"{snapshots_of(OWN)}/{SNAPSHOT_ID}")

    assert answer.content == (
        b'{"documents":0,"expectedBytes":0,"expiresAt":"2026-04-05T11:30:00Z",'
        b'"failure":"The snapshot is too old (239).","finishedAt":"2026-03-01T11:30:20Z",'
        b'"id":"65a0000000000000000000b1","instanceName":"orders","mongodVersion":"6.0.5",'
        b'"namespaces":0,"namespacesTotal":0,"newBytes":0,"requestedAt":"2026-03-01T11:30:00Z","sizeBytes":0,'
        b'"snapshotType":"onDemand","status":"failed"}'
    )


async def test_atlas_views_do_not_say_why_a_snapshot_failed(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_snapshot(world, orders, SnapshotStatus.FAILED, failure="The snapshot is too old (239).")

    answer = await client.get(f"{snapshots_of(atlas)}/{SNAPSHOT_ID}")

    assert "too old" not in answer.text


async def test_telamons_own_list_has_what_atlas_has_no_field_for(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    add_snapshot(world, orders)

    answer = await client.get(f"{snapshots_of(OWN)}?pretty=false")

    listed = answer.json()
    assert listed["totalCount"] == 1
    (found,) = listed["results"]
    assert (found["consistency"], found["clusterTime"]) == ("snapshot", "1772364600.7")
    assert found == (await client.get(f"{snapshots_of(OWN)}/{SNAPSHOT_ID}")).json()
