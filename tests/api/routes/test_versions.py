"""Version 2's Accept header, and what Atlas has switched off."""

from datetime import UTC, date, datetime

import httpx
import pytest

from telamon.api.asgi import ROUTES, Options
from telamon.api.call import Call, Reply, Route, Surface
from telamon.api.headers import of_sunset
from telamon.model.access import NewApiKey
from tests.api.routes.world import GROUP, OWN, V1, V2, World

PATH = f"{V2}/groups/{GROUP}/serverless"
BACKUPS = f"{PATH}/orders/backup/snapshots"
SERVED = "application/vnd.atlas.2023-01-01+json;charset=utf-8"
REFUSED = [
    "*/*",
    "application/json",
    "application/*",
    "text/html",
    "",
    "application/vnd.atlas.2022-12-31+json",
    "application/vnd.atlas.2023-01-02+json",
    "application/vnd.atlas.2099-01-01+json",
    "application/vnd.atlas.preview+json",
    "application/vnd.atlas.2023-01-01+csv",
    "application/vnd.atlas.2023-1-1+json",
]

pytestmark = pytest.mark.usefixtures("orders")


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.atlas.2023-01-01+json",
        "application/vnd.atlas.2023-02-01+json",
        "application/vnd.atlas.2024-08-05+json",
        "application/vnd.atlas.2025-03-12+json",
        "application/vnd.atlas.2025-03-12+json;charset=utf-8",
        "application/json, application/vnd.atlas.2024-11-13+json",
    ],
)
async def test_a_known_date_is_served_as_the_resources_own(
    client: httpx.AsyncClient, accept: str
) -> None:
    answer = await client.get(PATH, headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, SERVED)


@pytest.mark.parametrize("accept", REFUSED)
async def test_any_other_accept_is_406(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get(PATH, headers={"Accept": accept})

    assert (answer.status_code, answer.json()) == (
        406,
        {
            "detail": "Invalid accept header or version date.",
            "error": 406,
            "errorCode": "INVALID_VERSION_DATE",
            "parameters": [],
            "reason": "Not Acceptable",
        },
    )


async def without_accept(client: httpx.AsyncClient, path: str) -> httpx.Response:
    request = client.build_request("GET", path)
    del request.headers["Accept"]
    return await client.send(request)


async def test_a_missing_accept_is_406(client: httpx.AsyncClient) -> None:
    answer = await without_accept(client, PATH)

    assert (answer.status_code, answer.json()["errorCode"]) == (406, "INVALID_VERSION_DATE")


async def test_several_accept_headers_are_read_as_one(client: httpx.AsyncClient) -> None:
    request = client.build_request("GET", PATH)
    request.headers = httpx.Headers(
        [
            *(field for field in request.headers.raw if field[0].lower() != b"accept"),
            (b"Accept", b"application/json"),
            (b"Accept", b"application/vnd.atlas.2023-01-01+json"),
        ]
    )

    answer = await client.send(request)

    assert answer.status_code == 200


@pytest.mark.parametrize("accept", REFUSED)
async def test_any_other_accept_is_served_when_lenient(
    world: World, key: NewApiKey, accept: str
) -> None:
    client = world.with_options(key, Options(lenient_accept=True))

    answer = await client.get(PATH, headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, SERVED)


async def test_a_missing_accept_is_served_when_lenient(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(lenient_accept=True))

    answer = await without_accept(client, PATH)

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, SERVED)


@pytest.mark.parametrize("prefix", [f"{V1}/groups/{GROUP}/serverless/orders/backup/snapshots"])
@pytest.mark.parametrize("accept", REFUSED)
async def test_v1_takes_any_accept(client: httpx.AsyncClient, prefix: str, accept: str) -> None:
    answer = await client.get(prefix, headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")


async def test_telamons_own_paths_take_any_accept(client: httpx.AsyncClient) -> None:
    path = f"{OWN}/groups/{GROUP}/instances/orders/snapshots"

    answer = await client.post(path, json={}, headers={"Accept": "*/*"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")


# The sunset


def announced(answer: httpx.Response) -> dict[str, str]:
    names = ("Deprecation", "Sunset")
    return {name: answer.headers[name] for name in names if name in answer.headers}


BACKUP_DATES = {
    "Deprecation": "Wed, 10 Dec 2025 00:00:00 GMT",
    "Sunset": "Thu, 22 Jan 2026 00:00:00 GMT",
}


async def test_nothing_is_announced_unless_asked_for(client: httpx.AsyncClient) -> None:
    answer = await client.get(BACKUPS)

    assert announced(answer) == {}


async def test_the_sunset_of_backups_is_announced_when_asked_for(
    world: World, key: NewApiKey
) -> None:
    client = world.with_options(key, Options(sunset_headers=True))

    answer = await client.get(BACKUPS)

    assert (answer.status_code, announced(answer)) == (200, BACKUP_DATES)


async def test_the_sunset_of_reading_instances_is_a_later_one(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_headers=True))

    answer = await client.get(PATH)

    assert announced(answer) == {
        "Deprecation": "Wed, 10 Dec 2025 00:00:00 GMT",
        "Sunset": "Mon, 18 Jan 2027 00:00:00 GMT",
    }


async def test_the_sunset_is_announced_on_errors_too(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_headers=True))

    answer = await client.get(f"{PATH}/nobody/backup/snapshots")

    assert (answer.status_code, announced(answer)) == (404, BACKUP_DATES)


def test_the_day_of_a_date_is_not_padded() -> None:
    async def nothing(call: Call) -> Reply:
        del call
        return Reply(body={})

    route = Route(
        operation_id="x",
        method="GET",
        path="/x",
        handler=nothing,
        answer=None,
        sunset=date(2027, 7, 1),
    )

    assert of_sunset(route)[1] == ("Sunset", "Thu, 1 Jul 2027 00:00:00 GMT")


def test_every_serverless_route_of_v2_has_a_sunset() -> None:
    without = [
        route.operation_id
        for route in ROUTES
        if Surface.V2 in route.surfaces and "/serverless" in route.path and route.sunset is None
    ]

    assert without == []


@pytest.mark.parametrize("prefix", [V1, OWN])
async def test_nothing_is_announced_outside_of_v2(
    world: World, key: NewApiKey, prefix: str
) -> None:
    client = world.with_options(key, Options(sunset_headers=True))
    paths = {
        V1: f"{V1}/groups/{GROUP}/serverless/orders/backup/snapshots",
        OWN: f"{OWN}/groups/{GROUP}/instances/orders/snapshots/65f0000000000000000000aa",
    }

    answer = await client.get(paths[prefix])

    assert announced(answer) == {}


async def test_an_enforced_sunset_is_410(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_enforced=True))

    answer = await client.get(BACKUPS, headers={"Accept": "application/vnd.atlas.2025-03-12+json"})

    path = "api/atlas/v2/groups/65a000000000000000000002/serverless/orders/backup/snapshots"
    assert (answer.status_code, answer.json()) == (
        410,
        {
            "detail": f"Version 2023-01-01 of {path} is no longer available.",
            "error": 410,
            "errorCode": "VERSION_GONE",
            "parameters": ["2023-01-01", path],
            "reason": "Gone",
        },
    )


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2026, 1, 22, 23, 59, 59, tzinfo=UTC), 200),
        (datetime(2026, 1, 23, 0, 0, 0, tzinfo=UTC), 410),
    ],
)
async def test_the_sunset_is_enforced_from_the_day_after(
    world: World, key: NewApiKey, now: datetime, status: int
) -> None:
    world.clock.now = now
    client = world.with_options(key, Options(sunset_enforced=True))

    answer = await client.get(BACKUPS)

    assert answer.status_code == status


async def test_instances_can_still_be_read_after_the_sunset_of_backups(
    world: World, key: NewApiKey
) -> None:
    client = world.with_options(key, Options(sunset_enforced=True))

    answer = await client.get(PATH)

    assert answer.status_code == 200


async def test_an_enforced_sunset_does_nothing(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_enforced=True))

    await client.delete(f"{PATH}/orders")

    assert world.queued_jobs() == []


async def test_a_wrong_accept_is_406_even_after_the_sunset(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_enforced=True))

    answer = await client.get(BACKUPS, headers={"Accept": "*/*"})

    assert answer.status_code == 406


async def test_v1_has_no_sunset(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_enforced=True, sunset_headers=True))

    answer = await client.get(f"{V1}/groups/{GROUP}/serverless/orders/backup/snapshots")

    assert answer.status_code == 200
