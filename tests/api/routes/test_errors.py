"""Errors: their bodies, headers and envelopes; unknown paths and methods; defects."""

import re

import httpx
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from telamon.api.asgi import ROUTES
from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.world import GROUP, OWN, SNAPSHOT_ID, V1, V2, World

ALL_PREFIXES = pytest.mark.parametrize("prefix", [V1, V2, OWN])
UNKNOWN_INSTANCE = f"/groups/{GROUP}/serverless/nobody"


# Headers and bodies


async def test_the_headers_of_an_error_of_v1_are_these(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V1}{UNKNOWN_INSTANCE}")

    assert answer.headers.raw == [
        (b"Vary", b"Accept-Encoding"),
        (b"Content-Type", b"application/json"),
        (b"Strict-Transport-Security", b"max-age=300"),
        (b"Connection", b"keep-alive"),
        (b"X-Error-Code", b"SERVERLESS_INSTANCE_NOT_FOUND"),
        (b"Content-Length", b"218"),
    ]


async def test_the_headers_of_an_error_of_v2_are_these(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V2}{UNKNOWN_INSTANCE}")

    assert answer.headers.raw == [
        (b"Content-Type", b"application/json"),
        (b"Server", b"mdbws"),
        (b"Strict-Transport-Security", b"max-age=31536000; includeSubdomains;"),
        (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"X-Frame-Options", b"DENY"),
        (b"X-Permitted-Cross-Domain-Policies", b"none"),
        (b"X-Error-Code", b"SERVERLESS_INSTANCE_NOT_FOUND"),
        (b"Content-Length", b"218"),
    ]


async def test_a_success_has_no_error_code(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless")

    assert "X-Error-Code" not in answer.headers


async def test_an_error_is_pretty_when_asked_for(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}{UNKNOWN_INSTANCE}?pretty=TRUE")

    assert answer.text == (
        "{\n"
        '  "detail" : "No serverless instance named nobody exists in group '
        '65a000000000000000000002.",\n'
        '  "error" : 404,\n'
        '  "errorCode" : "SERVERLESS_INSTANCE_NOT_FOUND",\n'
        '  "parameters" : [ "nobody", "65a000000000000000000002" ],\n'
        '  "reason" : "Not Found"\n'
        "}"
    )


# Envelopes


async def test_an_error_in_an_envelope_is_http_200(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}{UNKNOWN_INSTANCE}?envelope=true")

    assert (answer.status_code, answer.content) == (
        200,
        b'{"content":{"detail":"No serverless instance named nobody exists in group '
        b'65a000000000000000000002.","error":404,"errorCode":"SERVERLESS_INSTANCE_NOT_FOUND",'
        b'"parameters":["nobody","65a000000000000000000002"],"reason":"Not Found"},'
        b'"status":404}',
    )


async def test_an_error_in_an_envelope_keeps_its_error_code_header(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(f"{atlas}{UNKNOWN_INSTANCE}?envelope=true")

    assert answer.headers["X-Error-Code"] == "SERVERLESS_INSTANCE_NOT_FOUND"


async def test_a_refused_query_can_be_in_an_envelope(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless?pageNum=x&envelope=true")

    assert (answer.status_code, answer.json()["status"]) == (200, 400)


async def test_a_refused_accept_can_be_in_an_envelope(client: httpx.AsyncClient) -> None:
    path = f"{V2}/groups/{GROUP}/serverless?envelope=true"

    answer = await client.get(path, headers={"Accept": "*/*"})

    assert (answer.status_code, answer.json()["status"]) == (200, 406)


async def test_a_single_object_in_an_envelope_stands_beside_its_status(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    path = f"{atlas}/groups/{GROUP}/serverless/{orders.name}"
    plain = await client.get(path)

    answer = await client.get(f"{path}?envelope=true")

    assert answer.content == b'{"content":' + plain.content + b',"status":200}'


async def test_what_was_made_in_an_envelope_tells_201_twice(
    client: httpx.AsyncClient, atlas: str
) -> None:
    settings = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
    body = {"name": "fresh", "providerSettings": settings}

    answer = await client.post(f"{atlas}/groups/{GROUP}/serverless?envelope=true", json=body)

    assert (answer.status_code, answer.json()["status"]) == (201, 201)


@pytest.mark.usefixtures("orders")
async def test_an_empty_object_can_be_in_an_envelope(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.delete(f"{atlas}/groups/{GROUP}/serverless/orders?envelope=true")

    assert (answer.status_code, answer.content) == (202, b'{"content":{},"status":202}')


# Unknown paths and methods


@pytest.mark.parametrize(
    "path",
    ["/", "/api/atlas", "/api/atlas/v1.0/nowhere", "/api/atlas/v1.0x/groups", "/metrics/more"],
)
async def test_an_unknown_path_is_404(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.json()) == (
        404,
        {
            "detail": f"Cannot find resource {path}.",
            "error": 404,
            "errorCode": "RESOURCE_NOT_FOUND",
            "parameters": [path],
            "reason": "Not Found",
        },
    )


async def test_an_unknown_path_is_pretty_and_in_an_envelope_when_asked_for(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(f"{atlas}/nothing?pretty=true&envelope=true")

    assert (answer.status_code, answer.text.splitlines()[:2]) == (200, ["{", '  "content" : {'])


@ALL_PREFIXES
async def test_an_unknown_path_does_not_ask_for_a_version(
    client: httpx.AsyncClient, prefix: str
) -> None:
    answer = await client.get(f"{prefix}/nothing", headers={"Accept": "*/*"})

    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "method", "allow"),
    [
        ("/serverless", "PUT", "GET,POST"),
        ("/serverless", "HEAD", "GET,POST"),
        ("/serverless", "OPTIONS", "GET,POST"),
        ("/serverless/orders", "POST", "DELETE,GET,PATCH"),
        ("/serverless/orders", "HEAD", "DELETE,GET,PATCH"),
        ("/serverless/orders/backup/restoreJobs", "DELETE", "GET,POST"),
        ("/serverless/orders/backup/restoreJobs", "HEAD", "GET,POST"),
        (f"/serverless/orders/backup/restoreJobs/{SNAPSHOT_ID}", "DELETE", "GET"),
        ("/serverless/orders/backup/snapshots", "POST", "GET"),
        (f"/serverless/orders/backup/snapshots/{SNAPSHOT_ID}", "PATCH", "GET"),
    ],
)
async def test_a_method_that_a_path_lacks_is_405_with_those_it_has(
    client: httpx.AsyncClient, atlas: str, path: str, method: str, allow: str
) -> None:
    answer = await client.request(method, f"{atlas}/groups/{GROUP}{path}")

    assert (answer.status_code, answer.headers["Allow"], answer.content) == (405, allow, b"")


async def test_the_headers_of_a_405_of_v2_are_these(client: httpx.AsyncClient) -> None:
    answer = await client.put(f"{V2}/groups/{GROUP}/serverless")

    assert answer.headers.raw == [
        (b"Allow", b"GET,POST"),
        (b"Server", b"mdbws"),
        (b"Strict-Transport-Security", b"max-age=31536000; includeSubdomains;"),
        (b"Referrer-Policy", b"strict-origin-when-cross-origin"),
        (b"X-Content-Type-Options", b"nosniff"),
        (b"X-Permitted-Cross-Domain-Policies", b"none"),
        (b"Content-Length", b"0"),
    ]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
async def test_no_route_answers_head(client: httpx.AsyncClient, route: object) -> None:
    path = re.sub(r"\{\w+\}", SNAPSHOT_ID, getattr(route, "path"))  # noqa: B009

    answer = await client.head(f"{getattr(route, 'surfaces')[0].value}{path}")  # noqa: B009

    assert answer.status_code == 405


# Defects and outages


def damage(world: World, statement: str) -> None:
    with world.db.engine.begin() as connection:
        connection.exec_driver_sql(statement)


@pytest.fixture
def defective(world: World, orders: Instance) -> Instance:
    """An instance in a state that no program writes, so that reading it raises ValueError."""
    damage(world, "UPDATE instance SET state = 'a secret of ours'")
    return orders


@pytest.mark.usefixtures("defective")
async def test_a_defect_is_500_and_tells_nothing_of_itself(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/orders")

    assert (answer.status_code, answer.content) == (
        500,
        b'{"detail":"Unexpected error.","error":500,"errorCode":"UNEXPECTED_ERROR",'
        b'"parameters":[],"reason":"Internal Server Error"}',
    )


@pytest.mark.usefixtures("defective")
async def test_a_defect_has_the_headers_of_an_error(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/orders")

    assert (answer.headers["Content-Type"], answer.headers["X-Error-Code"]) == (
        "application/json",
        "UNEXPECTED_ERROR",
    )


@pytest.mark.usefixtures("defective")
async def test_a_defect_can_be_in_an_envelope(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/orders?envelope=true")

    assert (answer.status_code, answer.json()["status"]) == (200, 500)


@pytest.mark.usefixtures("defective")
async def test_a_defect_does_not_outlive_its_request(client: httpx.AsyncClient, atlas: str) -> None:
    await client.get(f"{atlas}/groups/{GROUP}/serverless/orders")

    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/nobody")

    assert answer.status_code == 404


async def test_an_outage_of_the_database_is_503_and_json(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    add_restore_job(world, orders)
    damage(world, "ALTER TABLE restore_job RENAME TO away")

    path = f"{atlas}/groups/{GROUP}/serverless/{orders.name}/backup/restoreJobs"
    answer = await client.get(path)

    assert (answer.status_code, answer.json()["reason"]) == (503, "Service Unavailable")


@ALL_PREFIXES
async def test_an_outage_while_the_key_is_looked_up_is_503_and_json(
    world: World, client: httpx.AsyncClient, prefix: str
) -> None:
    damage(world, "ALTER TABLE api_key RENAME TO away")

    answer = await client.get(f"{prefix}/groups")

    assert (answer.status_code, answer.headers["Content-Type"], answer.json()["reason"]) == (
        503,
        "application/json",
        "Service Unavailable",
    )


@ALL_PREFIXES
async def test_a_defect_while_the_key_is_looked_up_is_500_and_json(
    world: World, client: httpx.AsyncClient, prefix: str
) -> None:
    damage(world, "UPDATE api_key_role SET role = 'a secret of ours'")

    answer = await client.get(f"{prefix}/groups")

    assert (answer.status_code, answer.json()["detail"]) == (500, "Unexpected error.")


async def test_an_outage_is_logged(world: World, client: httpx.AsyncClient) -> None:
    damage(world, "ALTER TABLE instance RENAME TO away")

    with capture_logs() as logs:
        await client.get(f"{V1}/groups/{GROUP}/serverless")

    assert [(line["event"], line["log_level"]) for line in logs] == [("request_failed", "error")]


@pytest.mark.parametrize(
    "path",
    [
        "/serverless",
        "/serverless/orders",
        "/serverless/orders/backup/restoreJobs",
        "/serverless/orders/backup/restoreJobs/65a0000000000000000000c1",
        "/serverless/orders/backup/snapshots",
        f"/serverless/orders/backup/snapshots/{SNAPSHOT_ID}",
    ],
)
async def test_a_poll_is_answered_while_neither_worker_nor_deployment_lives(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str, path: str
) -> None:
    add_snapshot(world, orders, SnapshotStatus.IN_PROGRESS)
    add_restore_job(world, orders, RestoreStage.LOADING, restore_job_id="65a0000000000000000000c1")
    world.db.transact(lambda tx: tx.execute(sa.text("UPDATE instance SET port = 1")))

    answer = await client.get(f"{atlas}/groups/{GROUP}{path}")

    assert answer.status_code == 200
