"""Answers about organizations, projects, keys and lists, held against recorded ones of Atlas.

Body for body: the same keys in the same order, the same types, the same nulls. And the same header
fields with the same values, but for those that differ from answer to answer or tell of Atlas's own
machinery.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from tests.api.routes.world import GROUP, MISSING_GROUP, ORG, V2, World

RECORDINGS = Path(__file__).parents[4] / "shared" / "reference" / "recordings"
VOLATILE = {
    "connection",
    "content-length",
    "date",
    "ratelimit-limit",
    "ratelimit-remaining",
    "vary",
    "x-envoy-upstream-service-time",
    "x-java-method",
    "x-java-version",
    "x-mongodb-service-version",
    "x-xgen-up-proto",
}
ACCEPT = {"Accept": "application/vnd.atlas.2025-03-12+json"}
LIST = "?includeCount=true&pageNum=1&itemsPerPage=100"
# The recorder wrote its own address over Atlas's.
RECORDED_HOST, OWN_HOST = "http://localhost:8080", "http://telamon.test"

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason=f"there are no recordings at {RECORDINGS}"
)


@dataclass(frozen=True)
class Recorded:
    status: int
    headers: dict[str, str]
    body: bytes


def recorded(name: str) -> Recorded:
    head, _, body = (RECORDINGS / f"{name}.http").read_bytes().partition(b"\n\n")
    status, *fields = head.decode().replace("\r", "").splitlines()
    headers = {}
    for field in fields:
        key, _, value = field.partition(": ")
        headers[key.lower()] = value
    return Recorded(int(status.split()[1]), headers, body.strip())


def shape(value: Any) -> Any:
    """Keys in order and types; of a list, every shape that its items have."""
    if isinstance(value, dict):
        return [(key, shape(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return ["list", *sorted({repr(shape(each)) for each in value})]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value):
        return "moment"
    return type(value).__name__


def link_shapes(value: Any) -> list[tuple[str, str]]:
    """Of every link its rel and its address, with ids and names for what they are."""
    found = []
    if isinstance(value, dict):
        for link in value.get("links", []):
            href = re.sub(r"[0-9a-f]{24}", "ID", link["href"])
            href = href.replace(RECORDED_HOST, "HOST").replace(OWN_HOST, "HOST")
            found.append((link["rel"], re.sub(r"\d+\.\d+\.\d+\.\d+", "IP", href)))
        for inner in value.values():
            found += link_shapes(inner)
    if isinstance(value, list):
        for inner in value:
            found += link_shapes(inner)
    return found


def kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in VOLATILE}


def assert_like(answer: httpx.Response, name: str) -> None:
    expected = recorded(name)
    assert answer.status_code == expected.status
    headers = kept({key.lower(): value for key, value in answer.headers.items()})
    location = expected.headers.pop("location", None)
    if location is not None:
        assert headers.pop("location") == location.replace(RECORDED_HOST, OWN_HOST)
    assert headers == kept(expected.headers)
    if not expected.body:
        assert answer.content == b""
        return
    body, model = answer.json(), json.loads(expected.body)
    assert shape(body) == shape(model)
    assert list(dict.fromkeys(link_shapes(body))) == list(dict.fromkeys(link_shapes(model)))


@pytest.fixture
def client(world: World, key: NewApiKey) -> httpx.AsyncClient:
    client = world.client(key)
    client.headers.update(ACCEPT)
    return client


@pytest.fixture
def other(world: World, organization: Organization) -> NewApiKey:
    """A key as Atlas makes one in a project: a member of the organization, too."""
    held = (
        RoleAssignment(role=Role.ORG_MEMBER),
        RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=GROUP),
    )
    return world.add_key(organization, held, access_list=["192.168.0.229"])


async def test_the_list_of_organizations(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V2}/orgs?includeCount=true&itemsPerPage=100&name=&pageNum=1")

    assert_like(answer, "200__GET__orgs__latest__20260810")


async def test_an_organization(client: httpx.AsyncClient) -> None:
    assert_like(await client.get(f"{V2}/orgs/{ORG}"), "200__GET__orgs_ID__latest__20260810")


async def test_the_list_of_projects(client: httpx.AsyncClient) -> None:
    tags = [{"key": "env", "value": "test"}]
    await client.patch(f"{V2}/groups/{GROUP}", json={"tags": tags})

    answer = await client.get(f"{V2}/groups{LIST}")

    assert_like(answer, "200__GET__groups__latest__20260810")


async def test_a_project(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V2}/groups/{GROUP}")

    assert_like(answer, "200__GET__groups_ID__latest__20260810")


NEW_PROJECT = {
    "clusterCount": 0,
    "created": "0001-01-01T00:00:00Z",
    "name": "serverless-e2e-632",
    "orgId": ORG,
}


@pytest.mark.parametrize("name", ["latest__20260810", "life__20260102"])
async def test_a_new_project(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post(f"{V2}/groups?projectOwnerId=", json=NEW_PROJECT)

    assert_like(answer, f"201__POST__groups__{name}")


async def test_a_changed_project(client: httpx.AsyncClient) -> None:
    answer = await client.patch(f"{V2}/groups/{GROUP}", json={"name": "e2e-proj-updated"})

    assert_like(answer, "200__PATCH__groups_ID__latest__20260810")


async def test_a_deleted_project(client: httpx.AsyncClient) -> None:
    answer = await client.delete(f"{V2}/groups/{GROUP}")

    assert_like(answer, "202__DELETE__groups_ID__latest__20260810")
    assert answer.content == b"{}"


async def test_a_project_of_a_name_that_is_taken(client: httpx.AsyncClient) -> None:
    await client.post(f"{V2}/groups", json=NEW_PROJECT)
    answer = await client.post(f"{V2}/groups", json=NEW_PROJECT)

    expected = recorded("409_GROUP_ALREADY_EXISTS__POST__groups__err__20250618").body.decode()
    assert answer.status_code == 409
    assert answer.text == expected.replace("maintenance-e2e-635", "serverless-e2e-632")


async def test_a_project_too_many(world: World, client: httpx.AsyncClient) -> None:
    world.add_projects(*(f"65c{number:021x}" for number in range(248)))

    answer = await client.post(f"{V2}/groups", json=NEW_PROJECT)

    expected = recorded("400_MAX_GROUPS_PER_ORG_EXCEEDED__POST__groups__err__20250415").body
    text = expected.decode().replace("a0123456789abcdef012345a", ORG)
    assert (answer.status_code, answer.text) == (400, text)


async def test_a_project_that_is_missing(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{V2}/groups/{MISSING_GROUP}")

    assert_like(answer, "404_GROUP_NOT_FOUND__POST__groups_ID_databaseUsers__err__20260810")


async def test_the_list_of_keys(client: httpx.AsyncClient, other: NewApiKey) -> None:
    del other
    answer = await client.get(f"{V2}/orgs/{ORG}/apiKeys{LIST}")

    assert_like(answer, "200__GET__orgs_ID_apiKeys__latest__20260810")


NEW_KEY = {"desc": "e2e-test-atlas-org", "roles": ["ORG_READ_ONLY"]}


async def test_a_key(client: httpx.AsyncClient) -> None:
    made = (await client.post(f"{V2}/orgs/{ORG}/apiKeys", json=NEW_KEY)).json()

    answer = await client.get(f"{V2}/orgs/{ORG}/apiKeys/{made['id']}")

    assert_like(answer, "200__GET__orgs_ID_apiKeys_ID__latest__20260810")
    masked = f"********-****-****-{made['privateKey'][-12:]}"
    assert answer.json()["privateKey"] == masked


async def test_a_new_key(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{V2}/orgs/{ORG}/apiKeys", json=NEW_KEY)

    assert_like(answer, "200__POST__orgs_ID_apiKeys__latest__20260810")


async def test_a_changed_key(client: httpx.AsyncClient) -> None:
    made = (await client.post(f"{V2}/orgs/{ORG}/apiKeys", json=NEW_KEY)).json()

    answer = await client.patch(f"{V2}/orgs/{ORG}/apiKeys/{made['id']}", json={"desc": "updated"})

    assert_like(answer, "200__PATCH__orgs_ID_apiKeys_ID__latest__20260810")


async def test_a_deleted_key(client: httpx.AsyncClient, other: NewApiKey) -> None:
    answer = await client.delete(f"{V2}/orgs/{ORG}/apiKeys/{other.key.id}")

    assert_like(answer, "204__DELETE__orgs_ID_apiKeys_ID__latest__20260810")


async def test_the_list_of_a_projects_keys(client: httpx.AsyncClient, other: NewApiKey) -> None:
    del other
    answer = await client.get(f"{V2}/groups/{GROUP}/apiKeys{LIST}")

    assert_like(answer, "200__GET__groups_ID_apiKeys__latest__20260810")


async def test_a_new_key_of_a_project(client: httpx.AsyncClient) -> None:
    new = {"desc": "e2e-test", "roles": ["GROUP_READ_ONLY"]}

    answer = await client.post(f"{V2}/groups/{GROUP}/apiKeys", json=new)

    assert_like(answer, "200__POST__groups_ID_apiKeys__latest__20260810")
    assert [role["roleName"] for role in answer.json()["roles"]] == [
        "ORG_MEMBER",
        "GROUP_READ_ONLY",
    ]


async def test_a_changed_key_of_a_project(client: httpx.AsyncClient, other: NewApiKey) -> None:
    answer = await client.patch(
        f"{V2}/groups/{GROUP}/apiKeys/{other.key.id}",
        json={"roles": ["GROUP_DATA_ACCESS_READ_ONLY"]},
    )

    assert_like(answer, "200__PATCH__groups_ID_apiKeys_ID__latest__20260810")


async def test_a_removed_key_of_a_project(client: httpx.AsyncClient, other: NewApiKey) -> None:
    answer = await client.delete(f"{V2}/groups/{GROUP}/apiKeys/{other.key.id}")

    assert_like(answer, "204__DELETE__groups_ID_apiKeys_ID__latest__20260810")


async def test_the_access_list_of_a_key(client: httpx.AsyncClient, other: NewApiKey) -> None:
    answer = await client.get(f"{V2}/orgs/{ORG}/apiKeys/{other.key.id}/accessList{LIST}")

    assert_like(answer, "200__GET__orgs_ID_apiKeys_ID_accessList__latest__20260810")


async def test_a_new_entry_of_a_keys_access_list(
    client: httpx.AsyncClient, world: World, organization: Organization
) -> None:
    other = world.add_key(organization, access_list=[])
    answer = await client.post(
        f"{V2}/orgs/{ORG}/apiKeys/{other.key.id}/accessList{LIST}",
        json=[{"ipAddress": "52.190.182.226"}],
    )

    assert_like(answer, "200__POST__orgs_ID_apiKeys_ID_accessList__latest__20260810")


async def test_a_deleted_entry_of_a_keys_access_list(
    client: httpx.AsyncClient, other: NewApiKey
) -> None:
    answer = await client.delete(f"{V2}/orgs/{ORG}/apiKeys/{other.key.id}/accessList/192.168.0.229")

    assert_like(answer, "204__DELETE__orgs_ID_apiKeys_ID_accessList_IP__latest__20260810")


NEW_ENTRY = [{"ipAddress": "192.168.0.44", "comment": "IP added with atlas quickstart"}]


async def test_a_new_entry_of_a_projects_access_list(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{V2}/groups/{GROUP}/accessList{LIST}", json=NEW_ENTRY)

    assert_like(answer, "201__POST__groups_ID_accessList__latest__20260810")


async def test_the_access_list_of_a_project(client: httpx.AsyncClient) -> None:
    await client.post(f"{V2}/groups/{GROUP}/accessList", json=NEW_ENTRY)

    answer = await client.get(f"{V2}/groups/{GROUP}/accessList{LIST}")

    assert_like(answer, "200__GET__groups_ID_accessList__latest__20260810")


async def test_an_entry_of_a_projects_access_list(client: httpx.AsyncClient) -> None:
    await client.post(f"{V2}/groups/{GROUP}/accessList", json=NEW_ENTRY)

    answer = await client.get(f"{V2}/groups/{GROUP}/accessList/192.168.0.44")

    assert_like(answer, "200__GET__groups_ID_accessList_IP__latest__20260810")


async def test_a_deleted_entry_of_a_projects_access_list(client: httpx.AsyncClient) -> None:
    await client.post(f"{V2}/groups/{GROUP}/accessList", json=NEW_ENTRY)

    answer = await client.delete(f"{V2}/groups/{GROUP}/accessList/192.168.0.44")

    assert_like(answer, "204__DELETE__groups_ID_accessList_IP__latest__20260810")


async def test_the_callers_address(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/private/ipinfo")

    assert_like(answer, "200__GET__api_private_ipinfo__latest__20260810")


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/api/private/ipinfo", "GET__api_private_ipinfo"),
        ("POST", f"{V2}/groups", "POST__groups"),
        ("GET", f"{V2}/groups/{GROUP}/accessList", "GET__groups_ID_accessList"),
        ("POST", f"{V2}/groups/{GROUP}/accessList", "POST__groups_ID_accessList"),
    ],
)
async def test_nobody_is_challenged(world: World, method: str, path: str, name: str) -> None:
    answer = await world.client().request(method, path)

    expected = recorded(f"401_UNEXPECTED_ERROR__{name}__err__20260810")
    nonce = re.compile(r'nonce="[^"]{32}"')
    challenge, model = (
        nonce.sub("", headers.pop("www-authenticate"))
        for headers in (answer.headers, expected.headers)
    )
    assert (answer.status_code, challenge) == (401, model)
    assert kept(dict(answer.headers)) == kept(expected.headers)
    assert answer.content == expected.body


def test_every_recording_of_these_resources_is_compared() -> None:
    """Of the newest date of each; older ones have the same shape."""
    text = Path(__file__).read_text()
    others = ("clusters", "flexClusters", "serverless", "databaseUsers")
    missing = [
        path.stem
        for path in RECORDINGS.glob("2*.http")
        if not any(f"_{other}" in path.stem for other in others)
        and path.stem not in text
        and "POST__groups__" not in path.stem
        and "_list_n_next_" not in path.stem
    ]

    assert missing == []
