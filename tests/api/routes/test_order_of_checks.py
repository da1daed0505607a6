"""A request that is wrong in two ways is told of the first.

The order: authentication, version, path syntax, access list, role, existence, body. Each test
violates two neighbours.
"""

import httpx
import pytest

from telamon.api.asgi import Options
from telamon.model.access import NewApiKey, Organization
from telamon.model.instance import Instance
from tests.api.routes.world import (
    GROUP,
    MISSING_GROUP,
    MISSING_ID,
    OTHER_GROUP,
    OWN,
    READER_OF_GROUP,
    V2,
    World,
)

NO_VERSION = {"Accept": "application/json"}
STRANGE = "203.0.113.9"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


@pytest.fixture
def reader(world: World, organization: Organization) -> NewApiKey:
    """A key that may read the project and do nothing else."""
    return world.add_key(organization, READER_OF_GROUP)


async def test_authentication_comes_before_version(world: World) -> None:
    answer = await world.client().get(f"{V2}/groups/{GROUP}/serverless", headers=NO_VERSION)

    assert answer.status_code == 401


async def test_authentication_comes_before_the_sunset(world: World) -> None:
    client = world.client(app=world.app(Options(sunset_enforced=True)))

    answer = await client.get(f"{V2}/groups/{GROUP}/serverless/orders/backup/snapshots")

    assert answer.status_code == 401


async def test_version_comes_before_path_syntax(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V2}/groups/mine/serverless", headers=NO_VERSION)

    assert code(answer) == (406, "INVALID_VERSION_DATE")


async def test_the_sunset_comes_before_path_syntax(world: World, key: NewApiKey) -> None:
    client = world.with_options(key, Options(sunset_enforced=True))

    answer = await client.get(f"{V2}/groups/mine/serverless/orders/backup/snapshots")

    assert code(answer) == (410, "VERSION_GONE")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/groups/mine/serverless", (404, "INVALID_GROUP_ID")),
        (f"/groups/{GROUP}/serverless/a_b", (400, "CLUSTER_NAME_INVALID")),
        (f"/groups/{GROUP}/serverless/a/backup/snapshots/x", (404, "INVALID_SNAPSHOT_ID")),
        (f"/groups/{GROUP}/serverless/a/backup/restoreJobs/x", (404, "INVALID_JOB_ID")),
    ],
)
async def test_path_syntax_comes_before_the_access_list(
    world: World, key: NewApiKey, atlas: str, path: str, expected: tuple[int, str]
) -> None:
    answer = await world.client(key, address=STRANGE).get(f"{atlas}{path}")

    assert code(answer) == expected


async def test_a_path_is_judged_from_left_to_right(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}/groups/mine/serverless/a_b/backup/snapshots/x")

    assert code(answer) == (404, "INVALID_GROUP_ID")


async def test_the_access_list_comes_before_the_query(
    world: World, key: NewApiKey, atlas: str
) -> None:
    client = world.client(key, address=STRANGE)

    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless?pageNum=x")

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")


async def test_the_access_list_comes_before_the_role(
    world: World, reader: NewApiKey, atlas: str
) -> None:
    client = world.client(reader, address=STRANGE)

    answer = await client.get(f"{atlas}/groups/{OTHER_GROUP}/serverless")

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")


async def test_the_access_list_comes_before_the_project(
    world: World, key: NewApiKey, atlas: str
) -> None:
    client = world.client(key, address=STRANGE)

    answer = await client.get(f"{atlas}/groups/{MISSING_GROUP}/serverless")

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST")


async def test_the_query_comes_before_the_role(world: World, reader: NewApiKey, atlas: str) -> None:
    answer = await world.client(reader).get(f"{atlas}/groups/{OTHER_GROUP}/serverless?pageNum=x")

    assert code(answer) == (400, "INVALID_QUERY_PARAMETER")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/serverless/nobody"),
        ("GET", "/serverless/nobody/backup/restoreJobs"),
        ("GET", f"/serverless/nobody/backup/restoreJobs/{MISSING_ID}"),
        ("POST", "/serverless/nobody/backup/restoreJobs"),
    ],
)
async def test_the_role_comes_before_existence(
    world: World, reader: NewApiKey, atlas: str, method: str, path: str
) -> None:
    answer = await world.client(reader).request(method, f"{atlas}/groups/{GROUP}{path}")

    assert code(answer) == (401, "USER_UNAUTHORIZED")


@pytest.mark.parametrize("body", [b"{", b" " * (1024 * 1024 + 1)], ids=["malformed", "too large"])
@pytest.mark.parametrize("path", ["/serverless", "/serverless/orders/backup/restoreJobs"])
@pytest.mark.usefixtures("orders")
async def test_the_role_comes_before_the_body(
    world: World, reader: NewApiKey, atlas: str, path: str, body: bytes
) -> None:
    answer = await world.client(reader).post(f"{atlas}/groups/{GROUP}{path}", content=body)

    assert code(answer) == (401, "USER_UNAUTHORIZED")


@pytest.mark.parametrize("path", ["/instances", "/instances/orders/snapshots"])
@pytest.mark.usefixtures("orders")
async def test_the_role_comes_before_the_body_on_telamons_own_paths(
    world: World, reader: NewApiKey, path: str
) -> None:
    answer = await world.client(reader).post(f"{OWN}/groups/{GROUP}{path}", content=b"{")

    assert code(answer) == (401, "USER_UNAUTHORIZED")


@pytest.mark.parametrize("body", [b"{", b" " * (1024 * 1024 + 1)], ids=["malformed", "too large"])
async def test_existence_comes_before_the_body(
    client: httpx.AsyncClient, atlas: str, body: bytes
) -> None:
    path = f"{atlas}/groups/{GROUP}/serverless/nobody/backup/restoreJobs"

    answer = await client.post(path, content=body)

    assert code(answer) == (404, "SERVERLESS_INSTANCE_NOT_FOUND")


@pytest.mark.parametrize("path", ["/serverless", "/serverless/orders/backup/restoreJobs"])
async def test_existence_of_the_project_comes_before_the_body(
    client: httpx.AsyncClient, atlas: str, path: str
) -> None:
    answer = await client.post(f"{atlas}/groups/{MISSING_GROUP}{path}", content=b"{")

    assert code(answer) == (404, "GROUP_NOT_FOUND")


async def test_existence_comes_before_the_body_on_telamons_own_paths(
    client: httpx.AsyncClient,
) -> None:
    path = f"{OWN}/groups/{GROUP}/instances/nobody/snapshots"

    answer = await client.post(path, content=b"{")

    assert code(answer) == (404, "SERVERLESS_INSTANCE_NOT_FOUND")


async def test_what_a_body_names_is_looked_for_after_all_of_it_was_read(
    client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    path = f"{atlas}/groups/{GROUP}/serverless/{orders.name}/backup/restoreJobs"

    answer = await client.post(path, json={"snapshotId": MISSING_ID, "colour": "blue"})

    assert code(answer) == (400, "INVALID_ATTRIBUTE")
