"""Serverless instances: made, listed, shown, taken away."""

import asyncio

import httpx
import pytest

from telamon.model.access import NewApiKey
from telamon.model.instance import Instance, InstanceState
from tests.api.routes.world import (
    GROUP,
    INSTANCE_ID,
    OTHER_GROUP,
    OTHER_INSTANCE_ID,
    V1,
    V2,
    World,
)


def instances_of(prefix: str, group_id: str = GROUP) -> str:
    return f"{prefix}/groups/{group_id}/serverless"


def wanted(**changes: object) -> dict[str, object]:
    settings = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
    return {"name": "orders", "providerSettings": settings, **changes}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


# Create


async def test_a_new_instance_is_this_to_the_byte(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.post(instances_of(atlas), json=wanted())

    here = f"http://telamon.test{atlas}/groups/65a000000000000000000002/serverless/orders"
    assert (answer.status_code, answer.text) == (
        201,
        '{"connectionStrings":{},"createDate":"2026-03-01T12:00:00Z",'
        '"groupId":"65a000000000000000000002","id":"69a42a400000000000000002",'
        f'"links":[{{"href":"{here}","rel":"self"}},'
        f'{{"href":"{here}/backup/restoreJobs","rel":"https://cloud.mongodb.com/restoreJobs"}},'
        f'{{"href":"{here}/backup/snapshots","rel":"https://cloud.mongodb.com/snapshots"}}],'
        '"name":"orders","providerSettings":{"backingProviderName":"AWS",'
        '"providerName":"SERVERLESS","regionName":"US_EAST_1"},'
        '"serverlessBackupOptions":{"serverlessContinuousBackupEnabled":false},'
        '"stateName":"CREATING","tags":[],"terminationProtectionEnabled":false}',
    )


async def test_a_new_instance_can_be_read_as_it_was_answered(
    client: httpx.AsyncClient, atlas: str
) -> None:
    made = await client.post(instances_of(atlas), json=wanted())

    read = await client.get(f"{instances_of(atlas)}/orders")

    assert read.json() == made.json()


async def test_a_new_instance_is_queued_to_be_made(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    made = (await client.post(instances_of(atlas), json=wanted())).json()["id"]

    assert world.queued_jobs() == [
        (f"create_instance:{made}", "create_instance", "ENQUEUED", "telamon", made)
    ]


async def test_an_instance_keeps_its_tags_and_protection(
    client: httpx.AsyncClient, atlas: str
) -> None:
    tags = [{"key": "zone", "value": "b"}, {"key": "env", "value": "test"}]
    body = wanted(tags=tags, terminationProtectionEnabled=True)
    await client.post(instances_of(atlas), json=body)

    read = (await client.get(f"{instances_of(atlas)}/orders")).json()

    assert (read["tags"], read["terminationProtectionEnabled"]) == (tags, True)


async def test_a_name_that_is_taken_is_refused(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    answer = await client.post(instances_of(atlas), json=wanted(name=orders.name))

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": "A cluster or serverless instance named orders is already present in group "
            "65a000000000000000000002.",
            "error": 400,
            "errorCode": "DUPLICATE_CLUSTER_NAME",
            "parameters": ["cluster or serverless instance", "orders", GROUP],
            "reason": "Bad Request",
        },
    )


async def test_of_two_requests_at_once_for_one_name_one_is_refused(
    world: World, key: NewApiKey, atlas: str
) -> None:
    answers = await asyncio.gather(
        *(world.client(key).post(instances_of(atlas), json=wanted()) for _ in range(2))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 400]


@pytest.mark.usefixtures("orders")
async def test_a_name_that_is_taken_queues_nothing(world: World, client: httpx.AsyncClient) -> None:
    await client.post(instances_of(V2), json=wanted())

    assert world.queued_jobs() == []


@pytest.mark.usefixtures("orders")
async def test_a_name_is_taken_in_its_own_project_only(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.post(instances_of(atlas, OTHER_GROUP), json=wanted())

    assert answer.status_code == 201


@pytest.mark.parametrize("name", ["a", "9", "a-", "A1-b2", "a" * 64])
async def test_letters_digits_and_hyphens_make_a_name(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post(instances_of(V1), json=wanted(name=name))

    assert answer.status_code == 201


@pytest.mark.parametrize("name", ["-a", "a_b", "a b", "a.b", "é", "a\n", "a/b", "a" * 65])
async def test_any_other_name_is_invalid(client: httpx.AsyncClient, atlas: str, name: str) -> None:
    answer = await client.post(instances_of(atlas), json=wanted(name=name))

    assert told(answer) == (400, "CLUSTER_NAME_INVALID", [name])


async def test_an_instance_without_mongod_to_run_it_is_refused(
    world: World, key: NewApiKey
) -> None:
    client = world.client(key, app=world.app(services=world.services(mongod=None)))

    answer = await client.post(instances_of(V1), json=wanted())

    assert told(answer) == (
        403,
        "FEATURE_UNSUPPORTED",
        ["no mongod is installed here to run an instance with (pip install 'telamon[local]')"],
    )


# Show and list


async def test_an_idle_instance_is_this_to_its_owner(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    _, password = world.passwords(orders.id)

    read = (await client.get(f"{instances_of(V1)}/orders")).json()

    here = f"http://telamon.test/api/atlas/v1.0/groups/{GROUP}/serverless/orders"
    assert read == {
        "connectionStrings": {
            "standardSrv": f"mongodb://owner:{password}@127.0.0.1:27101/"
            "?authSource=admin&replicaSet=telamon"
        },
        "createDate": "2026-03-01T12:00:00Z",
        "groupId": GROUP,
        "id": INSTANCE_ID,
        "links": [
            {"href": here, "rel": "self"},
            {"href": f"{here}/backup/restoreJobs", "rel": "https://cloud.mongodb.com/restoreJobs"},
            {"href": f"{here}/backup/snapshots", "rel": "https://cloud.mongodb.com/snapshots"},
        ],
        "mongoDBVersion": "6.0.5",
        "name": "orders",
        "providerSettings": {
            "backingProviderName": "AWS",
            "providerName": "SERVERLESS",
            "regionName": "US_EAST_1",
        },
        "serverlessBackupOptions": {"serverlessContinuousBackupEnabled": False},
        "stateName": "IDLE",
        "tags": [],
        "terminationProtectionEnabled": False,
    }


async def test_the_list_shows_an_instance_as_it_is_shown_alone(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    alone = (await client.get(f"{instances_of(atlas)}/{orders.name}")).json()
    listed = (await client.get(instances_of(atlas))).json()["results"]

    assert listed == [alone]


async def test_instances_are_listed_by_name(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    world.add_instance("archive", instance_id=OTHER_INSTANCE_ID)

    body = (await client.get(f"{instances_of(atlas)}?itemsPerPage=1")).json()

    assert ([each["name"] for each in body["results"]], body["totalCount"]) == (["archive"], 2)
    assert orders.name > "archive"


@pytest.mark.usefixtures("orders")
async def test_a_project_lists_its_own_instances_only(
    client: httpx.AsyncClient, atlas: str
) -> None:
    body = (await client.get(instances_of(atlas, OTHER_GROUP))).json()

    assert (body["results"], body["totalCount"]) == ([], 0)


async def test_an_instance_that_is_being_repaired_says_so(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    world.set_state(orders.id, InstanceState.REPAIRING)

    read = (await client.get(f"{instances_of(atlas)}/orders")).json()
    assert read["stateName"] == "REPAIRING"


@pytest.mark.usefixtures("orders")
async def test_an_unknown_instance_is_404(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{instances_of(atlas)}/nobody")

    assert told(answer) == (404, "SERVERLESS_INSTANCE_NOT_FOUND", ["nobody", GROUP])


@pytest.mark.usefixtures("orders")
async def test_names_are_compared_letter_by_letter(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{instances_of(atlas)}/Orders")

    assert answer.status_code == 404
