"""Flex clusters: made, listed, shown, changed, taken away. On v2 only."""

import httpx
import pytest

from telamon.model.instance import InstanceState
from tests.api.routes.kinds import (
    DEDICATED,
    FLEX,
    FLEX_ID,
    FLEX_TYPE,
    add_dedicated,
    add_flex,
)
from tests.api.routes.world import GROUP, V1, V2, World

CLUSTERS = f"{V2}/groups/{GROUP}/flexClusters"
PLIANT = f"{CLUSTERS}/{FLEX}"
TAGS = [{"key": "e2e_test", "value": "yes"}]


def wanted(**changes: object) -> dict[str, object]:
    settings = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
    return {"name": "fresh", "providerSettings": settings, **changes}


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def flex(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The owner, asking for the version that has flex clusters."""
    client.headers["Accept"] = FLEX_TYPE
    return client


async def test_a_new_cluster_is_this_to_the_byte(flex: httpx.AsyncClient) -> None:
    answer = await flex.post(CLUSTERS, json=wanted())

    assert (answer.status_code, answer.text) == (
        201,
        '{"backupSettings":{"enabled":true},"clusterType":"REPLICASET","connectionStrings":{},'
        '"createDate":"2026-03-01T12:00:00Z","groupId":"65a000000000000000000002",'
        '"id":"69a42a400000000000000002","name":"fresh","providerSettings":'
        '{"backingProviderName":"AWS","providerName":"FLEX","regionName":"US_EAST_1"},'
        '"stateName":"CREATING","terminationProtectionEnabled":false,'
        '"versionReleaseSystem":"LTS"}',
    )


async def test_tags_are_in_the_first_answer_if_there_are_some(flex: httpx.AsyncClient) -> None:
    answer = await flex.post(CLUSTERS, json=wanted(tags=TAGS))

    assert answer.json()["tags"] == TAGS


async def test_whoever_reads_it_next_is_shown_tags_even_if_there_are_none(
    flex: httpx.AsyncClient,
) -> None:
    made = (await flex.post(CLUSTERS, json=wanted())).json()

    assert (await flex.get(f"{CLUSTERS}/fresh")).json() == {**made, "tags": []}


async def test_a_new_cluster_is_made_by_the_job_that_makes_instances(
    world: World, flex: httpx.AsyncClient
) -> None:
    made = (await flex.post(CLUSTERS, json=wanted())).json()["id"]

    assert world.queued_jobs() == [
        (f"create_instance:{made}", "create_instance", "ENQUEUED", "telamon", made)
    ]


async def test_a_cluster_can_be_used_with_either_connection_string(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_flex(world)
    _, password = world.passwords(FLEX_ID)

    read = (await flex.get(PLIANT)).json()

    address = f"mongodb://owner:{password}@127.0.0.1:27102/?authSource=admin&replicaSet=telamon"
    assert (read["stateName"], read["connectionStrings"]) == (
        "IDLE",
        {"standard": address, "standardSrv": address},
    )


@pytest.mark.usefixtures("orders")
async def test_the_list_has_flex_clusters_only_by_name(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_dedicated(world)
    add_flex(world)
    add_flex(world, "elastic", instance_id="65a0000000000000000000a6")

    listed = (await flex.get(CLUSTERS)).json()

    alone = [(await flex.get(f"{CLUSTERS}/{name}")).json() for name in ("elastic", FLEX)]
    assert (listed["results"], listed["totalCount"]) == (alone, 2)


async def test_a_name_is_taken_whatever_it_is_the_name_of(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_dedicated(world)

    answer = await flex.post(CLUSTERS, json=wanted(name=DEDICATED))

    assert told(answer) == (
        400,
        "DUPLICATE_CLUSTER_NAME",
        ["cluster or serverless instance", DEDICATED, GROUP],
    )


@pytest.mark.parametrize(
    ("body", "code", "parameters"),
    [
        ({}, "MISSING_ATTRIBUTE", ["name"]),
        ({"name": "fresh"}, "MISSING_ATTRIBUTE", ["providerSettings"]),
        (wanted(name="a_b"), "CLUSTER_NAME_INVALID", ["a_b"]),
        (wanted(colour="blue"), "INVALID_ATTRIBUTE", ["colour"]),
        (
            wanted(providerSettings={"backingProviderName": "IBM", "regionName": "X"}),
            "INVALID_ENUM_VALUE",
            ["IBM"],
        ),
    ],
)
async def test_a_body_that_cannot_be_is_refused(
    flex: httpx.AsyncClient, body: dict[str, object], code: str, parameters: list[str]
) -> None:
    answer = await flex.post(CLUSTERS, json=body)

    assert told(answer) == (400, code, parameters)


async def test_a_change_is_answered_as_updating_and_is_done(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_flex(world)
    before = (await flex.get(PLIANT)).json()
    change = {"tags": TAGS, "terminationProtectionEnabled": True}

    answer = await flex.patch(PLIANT, json=change)

    assert (answer.status_code, answer.json()) == (
        200,
        {**before, **change, "stateName": "UPDATING"},
    )
    assert (await flex.get(PLIANT)).json() == {**before, **change}


async def test_a_whole_cluster_can_be_sent_back(world: World, flex: httpx.AsyncClient) -> None:
    add_flex(world)
    before = (await flex.get(PLIANT)).json()

    assert (await flex.patch(PLIANT, json=before)).status_code == 200
    assert (await flex.get(PLIANT)).json() == before


async def test_deleting_answers_nothing_but_its_version(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_flex(world)

    answer = await flex.delete(PLIANT)

    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (
        204,
        b"",
        "application/vnd.atlas.2024-11-13+json;charset=utf-8",
    )


async def test_a_deleted_cluster_is_shown_once_as_deleting_then_unknown(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_flex(world)
    await flex.delete(PLIANT)
    world.set_deleted(FLEX_ID)

    first, second = await flex.get(PLIANT), await flex.get(PLIANT)

    assert first.json()["stateName"] == "DELETING"
    assert told(second) == (404, "CLUSTER_NOT_FOUND", [FLEX, GROUP])


async def test_deleting_queues_the_job_that_takes_instances_away(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_flex(world)

    await flex.delete(PLIANT)

    assert [job[0] for job in world.queued_jobs()] == [f"delete_instance:{FLEX_ID}"]


async def test_a_protected_cluster_is_not_deleted(world: World, flex: httpx.AsyncClient) -> None:
    add_flex(world)
    await flex.patch(PLIANT, json={"terminationProtectionEnabled": True})

    answer = await flex.delete(PLIANT)

    assert told(answer)[1] == "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED"
    assert world.queued_jobs() == []


async def test_a_cluster_that_is_being_deleted_is_not_changed(
    world: World, flex: httpx.AsyncClient
) -> None:
    add_flex(world)
    world.set_state(FLEX_ID, InstanceState.DELETING)

    answer = await flex.patch(PLIANT, json={"tags": TAGS})

    assert told(answer)[1] == "ATLAS_GENERAL_ERROR"


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_cluster_is_404(flex: httpx.AsyncClient, method: str) -> None:
    answer = await flex.request(method, f"{CLUSTERS}/nobody")

    assert (*told(answer), answer.json()["detail"]) == (
        404,
        "CLUSTER_NOT_FOUND",
        ["nobody", GROUP],
        f"No cluster named nobody exists in group {GROUP}.",
    )


@pytest.mark.parametrize("name", ["orders", DEDICATED])
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
        ("POST", "/backup/download"),
    ],
)
@pytest.mark.usefixtures("orders")
async def test_an_instance_of_another_kind_is_sent_to_its_own_paths(
    world: World, flex: httpx.AsyncClient, name: str, method: str, path: str
) -> None:
    add_dedicated(world)

    answer = await flex.request(method, f"{CLUSTERS}/{name}{path}")

    assert (*told(answer), answer.json()["detail"]) == (
        400,
        "CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API",
        [name],
        f"Cannot use non-flex cluster {name} in the flex API.",
    )


async def test_a_version_from_before_there_were_flex_clusters_has_none(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get(CLUSTERS)  # asks for 2023-01-01

    assert told(answer) == (406, "INVALID_VERSION_DATE", [])


async def test_v1_has_no_flex_clusters(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V1}/groups/{GROUP}/flexClusters")

    assert told(answer)[:2] == (404, "RESOURCE_NOT_FOUND")
