"""Serverless instances taken away: what is seen of them, how often, and what is in the way."""

from typing import Any

import httpx
import pytest

from telamon.model.instance import Instance
from tests.api.routes.world import GROUP, World


def instances_of(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/serverless"


def wanted(**changes: object) -> dict[str, object]:
    settings = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
    return {"name": "orders", "providerSettings": settings, **changes}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


async def state(client: httpx.AsyncClient, path: str) -> Any:
    """``stateName``, or the status of what is no instance."""
    answer = await client.get(path)
    return answer.json()["stateName"] if answer.status_code == 200 else answer.status_code


@pytest.mark.usefixtures("orders")
async def test_delete_answers_202_and_an_empty_object(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.delete(f"{instances_of(atlas)}/orders")

    assert (answer.status_code, answer.content) == (202, b"{}")


async def test_an_instance_to_delete_is_queued(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")

    assert world.queued_jobs() == [
        (f"delete_instance:{orders.id}", "delete_instance", "ENQUEUED", "telamon", orders.id)
    ]


@pytest.mark.usefixtures("orders")
async def test_an_instance_is_deleting_as_long_as_the_worker_takes(
    client: httpx.AsyncClient, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")

    seen = [await state(client, f"{instances_of(atlas)}/orders") for _ in range(3)]

    assert seen == ["DELETING", "DELETING", "DELETING"]


async def test_a_deleted_instance_is_seen_deleting_once_and_then_never(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")
    world.set_deleted(orders.id)

    seen = [await state(client, f"{instances_of(atlas)}/orders") for _ in range(3)]

    assert seen == ["DELETING", 404, 404]


async def test_a_deleted_instance_is_listed_once_and_then_never(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")
    world.set_deleted(orders.id)

    counts = [(await client.get(instances_of(atlas))).json()["totalCount"] for _ in range(2)]

    assert counts == [1, 0]


async def test_an_instance_that_is_being_deleted_has_no_connection_string(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/{orders.name}")

    read = (await client.get(f"{instances_of(atlas)}/orders")).json()

    assert read["connectionStrings"] == {}


@pytest.mark.usefixtures("orders")
async def test_a_second_delete_is_refused(client: httpx.AsyncClient, atlas: str) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")

    answer = await client.delete(f"{instances_of(atlas)}/orders")

    assert (*told(answer), answer.json()["detail"]) == (
        400,
        "CLUSTER_ALREADY_REQUESTED_DELETION",
        ["orders"],
        "The cluster orders has already been requested for deletion.",
    )


async def test_a_protected_instance_is_not_deleted(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_instance("kept", termination_protection=True)

    answer = await client.delete(f"{instances_of(atlas)}/kept")

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": "Cannot terminate a cluster when termination protection is enabled. "
            "Disable termination protection and try again.",
            "error": 400,
            "errorCode": "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED",
            "parameters": [
                f"Cannot terminate cluster kept in group {GROUP} because termination protection "
                "is enabled. Disable termination protection and try again."
            ],
            "reason": "Bad Request",
        },
    )


async def test_a_protected_instance_stays_idle_when_its_deletion_is_refused(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_instance("kept", termination_protection=True)

    await client.delete(f"{instances_of(atlas)}/kept")

    assert await state(client, f"{instances_of(atlas)}/kept") == "IDLE"


@pytest.mark.usefixtures("orders")
async def test_the_name_of_an_instance_that_is_being_deleted_is_taken(
    client: httpx.AsyncClient, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")

    answer = await client.post(instances_of(atlas), json=wanted())

    assert answer.json()["errorCode"] == "DUPLICATE_CLUSTER_NAME"


async def test_a_deleted_instance_makes_room_for_one_of_its_name(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    await client.delete(f"{instances_of(atlas)}/orders")
    world.set_deleted(orders.id)  # and nobody has seen it since

    made = await client.post(instances_of(atlas), json=wanted())

    read = (await client.get(f"{instances_of(atlas)}/orders")).json()
    assert (made.status_code, read["id"] == orders.id, read["stateName"]) == (
        201,
        False,
        "CREATING",
    )
