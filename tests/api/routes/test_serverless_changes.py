"""Changes of serverless instances: what is kept, what the answer shows, what is refused."""

import httpx
import pytest

from telamon.model.instance import Instance, InstanceState
from tests.api.routes.kinds import DEDICATED, FLEX, add_dedicated, add_flex
from tests.api.routes.world import GROUP, V1, World

TAGS = [{"key": "env", "value": "e2e"}, {"key": "area", "value": "b"}]


def orders_at(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/serverless/orders"


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.mark.usefixtures("orders")
async def test_the_answer_is_the_changed_instance_which_is_updating(
    client: httpx.AsyncClient, atlas: str
) -> None:
    before = (await client.get(orders_at(atlas))).json()

    answer = await client.patch(orders_at(atlas), json={"tags": TAGS})

    assert (answer.status_code, answer.json()) == (
        200,
        {**before, "stateName": "UPDATING", "tags": TAGS},
    )


@pytest.mark.usefixtures("orders")
async def test_who_reads_it_next_sees_it_changed_and_idle(
    client: httpx.AsyncClient, atlas: str
) -> None:
    changed = (await client.patch(orders_at(atlas), json={"tags": TAGS})).json()

    read = (await client.get(orders_at(atlas))).json()

    assert read == {**changed, "stateName": "IDLE"}


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (
            {"serverlessBackupOptions": {"serverlessContinuousBackupEnabled": True}},
            "serverlessBackupOptions",
            {"serverlessContinuousBackupEnabled": True},
        ),
        ({"terminationProtectionEnabled": True}, "terminationProtectionEnabled", True),
        ({"tags": TAGS}, "tags", TAGS),
    ],
    ids=["backup", "protection", "tags"],
)
@pytest.mark.usefixtures("orders")
async def test_what_is_sent_is_kept_and_the_rest_stays(
    client: httpx.AsyncClient, change: dict[str, object], field: str, value: object
) -> None:
    before = (await client.get(orders_at(V1))).json()

    await client.patch(orders_at(V1), json=change)

    assert (await client.get(orders_at(V1))).json() == {**before, field: value}


@pytest.mark.usefixtures("orders")
async def test_what_was_set_can_be_taken_back(client: httpx.AsyncClient) -> None:
    before = (await client.get(orders_at(V1))).json()
    on = {"serverlessContinuousBackupEnabled": True}
    off = {"serverlessContinuousBackupEnabled": False}
    await client.patch(
        orders_at(V1),
        json={
            "serverlessBackupOptions": on,
            "tags": TAGS,
            "terminationProtectionEnabled": True,
        },
    )

    await client.patch(
        orders_at(V1),
        json={
            "serverlessBackupOptions": off,
            "tags": [],
            "terminationProtectionEnabled": False,
        },
    )

    assert (await client.get(orders_at(V1))).json() == before


@pytest.mark.usefixtures("orders")
async def test_protection_that_is_switched_on_protects(client: httpx.AsyncClient) -> None:
    await client.patch(orders_at(V1), json={"terminationProtectionEnabled": True})

    answer = await client.delete(orders_at(V1))

    assert told(answer)[:2] == (
        400,
        "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED",
    )


@pytest.mark.usefixtures("orders")
async def test_a_whole_instance_can_be_sent_back(client: httpx.AsyncClient, atlas: str) -> None:
    before = (await client.get(orders_at(atlas))).json()

    await client.patch(orders_at(atlas), json=before)

    assert (await client.get(orders_at(atlas))).json() == before


async def test_an_instance_that_is_being_made_goes_on_being_made(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_instance(state=InstanceState.CREATING)

    answer = await client.patch(orders_at(atlas), json={"tags": TAGS})

    assert (answer.json()["stateName"], answer.json()["tags"]) == ("CREATING", TAGS)


async def test_an_instance_that_is_being_deleted_is_not_changed(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    world.set_state(orders.id, InstanceState.DELETING)

    answer = await client.patch(orders_at(atlas), json={"tags": TAGS})

    assert (answer.json()["detail"], *told(answer)) == (
        "Reason: This cluster is currently being deleted, cannot update.",
        400,
        "ATLAS_GENERAL_ERROR",
        ["This cluster is currently being deleted, cannot update"],
    )


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ({"colour": "blue"}, ["colour"]),
        ({"tags": [{"key": "env"}]}, ["tags[0].value"]),
        ({"tags": [{"key": "", "value": "x"}]}, ["tags[0].key"]),
        (
            {"serverlessBackupOptions": {"everyHour": True}},
            ["serverlessBackupOptions.everyHour"],
        ),
        ({"terminationProtectionEnabled": "no"}, ["terminationProtectionEnabled"]),
    ],
)
@pytest.mark.usefixtures("orders")
async def test_a_body_that_cannot_be_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, body: dict[str, object], parameters: list[str]
) -> None:
    before = (await client.get(orders_at(V1))).json()

    answer = await client.patch(orders_at(V1), json={**body})

    assert (answer.status_code, answer.json()["parameters"]) == (400, parameters)
    assert (await client.get(orders_at(V1))).json() == before


@pytest.mark.usefixtures("orders")
async def test_an_unknown_instance_is_404_before_its_body_is_read(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.patch(f"{atlas}/groups/{GROUP}/serverless/nobody", content=b"{")

    assert told(answer) == (404, "SERVERLESS_INSTANCE_NOT_FOUND", ["nobody", GROUP])


async def test_continuous_backup_that_is_asked_for_at_the_start_is_kept(
    client: httpx.AsyncClient, atlas: str
) -> None:
    body = {
        "name": "orders",
        "providerSettings": {"backingProviderName": "AWS", "regionName": "US_EAST_1"},
        "serverlessBackupOptions": {"serverlessContinuousBackupEnabled": True},
    }

    await client.post(f"{atlas}/groups/{GROUP}/serverless", json=body)

    read = (await client.get(orders_at(atlas))).json()
    assert read["serverlessBackupOptions"] == {"serverlessContinuousBackupEnabled": True}


# Clusters of other kinds


@pytest.mark.parametrize("name", [FLEX, DEDICATED])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/backup/snapshots"),
        ("GET", "/backup/snapshots/65f0000000000000000000aa"),
        ("GET", "/backup/restoreJobs"),
        ("POST", "/backup/restoreJobs"),
        ("GET", "/backup/restoreJobs/65f0000000000000000000aa"),
    ],
)
async def test_a_cluster_of_another_kind_is_sent_to_its_own_paths(
    *, world: World, client: httpx.AsyncClient, atlas: str, name: str, method: str, path: str
) -> None:
    add_flex(world)
    add_dedicated(world)

    answer = await client.request(method, f"{atlas}/groups/{GROUP}/serverless/{name}{path}")

    assert told(answer) == (400, "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API", [name])


@pytest.mark.usefixtures("orders")
async def test_the_list_has_serverless_instances_only(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    add_flex(world)
    add_dedicated(world)

    listed = (await client.get(f"{atlas}/groups/{GROUP}/serverless")).json()

    assert ([each["name"] for each in listed["results"]], listed["totalCount"]) == (["orders"], 1)
