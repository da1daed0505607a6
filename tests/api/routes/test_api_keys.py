"""API keys: made, limited to projects, changed, revoked."""

import httpx
import pytest

from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from tests.api.routes.test_organizations import key_of
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    MISSING_ID,
    ORG,
    OTHER_GROUP,
    OWNER_OF_GROUP,
    V1,
    World,
)

KEYS = f"{V1}/orgs/{ORG}/apiKeys"
PROJECT_KEYS = f"{V1}/groups/{GROUP}/apiKeys"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def roles(body: dict[str, list[dict[str, str]]]) -> set[tuple[str, str]]:
    """Each role with what it is held in."""
    return {(each["roleName"], each.get("groupId") or each["orgId"]) for each in body["roles"]}


@pytest.fixture
async def open_client(world: World, client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The owner, of an organization that asks for no access lists."""
    del world
    await client.patch(f"{V1}/orgs/{ORG}/settings", json={"apiAccessListRequired": False})
    return client


async def test_a_new_key_works(
    world: World, open_client: httpx.AsyncClient, key: NewApiKey
) -> None:
    made = (await open_client.post(KEYS, json={"desc": "x", "roles": ["ORG_READ_ONLY"]})).json()

    answer = await world.client(key_of(made, key)).get(f"{V1}/groups/{GROUP}")

    assert answer.status_code == 200


async def test_the_private_key_is_shown_once(client: httpx.AsyncClient) -> None:
    made = (await client.post(KEYS, json={"desc": "x", "roles": ["ORG_MEMBER"]})).json()

    later = [
        await client.get(KEYS),
        await client.get(f"{KEYS}/{made['id']}"),
        await client.patch(f"{KEYS}/{made['id']}", json={"desc": "y"}),
    ]

    assert [made["privateKey"] in answer.text for answer in later] == [False, False, False]


async def test_the_private_key_is_not_in_the_files(world: World, client: httpx.AsyncClient) -> None:
    made = (await client.post(KEYS, json={"desc": "x", "roles": ["ORG_MEMBER"]})).json()

    assert made["privateKey"].encode() not in world.bytes_on_disk()
    assert made["publicKey"].encode() in world.bytes_on_disk()


async def test_a_new_key_in_an_organization_that_asks_for_lists_needs_one(
    world: World, client: httpx.AsyncClient, key: NewApiKey
) -> None:
    made = (await client.post(KEYS, json={"desc": "x", "roles": ["ORG_MEMBER"]})).json()
    other = world.client(key_of(made, key))
    before = await other.get(f"{V1}/orgs")

    await client.post(f"{KEYS}/{made['id']}/accessList", json=[{"ipAddress": "127.0.0.1"}])

    assert code(before) == (403, "ORG_REQUIRES_ACCESS_LIST")
    assert (await other.get(f"{V1}/orgs")).status_code == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"roles": ["ORG_MEMBER"]}, "MISSING_ATTRIBUTE"),
        ({"desc": "x"}, "MISSING_ATTRIBUTE"),
        ({"desc": "", "roles": ["ORG_MEMBER"]}, "INVALID_ATTRIBUTE"),
        ({"desc": "x" * 251, "roles": ["ORG_MEMBER"]}, "INVALID_ATTRIBUTE"),
        ({"desc": "x", "roles": []}, "MISSING_API_KEY_ROLES"),
        ({"desc": "x", "roles": ["GROUP_OWNER"]}, "INVALID_ENUM_VALUE"),
        ({"desc": "x", "roles": ["ORG_KING"]}, "INVALID_ENUM_VALUE"),
        ([], "INVALID_JSON"),
    ],
)
async def test_a_wrong_body_makes_no_key(
    client: httpx.AsyncClient, body: object, expected: str
) -> None:
    assert code(await client.post(KEYS, json=body)) == (400, expected)


async def test_a_key_is_changed(client: httpx.AsyncClient) -> None:
    made = (await client.post(KEYS, json={"desc": "x", "roles": ["ORG_MEMBER"]})).json()
    here = f"{KEYS}/{made['id']}"
    await client.post(f"{PROJECT_KEYS}/{made['id']}", json=[{"roles": ["GROUP_OWNER"]}])

    changed = await client.patch(here, json={"desc": "y", "roles": ["ORG_READ_ONLY"]})

    assert changed.json()["desc"] == "y"
    assert roles(changed.json()) == {("ORG_READ_ONLY", ORG), ("GROUP_OWNER", GROUP)}
    assert roles((await client.get(here)).json()) == roles(changed.json())


async def test_a_changed_role_counts_at_once(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    other = world.add_key(organization)
    caller = world.client(other)
    before = await caller.get(KEYS)

    await client.patch(f"{KEYS}/{other.key.id}", json={"roles": ["ORG_BILLING_ADMIN"]})

    after = await caller.patch(f"{V1}/orgs/{ORG}", json={"name": "taken over"})
    assert (before.status_code, code(after)) == (200, (401, "USER_UNAUTHORIZED"))


async def test_a_deleted_key_lets_nobody_in_on_a_connection_it_opened(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    other = world.add_key(organization)
    caller = world.client(other)
    before = await caller.get(KEYS)

    deleted = await client.delete(f"{KEYS}/{other.key.id}")

    assert (before.status_code, deleted.status_code) == (200, 204)
    assert (await caller.get(KEYS)).status_code == 401


@pytest.mark.parametrize("api_key_id", [MISSING_ID, "x", "65b0000000000000000000ff"])
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_key_is_not_found(
    client: httpx.AsyncClient, method: str, api_key_id: str
) -> None:
    answer = await client.request(method, f"{KEYS}/{api_key_id}", json={"desc": "x"})

    assert code(answer) == (404, "API_KEY_NOT_FOUND")


async def test_another_organizations_key_is_not_found(
    world: World, client: httpx.AsyncClient
) -> None:
    foreign = world.add_key(world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP]))

    for method, path in (
        ("GET", f"{KEYS}/{foreign.key.id}"),
        ("DELETE", f"{KEYS}/{foreign.key.id}"),
        ("GET", f"{KEYS}/{foreign.key.id}/accessList"),
        ("DELETE", f"{PROJECT_KEYS}/{foreign.key.id}"),
    ):
        assert code(await client.request(method, path)) == (404, "API_KEY_NOT_FOUND")
    assign = await client.post(
        f"{PROJECT_KEYS}/{foreign.key.id}", json=[{"roles": ["GROUP_OWNER"]}]
    )
    assert code(assign) == (404, "API_KEY_NOT_FOUND")


# In a project


async def test_a_key_of_a_project_opens_that_project_only(
    world: World, open_client: httpx.AsyncClient, key: NewApiKey
) -> None:
    made = await open_client.post(PROJECT_KEYS, json={"desc": "x", "roles": ["GROUP_OWNER"]})

    caller = world.client(key_of(made.json(), key))
    here = await caller.get(f"{V1}/groups/{GROUP}")
    there = await caller.get(f"{V1}/groups/{OTHER_GROUP}")

    assert (here.status_code, code(there)) == (200, (401, "USER_UNAUTHORIZED"))


@pytest.mark.parametrize("role", ["ORG_OWNER", "ORG_READ_ONLY", "ORG_GROUP_CREATOR"])
async def test_a_projects_owner_cannot_give_roles_in_the_organization(
    world: World, organization: Organization, role: str
) -> None:
    client = world.client(world.add_key(organization, OWNER_OF_GROUP))

    answer = await client.post(PROJECT_KEYS, json={"desc": "x", "roles": ["GROUP_OWNER", role]})

    assert code(answer) == (401, "USER_UNAUTHORIZED")


async def test_an_organizations_owner_can(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        PROJECT_KEYS, json={"desc": "x", "roles": ["GROUP_OWNER", "ORG_READ_ONLY"]}
    )

    assert roles(answer.json()) == {("GROUP_OWNER", GROUP), ("ORG_READ_ONLY", ORG)}


async def test_a_key_is_assigned_to_a_project_changed_there_and_removed(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    member = world.add_key(organization, [RoleAssignment(role=Role.ORG_MEMBER)])
    here = f"{PROJECT_KEYS}/{member.key.id}"
    caller = world.client(member)
    statuses = [(await caller.get(f"{V1}/groups/{GROUP}")).status_code]

    await client.post(here, json=[{"roles": ["GROUP_READ_ONLY"]}, {"roles": ["GROUP_OWNER"]}])
    statuses.append((await caller.get(f"{V1}/groups/{GROUP}")).status_code)
    await client.post(here, json=[{"roles": ["GROUP_READ_ONLY"]}])  # once more changes nothing
    changed = await client.patch(here, json={"roles": ["GROUP_BACKUP_MANAGER"]})
    await client.delete(here)
    statuses.append((await caller.get(f"{V1}/groups/{GROUP}")).status_code)

    assert roles(changed.json()) == {("ORG_MEMBER", ORG), ("GROUP_BACKUP_MANAGER", GROUP)}
    assert statuses == [401, 200, 401]
    assert (await client.get(PROJECT_KEYS)).json()["totalCount"] == 0
    assert (await client.get(f"{KEYS}/{member.key.id}")).status_code == 200


async def test_a_key_that_is_not_in_a_project_is_not_removed_from_it(
    client: httpx.AsyncClient, key: NewApiKey
) -> None:
    answer = await client.delete(f"{PROJECT_KEYS}/{key.key.id}")

    assert code(answer) == (404, "API_KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([], "MISSING_API_KEY_ROLES"),
        ([{"roles": ["ORG_OWNER"]}], "INVALID_ENUM_VALUE"),
        ([{"roles": "GROUP_OWNER"}], "INVALID_ATTRIBUTE"),
        ([7], "INVALID_JSON"),
        ({"roles": ["GROUP_OWNER"]}, "INVALID_JSON"),
    ],
)
async def test_a_wrong_body_assigns_no_key(
    client: httpx.AsyncClient, key: NewApiKey, body: object, expected: str
) -> None:
    assert code(await client.post(f"{PROJECT_KEYS}/{key.key.id}", json=body)) == (400, expected)
