"""Token buckets: off unless asked for, one for each set of endpoints and who shares it."""

import httpx
import pytest

from telamon.api.asgi import ROUTES, Options
from telamon.api.call import Surface
from telamon.api.rate_limits import BUCKETS_MAX, RateLimits
from telamon.model.access import NewApiKey, Organization
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    ORG,
    OTHER_GROUP,
    V1,
    V2,
    World,
)
from tests.state.samples import api_key

ON = Options(rate_limits=True)
ACCEPT = {"Accept": "application/vnd.atlas.2025-03-12+json"}


@pytest.fixture
def limited(world: World, key: NewApiKey) -> httpx.AsyncClient:
    client = world.with_options(key, ON)
    client.headers.update(ACCEPT)
    return client


def numbers(answer: httpx.Response) -> tuple[str | None, str | None]:
    headers = answer.headers
    return headers.get("RateLimit-Limit"), headers.get("RateLimit-Remaining")


async def spend(client: httpx.AsyncClient, path: str, times: int) -> httpx.Response:
    for _ in range(times - 1):
        await client.get(path)
    return await client.get(path)


async def test_nothing_is_limited_unless_asked_for(client: httpx.AsyncClient, atlas: str) -> None:
    assert numbers(await spend(client, f"{atlas}/orgs", 301)) == (None, None)


async def test_the_numbers_tell_what_is_left(limited: httpx.AsyncClient, atlas: str) -> None:
    answers = [numbers(await limited.get(f"{atlas}/orgs")) for _ in range(2)]

    assert answers == [("300", "299"), ("300", "298")]


async def test_errors_tell_it_too(limited: httpx.AsyncClient, atlas: str) -> None:
    answer = await limited.get(f"{atlas}/orgs/mine")

    assert (answer.status_code, numbers(answer)) == (404, ("500", "499"))


async def test_a_refused_version_counts(limited: httpx.AsyncClient) -> None:
    await limited.get(f"{V2}/orgs", headers={"Accept": "*/*"})

    assert numbers(await limited.get(f"{V2}/orgs")) == ("300", "298")


async def test_an_empty_bucket_is_429(limited: httpx.AsyncClient) -> None:
    await spend(limited, f"{V2}/orgs", 300)

    answer = await limited.get(f"{V2}/orgs")

    assert (answer.status_code, numbers(answer)) == (429, ("300", "0"))
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["X-Error-Code"] == "RATE_LIMITED_TOKEN_BUCKET"
    assert answer.json() == {
        "detail": "Rate limit exceeded for api/atlas/v2/orgs. Please retry after 1 seconds. "
        "Request capacity: 300. Refill rate: 100 per 60 seconds.",
        "error": 429,
        "errorCode": "RATE_LIMITED_TOKEN_BUCKET",
        "parameters": ["api/atlas/v2/orgs", 1, 300, 100, 60],
        "reason": "Too Many Requests",
    }


async def test_a_bucket_is_filled_again_and_no_fuller(
    world: World, limited: httpx.AsyncClient
) -> None:
    await spend(limited, f"{V1}/orgs", 300)
    world.clock.advance(seconds=60)
    later = numbers(await limited.get(f"{V1}/orgs"))
    world.clock.advance(days=1)

    assert later == ("300", "99")
    assert numbers(await limited.get(f"{V1}/orgs")) == ("300", "299")


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        (f"{V1}/orgs", f"{V2}/orgs", True),
        (f"{V1}/orgs", f"{V1}/orgs/{ORG}", False),
        (f"{V1}/orgs/{ORG}/apiKeys", f"{V1}/orgs/{ORG}/settings", False),
        (f"{V1}/groups", f"{V1}/groups/byName/x", True),
        (f"{V1}/groups/{GROUP}", f"{V1}/groups/{OTHER_GROUP}", False),
        (f"{V1}/groups/{GROUP}/accessList", f"{V1}/groups/{GROUP}/apiKeys", False),
    ],
)
async def test_which_paths_share_a_bucket(
    limited: httpx.AsyncClient, one: str, other: str, shared: bool
) -> None:
    limit, _ = numbers(await limited.get(one))

    assert limit is not None
    answer = numbers(await limited.get(other))
    full = int(answer[0] or 0) - 1
    assert answer[1] == str(full - 1 if shared else full)


async def test_a_project_has_one_bucket_for_all_its_keys(
    world: World, organization: Organization, limited: httpx.AsyncClient
) -> None:
    app = world.app(ON)
    clients = [world.client(world.add_key(organization), app=app) for _ in range(2)]

    answers = [numbers(await client.get(f"{V1}/groups/{GROUP}")) for client in clients]
    users = [numbers(await client.get(f"{V1}/groups")) for client in clients]

    assert [remaining for _, remaining in answers] == ["1199", "1198"]
    assert [remaining for _, remaining in users] == ["1199", "1199"]
    del limited


async def test_nobody_empties_the_bucket_of_another_organizations_project(
    world: World, key: NewApiKey
) -> None:
    app = world.app(ON)
    foreigner = world.client(
        world.add_key(world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP])), app=app
    )
    await foreigner.get(f"{V1}/groups/{GROUP}")

    answer = await world.client(key, app=app).get(f"{V1}/groups/{GROUP}")

    assert numbers(answer) == ("1200", "1199")


@pytest.mark.parametrize(
    "path",
    [
        f"{V1}/groups/{GROUP}/serverless",
        "/api/private/ipinfo",
        "/api/telamon/v1/groups/x/instances",
    ],
)
async def test_what_atlas_does_not_limit_is_not_limited(
    limited: httpx.AsyncClient, path: str
) -> None:
    assert numbers(await limited.get(path)) == (None, None)


def test_buckets_are_bounded_in_number(world: World) -> None:
    limits = RateLimits([], is_on=True, clock=world.clock)
    caller = api_key()
    limits.draw("/groups/{groupId}", caller, "first")

    for number in range(BUCKETS_MAX):
        limits.draw("/groups/{groupId}", caller, str(number))

    draw = limits.draw("/groups/{groupId}", caller, "first")
    assert draw is not None
    assert draw.remaining == 1199  # forgotten, so full again
    draw = limits.draw("/groups/{groupId}", caller, str(BUCKETS_MAX - 1))
    assert draw is not None
    assert draw.remaining == 1198


# What there is


async def test_every_set_is_listed_with_its_endpoints(limited: httpx.AsyncClient) -> None:
    body = (await limited.get(f"{V2}/rateLimits")).json()

    (projects,) = [each for each in body["results"] if each["endpointSetId"] == "projects_user"]
    assert list(projects) == sorted(projects)
    assert projects == {
        "capacity": {"value": 1200},
        "endpointSetId": "projects_user",
        "endpointSetName": "Projects",
        "endpoints": [
            {"method": "GET", "path": "/api/atlas/v2/groups"},
            {"method": "POST", "path": "/api/atlas/v2/groups"},
            {"method": "GET", "path": "/api/atlas/v2/groups/byName/{groupName}"},
        ],
        "refillDurationSeconds": {"value": 60},
        "refillRate": {"value": 500},
        "scope": "USER",
    }
    assert body["totalCount"] == len(body["results"])


async def test_each_endpoint_of_the_list_is_one_of_v2(limited: httpx.AsyncClient) -> None:
    body = (await limited.get(f"{V2}/rateLimits")).json()

    listed = [
        (each["method"], each["path"]) for found in body["results"] for each in found["endpoints"]
    ]
    served = {
        (route.method, f"{V2}{route.path}") for route in ROUTES if Surface.V2 in route.surfaces
    }
    assert len(listed) == len(set(listed)) > 40
    assert set(listed) <= served


@pytest.mark.parametrize(
    ("query", "scopes"),
    [
        (f"groupId={GROUP}", {"GROUP"}),
        (f"orgId={ORG}", {"ORG"}),
        (f"groupId={GROUP}&orgId={ORG}", {"GROUP", "ORG"}),
        ("ipAddress=127.0.0.1", set()),
        ("name=Organizations", {"ORG", "USER"}),
        ("name=Organizations&name=Root", {"ORG", "USER"}),
        ("name=Nothing", set()),
        ("endpointPath=%2Fapi%2Fatlas%2Fv2%2Fgroups%2F%7BgroupId%7D", {"GROUP"}),
    ],
)
async def test_the_list_can_be_narrowed(
    limited: httpx.AsyncClient, query: str, scopes: set[str]
) -> None:
    body = (await limited.get(f"{V2}/rateLimits?{query}")).json()

    assert {each["scope"] for each in body["results"]} == scopes


async def test_a_caller_asks_about_itself(limited: httpx.AsyncClient, key: NewApiKey) -> None:
    own = await limited.get(f"{V2}/rateLimits?userId={key.key.public_key}")

    assert {each["scope"] for each in own.json()["results"]} == {"USER"}


@pytest.mark.parametrize("path", ["/rateLimits", "/rateLimits/projects_user"])
@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("userId=somebody", 401),
        ("ipAddress=192.0.2.1", 401),
        (f"orgId={FOREIGN_ORG}", 401),
        (f"groupId={FOREIGN_GROUP}", 404),
        ("orgId=mine", 404),
        ("groupId=mine", 404),
    ],
)
async def test_nobody_asks_about_others(
    limited: httpx.AsyncClient, path: str, query: str, status: int
) -> None:
    assert (await limited.get(f"{V2}{path}?{query}")).status_code == status


async def test_one_set_is_found_by_its_id(limited: httpx.AsyncClient) -> None:
    listed = (await limited.get(f"{V2}/rateLimits")).json()["results"]

    for each in listed:
        found = await limited.get(f"{V2}/rateLimits/{each['endpointSetId']}")
        assert found.json() == each
    unknown = await limited.get(f"{V2}/rateLimits/nothing")
    assert (unknown.status_code, unknown.json()["parameters"]) == (404, ["nothing"])


async def test_while_limits_are_off_there_is_none(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V2}/rateLimits", headers=ACCEPT)

    assert answer.json()["results"] == []
