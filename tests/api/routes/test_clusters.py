"""Dedicated clusters: attached, listed, shown, taken away."""

import httpx
import pytest

from tests.api.routes.kinds import (
    DEDICATED,
    DEDICATED_ID,
    FLEX,
    add_dedicated,
    add_flex,
)
from tests.api.routes.world import GROUP, INSTANCE_ID, OWN, V2, World
from tests.conftest import Mongod

ATTACH = f"{OWN}/groups/{GROUP}/instances"


def clusters_at(prefix: str) -> str:
    return f"{prefix}/groups/{GROUP}/clusters"


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


async def test_a_cluster_shows_what_is_known_of_it(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    add_dedicated(world)

    answer = await client.get(f"{clusters_at(atlas)}/{DEDICATED}")

    here = f"http://telamon.test{clusters_at(atlas)}/{DEDICATED}"
    assert (answer.status_code, answer.text) == (
        200,
        '{"backupEnabled":true,"clusterType":"REPLICASET","connectionStrings":'
        '{"standard":"mongodb://192.0.2.1/","standardSrv":"mongodb://192.0.2.1/"},'
        f'"createDate":"2026-03-01T12:00:00Z","groupId":"{GROUP}","id":"{DEDICATED_ID}",'
        f'"links":[{{"href":"{here}","rel":"self"}},'
        f'{{"href":"{here}/backup/restoreJobs","rel":"https://cloud.mongodb.com/restoreJobs"}},'
        f'{{"href":"{here}/backup/snapshots","rel":"https://cloud.mongodb.com/snapshots"}}],'
        f'"mongoDBMajorVersion":"6.0","mongoDBVersion":"6.0.5","name":"{DEDICATED}",'
        '"paused":false,"pitEnabled":false,"stateName":"IDLE","tags":[],'
        '"terminationProtectionEnabled":false}',
    )


@pytest.mark.usefixtures("orders")
async def test_the_list_has_dedicated_clusters_only(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    add_dedicated(world)
    add_flex(world)

    listed = (await client.get(clusters_at(atlas))).json()

    alone = (await client.get(f"{clusters_at(atlas)}/{DEDICATED}")).json()
    assert (listed["results"], listed["totalCount"]) == ([alone], 1)


async def test_a_deleted_cluster_is_shown_once_as_deleting_then_unknown(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    add_dedicated(world)

    answer = await client.delete(f"{clusters_at(atlas)}/{DEDICATED}")
    world.set_deleted(DEDICATED_ID)
    first, second = [await client.get(f"{clusters_at(atlas)}/{DEDICATED}") for _ in range(2)]

    assert (answer.status_code, answer.json()) == (202, {})
    assert first.json()["stateName"] == "DELETING"
    assert told(second) == (404, "CLUSTER_NOT_FOUND", [DEDICATED, GROUP])


async def test_a_cluster_is_not_deleted_twice(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    add_dedicated(world)
    await client.delete(f"{clusters_at(atlas)}/{DEDICATED}")

    answer = await client.delete(f"{clusters_at(atlas)}/{DEDICATED}")

    assert told(answer) == (400, "CLUSTER_ALREADY_REQUESTED_DELETION", [DEDICATED])


@pytest.mark.parametrize(
    ("name", "code", "detail"),
    [
        (
            FLEX,
            "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API",
            f"Flex cluster {FLEX} cannot be used in the Cluster API.",
        ),
        (
            "orders",
            "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API",
            "Serverless instance orders cannot be used in the Cluster API.",
        ),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/backup/snapshots"),
        ("POST", "/backup/snapshots"),
        ("GET", "/backup/snapshots/65f0000000000000000000aa"),
        ("PATCH", "/backup/snapshots/65f0000000000000000000aa"),
        ("DELETE", "/backup/snapshots/65f0000000000000000000aa"),
        ("GET", "/backup/restoreJobs"),
        ("POST", "/backup/restoreJobs"),
        ("GET", "/backup/restoreJobs/65f0000000000000000000aa"),
        ("DELETE", "/backup/restoreJobs/65f0000000000000000000aa"),
        ("GET", "/backup/schedule"),
        ("PATCH", "/backup/schedule"),
        ("DELETE", "/backup/schedule"),
    ],
)
@pytest.mark.usefixtures("orders")
async def test_an_instance_of_another_kind_is_sent_to_its_own_paths(
    *,
    world: World,
    client: httpx.AsyncClient,
    atlas: str,
    name: str,
    code: str,
    detail: str,
    method: str,
    path: str,
) -> None:
    add_flex(world)

    answer = await client.request(method, f"{clusters_at(atlas)}/{name}{path}")

    assert (*told(answer), answer.json()["detail"]) == (400, code, [name], detail)


@pytest.mark.parametrize("date", ["2023-02-01", "2024-08-05", "2025-03-12"])
async def test_every_version_of_atlas_is_answered(
    world: World, client: httpx.AsyncClient, date: str
) -> None:
    add_dedicated(world)
    accept = {"Accept": f"application/vnd.atlas.{date}+json"}

    answer = await client.get(f"{clusters_at(V2)}/{DEDICATED}", headers=accept)

    own = min(date, "2024-08-05")
    assert answer.headers["Content-Type"] == f"application/vnd.atlas.{own}+json;charset=utf-8"


# Attached


@pytest.mark.mongod
@pytest.mark.parametrize(
    ("kind", "path"),
    [("serverless", "serverless"), ("flex", "flexClusters"), ("dedicated", "clusters")],
)
async def test_a_deployment_is_attached_as_the_kind_that_is_asked_for(
    client: httpx.AsyncClient, source: Mongod, kind: str, path: str
) -> None:
    client.headers["Accept"] = "application/vnd.atlas.2025-03-12+json"

    attached = (
        await client.post(ATTACH, json={"name": "mine", "uri": source.uri, "kind": kind})
    ).json()

    shown = (await client.get(f"{V2}/groups/{GROUP}/{path}/mine")).json()
    assert (attached["kind"], shown["id"], shown["stateName"]) == (kind, attached["id"], "IDLE")
    assert shown["connectionStrings"]["standardSrv"] == f"mongodb://127.0.0.1:{source.port}/"


@pytest.mark.mongod
async def test_a_dedicated_cluster_has_a_schedule_from_the_start_which_asks_for_nothing(
    client: httpx.AsyncClient, source: Mongod
) -> None:
    body = {"name": "mine", "uri": source.uri, "kind": "dedicated"}
    await client.post(ATTACH, json=body)

    schedule = (await client.get(f"{clusters_at(V2)}/mine/backup/schedule")).json()

    assert [policy["policyItems"] for policy in schedule["policies"]] == [[]]


async def test_a_kind_that_is_none_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(ATTACH, json={"name": "a", "uri": "mongodb://x", "kind": "sharded"})

    assert told(answer) == (400, "INVALID_ENUM_VALUE", ["sharded"])


@pytest.mark.usefixtures("orders")
async def test_telamons_own_list_has_instances_of_every_kind(
    world: World, client: httpx.AsyncClient
) -> None:
    add_flex(world)
    add_dedicated(world)

    listed = (await client.get(ATTACH)).json()

    assert [(each["name"], each["kind"]) for each in listed["results"]] == [
        (DEDICATED, "dedicated"),
        ("orders", "serverless"),
        (FLEX, "flex"),
    ]
    assert (listed["totalCount"], listed["results"][1]["id"]) == (3, INSTANCE_ID)
