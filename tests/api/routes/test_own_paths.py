"""Telamon's own paths: attaching a deployment, and a snapshot on demand."""

from urllib.parse import quote_plus

import httpx
import pytest
from structlog.testing import capture_logs

from telamon.model.instance import Instance, InstanceState
from tests.api.routes.world import GROUP, OWN, V1, World
from tests.conftest import PASSWORDS, Mongod

ATTACH = f"{OWN}/groups/{GROUP}/instances"
TAKE = f"{ATTACH}/orders/snapshots"


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


# Attach


@pytest.mark.mongod
async def test_a_running_deployment_is_attached(client: httpx.AsyncClient, source: Mongod) -> None:
    answer = await client.post(ATTACH, json={"name": "mine", "uri": source.uri})

    version = source.client.server_info()["version"]
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "address": f"mongodb://127.0.0.1:{source.port}/",
            "id": "69a42a400000000000000002",
            "kind": "serverless",
            "managed": False,
            "mongoDBVersion": version,
            "name": "mine",
            "stateName": "IDLE",
        },
    )


@pytest.mark.mongod
async def test_an_attached_deployment_is_shown_without_its_credentials(
    client: httpx.AsyncClient, source: Mongod, atlas: str
) -> None:
    await client.post(ATTACH, json={"name": "mine", "uri": source.uri})

    shown = (await client.get(f"{atlas}/groups/{GROUP}/serverless/mine")).json()

    assert (shown["stateName"], shown["connectionStrings"]) == (
        "IDLE",
        {"standardSrv": f"mongodb://127.0.0.1:{source.port}/"},
    )


@pytest.mark.mongod
async def test_the_password_of_an_attached_deployment_is_nowhere_to_be_found(
    world: World, client: httpx.AsyncClient, source: Mongod
) -> None:
    with capture_logs() as logs:
        answers = [
            await client.post(ATTACH, json={"name": "mine", "uri": source.uri}),
            await client.post(ATTACH, json={"name": "mine", "uri": source.uri}),
            await client.get(f"{V1}/groups/{GROUP}/serverless/mine"),
            await client.get(f"{V1}/groups/{GROUP}/serverless"),
            await client.post(f"{ATTACH}/mine/snapshots"),
            await client.delete(f"{V1}/groups/{GROUP}/serverless/mine"),
        ]

    seen = repr(logs).encode() + b"".join(answer.content for answer in answers)
    spellings = (PASSWORDS.telamon, quote_plus(PASSWORDS.telamon), "a%20very%20secret%20word")
    everywhere = seen + world.bytes_on_disk()
    assert [text for text in spellings if text.encode() in everywhere] == []


@pytest.mark.mongod
async def test_an_attached_deployment_has_no_job_to_be_made(
    world: World, client: httpx.AsyncClient, source: Mongod
) -> None:
    await client.post(ATTACH, json={"name": "mine", "uri": source.uri})

    assert world.queued_jobs() == []


@pytest.mark.mongod
async def test_a_name_that_is_taken_is_not_attached(
    client: httpx.AsyncClient, orders: Instance, source: Mongod
) -> None:
    answer = await client.post(ATTACH, json={"name": orders.name, "uri": source.uri})

    assert told(answer) == (
        400,
        "DUPLICATE_CLUSTER_NAME",
        ["cluster or serverless instance", "orders", GROUP],
    )


@pytest.mark.mongod
async def test_a_deployment_that_refuses_the_password_is_refused_for_that_reason(
    client: httpx.AsyncClient, source: Mongod
) -> None:
    uri = f"mongodb://telamon:not-the-password@127.0.0.1:{source.port}/?authSource=admin"

    answer = await client.post(ATTACH, json={"name": "mine", "uri": uri})

    assert (*told(answer)[:2], answer.json()["detail"]) == (
        400,
        "DEPLOYMENT_REFUSED",
        "The deployment cannot be protected: The deployment refused: Authentication failed. "
        "(code 18)",
    )


@pytest.mark.mongod
async def test_a_refused_password_is_not_echoed(client: httpx.AsyncClient, source: Mongod) -> None:
    uri = f"mongodb://telamon:not-the-password@127.0.0.1:{source.port}/?authSource=admin"

    answer = await client.post(ATTACH, json={"name": "mine", "uri": uri})

    assert "not-the-password" not in answer.text


@pytest.mark.mongod
async def test_a_refused_deployment_is_not_listed(
    client: httpx.AsyncClient, source: Mongod
) -> None:
    uri = f"mongodb://telamon:not-the-password@127.0.0.1:{source.port}/?authSource=admin"
    await client.post(ATTACH, json={"name": "mine", "uri": uri})

    listed = await client.get(f"{V1}/groups/{GROUP}/serverless")

    assert listed.json()["totalCount"] == 0


@pytest.mark.parametrize(
    "uri",
    [
        "http://u:s3cret@127.0.0.1/",
        "mongodb://u:s3cret@",
        "mongodb://u:s3cret@[::1",
        "mongodb://u:s3cret@127.0.0.1:99999999/",
        "mongodb://u:s3:cret@127.0.0.1/",
        "mongodb://u:s3%cret@127.0.0.1/",
        "mongodb://u:p@127.0.0.1/?s3cret",
    ],
)
async def test_what_is_no_uri_is_refused_and_not_echoed(
    client: httpx.AsyncClient, uri: str
) -> None:
    answer = await client.post(ATTACH, json={"name": "mine", "uri": uri})

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": "The deployment cannot be protected: its URI is not a valid MongoDB "
            "connection string.",
            "error": 400,
            "errorCode": "DEPLOYMENT_REFUSED",
            "parameters": ["its URI is not a valid MongoDB connection string."],
            "reason": "Bad Request",
        },
    )


@pytest.mark.parametrize(
    ("body", "code", "name"),
    [
        ({"uri": "x"}, "MISSING_ATTRIBUTE", "name"),
        ({"name": "mine"}, "MISSING_ATTRIBUTE", "uri"),
        ({"name": "", "uri": "x"}, "INVALID_ATTRIBUTE", "name"),
        ({"name": "mine", "uri": ""}, "INVALID_ATTRIBUTE", "uri"),
        ({"name": "mine", "uri": "x" * 4_097}, "INVALID_ATTRIBUTE", "uri"),
        ({"name": "mine", "uri": 1}, "INVALID_ATTRIBUTE", "uri"),
        ({"name": "mine", "uri": "x", "colour": 1}, "INVALID_ATTRIBUTE", "colour"),
        ({"name": "a_b", "uri": "x"}, "CLUSTER_NAME_INVALID", "a_b"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, object], code: str, name: str
) -> None:
    answer = await client.post(ATTACH, json=body)

    assert told(answer) == (400, code, [name])


# Take a snapshot


@pytest.mark.usefixtures("orders")
async def test_a_snapshot_is_queued_and_kept_35_days_if_nothing_else_is_said(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post(TAKE)

    assert (answer.status_code, answer.content) == (
        201,
        b'{"documents":0,"expectedBytes":0,"expiresAt":"2026-04-05T12:00:00Z","id":"69a42a400000000000000002",'
        b'"instanceName":"orders","namespaces":0,"namespacesTotal":0,"newBytes":0,"requestedAt":"2026-03-01T12:00:00Z",'
        b'"sizeBytes":0,"snapshotType":"onDemand","status":"queued"}',
    )


async def test_a_snapshot_waits_behind_the_lock_of_its_instance(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    taken = (await client.post(TAKE, json={})).json()["id"]

    assert world.queued_jobs() == [
        (f"take_snapshot:{taken}", "take_snapshot", "ENQUEUED", "telamon", orders.id)
    ]


@pytest.mark.usefixtures("orders")
async def test_a_queued_snapshot_is_listed_at_once(client: httpx.AsyncClient, atlas: str) -> None:
    taken = (await client.post(TAKE)).json()["id"]

    listed = await client.get(f"{atlas}/groups/{GROUP}/serverless/orders/backup/snapshots")

    assert [(each["id"], each["status"]) for each in listed.json()["results"]] == [
        (taken, "queued")
    ]


@pytest.mark.parametrize(
    ("days", "expires_at"),
    [(1, "2026-03-02T12:00:00Z"), (365, "2027-03-01T12:00:00Z"), (3650, "2036-02-27T12:00:00Z")],
)
@pytest.mark.usefixtures("orders")
async def test_a_snapshot_is_kept_as_long_as_asked(
    client: httpx.AsyncClient, days: int, expires_at: str
) -> None:
    taken = await client.post(TAKE, json={"retentionInDays": days})

    assert taken.json()["expiresAt"] == expires_at


@pytest.mark.parametrize("days", [0, -1, 3651, 10**30, 1.5, "7", True, []])
@pytest.mark.usefixtures("orders")
async def test_any_other_time_is_refused(client: httpx.AsyncClient, days: object) -> None:
    answer = await client.post(TAKE, json={"retentionInDays": days})

    assert told(answer) == (400, "INVALID_ATTRIBUTE", ["retentionInDays"])


@pytest.mark.usefixtures("orders")
async def test_an_unknown_field_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(TAKE, json={"description": "mine"})

    assert told(answer) == (400, "INVALID_ATTRIBUTE", ["description"])


@pytest.mark.usefixtures("orders")
async def test_a_malformed_body_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(TAKE, content=b"{")

    assert told(answer) == (400, "MALFORMED_JSON", [])


async def test_a_snapshot_of_an_unknown_instance_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.post(TAKE)

    assert told(answer) == (404, "SERVERLESS_INSTANCE_NOT_FOUND", ["orders", GROUP])


async def test_a_snapshot_of_an_instance_that_is_being_deleted_is_409(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    world.set_state(orders.id, InstanceState.DELETING)

    answer = await client.post(TAKE)

    assert told(answer) == (
        409,
        "SNAPSHOT_INITIATION_FAILED",
        ["the instance orders is being deleted"],
    )


async def test_a_refused_snapshot_queues_nothing(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    world.set_state(orders.id, InstanceState.DELETING)

    await client.post(TAKE)

    assert world.queued_jobs() == []
