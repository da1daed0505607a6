"""Service accounts: made, limited to projects, changed, their secrets and access lists."""

import re

import httpx
import pytest

from telamon.model.access import Organization, Role, RoleAssignment
from tests.api.routes.world import (
    FOREIGN_ORG,
    GROUP,
    MISSING_ID,
    ORG,
    OTHER_GROUP,
    OWNER_OF_GROUP,
    V1,
    V2,
    World,
)

ACCOUNTS = f"{V2}/orgs/{ORG}/serviceAccounts"
PROJECT_ACCOUNTS = f"{V2}/groups/{GROUP}/serviceAccounts"
ACCEPT = {"Accept": "application/vnd.atlas.2024-08-05+json"}
NEW = {
    "name": "robot",
    "description": "Does it by itself",
    "roles": ["ORG_READ_ONLY"],
    "secretExpiresAfterHours": 8,
}
NEW_IN_PROJECT = {**NEW, "roles": ["GROUP_OWNER"]}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


@pytest.fixture
def client(client: httpx.AsyncClient) -> httpx.AsyncClient:
    client.headers.update(ACCEPT)
    return client


@pytest.fixture
def project_owner(world: World, organization: Organization) -> httpx.AsyncClient:
    client = world.client(world.add_key(organization, OWNER_OF_GROUP))
    client.headers.update(ACCEPT)
    return client


async def test_a_new_account_has_this_body(client: httpx.AsyncClient) -> None:
    answer = await client.post(ACCOUNTS, json=NEW)

    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/vnd.atlas.2024-08-05+json;charset=utf-8"
    body = answer.json()
    (secret,) = body["secrets"]
    assert re.fullmatch(r"mdb_sa_id_[a-f0-9]{24}", body["clientId"])
    assert re.fullmatch(r"mdb_sa_sk_[A-Za-z0-9_-]{40}", secret["secret"])
    assert body == {
        "clientId": body["clientId"],
        "createdAt": "2026-03-01T12:00:00Z",
        "description": "Does it by itself",
        "name": "robot",
        "roles": ["ORG_READ_ONLY"],
        "secrets": [
            {
                "createdAt": "2026-03-01T12:00:00Z",
                "expiresAt": "2026-03-01T20:00:00Z",
                "id": secret["id"],
                "secret": secret["secret"],
            }
        ],
    }
    assert list(body) == sorted(body)


async def test_a_secret_is_masked_ever_after(client: httpx.AsyncClient) -> None:
    made = (await client.post(ACCOUNTS, json=NEW)).json()
    value = made["secrets"][0]["secret"]

    found = await client.get(f"{ACCOUNTS}/{made['clientId']}")
    listed = await client.get(ACCOUNTS)

    assert found.json()["secrets"][0]["maskedSecretValue"] == f"mdb_sa_sk_****{value[-4:]}"
    assert value not in found.text + listed.text
    assert listed.json()["results"] == [found.json()]


async def test_a_secret_is_in_no_file(world: World, client: httpx.AsyncClient) -> None:
    made = (await client.post(ACCOUNTS, json=NEW)).json()

    value = made["secrets"][0]["secret"].removeprefix("mdb_sa_sk_")
    assert value.encode() not in world.bytes_on_disk()
    assert b"Does it by itself" in world.bytes_on_disk()


@pytest.mark.parametrize("path", [ACCOUNTS, PROJECT_ACCOUNTS])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"name": ""}, "INVALID_ATTRIBUTE"),
        ({"name": "a/b"}, "INVALID_ATTRIBUTE"),
        ({"name": "a\n"}, "INVALID_ATTRIBUTE"),
        ({"name": "x" * 65}, "INVALID_ATTRIBUTE"),
        ({"description": ""}, "INVALID_ATTRIBUTE"),
        ({"description": "x" * 251}, "INVALID_ATTRIBUTE"),
        ({"roles": []}, "MISSING_API_KEY_ROLES"),
        ({"roles": ["KING"]}, "INVALID_ENUM_VALUE"),
        ({"secretExpiresAfterHours": 7}, "INVALID_ATTRIBUTE"),
        ({"secretExpiresAfterHours": 8761}, "INVALID_ATTRIBUTE"),
        ({"colour": "red"}, "INVALID_ATTRIBUTE"),
    ],
)
async def test_a_wrong_body_makes_no_account(
    client: httpx.AsyncClient, path: str, change: dict[str, object], expected: str
) -> None:
    body = {**(NEW if path == ACCOUNTS else NEW_IN_PROJECT), **change}

    assert code(await client.post(path, json=body)) == (400, expected)


@pytest.mark.parametrize(
    ("path", "role"), [(ACCOUNTS, "GROUP_OWNER"), (PROJECT_ACCOUNTS, "ORG_OWNER")]
)
async def test_roles_are_those_of_the_place(
    client: httpx.AsyncClient, path: str, role: str
) -> None:
    answer = await client.post(path, json={**NEW, "roles": [role]})

    assert code(answer) == (400, "INVALID_ENUM_VALUE")


async def test_an_organization_can_shorten_the_life_of_secrets(client: httpx.AsyncClient) -> None:
    hours = {"maxServiceAccountSecretValidityInHours": 24}
    await client.patch(f"{V1}/orgs/{ORG}/settings", json=hours)

    answers = [
        await client.post(ACCOUNTS, json={**NEW, "secretExpiresAfterHours": each})
        for each in (24, 25)
    ]

    assert [answer.status_code for answer in answers] == [201, 400]


async def test_an_account_is_changed(client: httpx.AsyncClient) -> None:
    made = (await client.post(ACCOUNTS, json=NEW)).json()
    here = f"{ACCOUNTS}/{made['clientId']}"
    changes = {"name": "android", "description": "Other", "roles": ["ORG_MEMBER", "ORG_OWNER"]}

    changed = await client.patch(here, json={**made, **changes})

    assert {key: changed.json()[key] for key in changes} == changes
    assert (await client.get(here)).json() == changed.json()


@pytest.mark.parametrize(
    "client_id",
    [f"mdb_sa_id_{MISSING_ID}", MISSING_ID, "x", "mdb_sa_id_"],
)
@pytest.mark.parametrize("path", [ACCOUNTS, PROJECT_ACCOUNTS])
async def test_an_unknown_account_is_not_found(
    client: httpx.AsyncClient, path: str, client_id: str
) -> None:
    here = f"{path}/{client_id}"
    answers = [
        await client.get(here),
        await client.patch(here, json={"name": "x"}),
        await client.delete(here),
        await client.post(f"{here}/secrets", json={"secretExpiresAfterHours": 8}),
        await client.get(f"{here}/accessList"),
    ]

    assert {code(answer) for answer in answers} == {(404, "SERVICE_ACCOUNT_NOT_FOUND")}


async def test_another_organizations_account_is_not_found(
    world: World, client: httpx.AsyncClient
) -> None:
    foreign = world.add_service_account(world.add_organization(FOREIGN_ORG, groups=[]))
    client_id = foreign.account.public_key

    invite = await client.post(
        f"{PROJECT_ACCOUNTS}/{client_id}:invite", json={"roles": ["GROUP_OWNER"]}
    )

    assert code(await client.get(f"{ACCOUNTS}/{client_id}")) == (404, "SERVICE_ACCOUNT_NOT_FOUND")
    assert code(invite) == (404, "SERVICE_ACCOUNT_NOT_FOUND")


async def test_an_id_names_no_account_without_what_stands_before_it(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    account = world.add_service_account(organization).account

    answer = await client.get(f"{ACCOUNTS}/x{account.id}")

    assert code(answer) == (404, "SERVICE_ACCOUNT_NOT_FOUND")


@pytest.mark.parametrize("accept", ["2023-01-01", "2024-05-30"])
async def test_there_were_none_before_august_2024(client: httpx.AsyncClient, accept: str) -> None:
    answer = await client.get(ACCOUNTS, headers={"Accept": f"application/vnd.atlas.{accept}+json"})

    assert code(answer) == (406, "INVALID_VERSION_DATE")
    v1 = await client.get(ACCOUNTS.replace(V2, V1))
    assert code(v1) == (404, "RESOURCE_NOT_FOUND")


# In a project


async def test_an_account_of_a_project_is_a_member_of_the_organization(
    client: httpx.AsyncClient, project_owner: httpx.AsyncClient
) -> None:
    made = await project_owner.post(PROJECT_ACCOUNTS, json=NEW_IN_PROJECT)

    client_id = made.json()["clientId"]
    assert (made.status_code, made.json()["roles"]) == (201, ["GROUP_OWNER"])
    in_org = await client.get(f"{ACCOUNTS}/{client_id}")
    assert in_org.json()["roles"] == ["ORG_MEMBER"]
    groups = await client.get(f"{ACCOUNTS}/{client_id}/groups")
    assert groups.json()["results"] == [{"groupId": GROUP}]


async def test_an_account_is_invited_and_leaves(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    member = world.add_service_account(organization, [RoleAssignment(role=Role.ORG_MEMBER)])
    robot = world.bearer(await world.buy_token(member))
    here = f"{PROJECT_ACCOUNTS}/{member.account.public_key}"
    statuses = [(await robot.get(f"{V1}/groups/{GROUP}")).status_code]

    invited = await client.post(f"{here}:invite", json={"roles": ["GROUP_READ_ONLY"]})
    statuses.append((await robot.get(f"{V1}/groups/{GROUP}")).status_code)
    changed = await client.patch(here, json={"roles": ["GROUP_BACKUP_MANAGER"]})
    left = await client.delete(here)
    statuses.append((await robot.get(f"{V1}/groups/{GROUP}")).status_code)

    assert statuses == [401, 200, 401]
    assert (invited.status_code, invited.json()["roles"]) == (200, ["GROUP_READ_ONLY"])
    assert (changed.json()["roles"], left.status_code) == (["GROUP_BACKUP_MANAGER"], 204)
    assert code(await client.get(here)) == (404, "SERVICE_ACCOUNT_NOT_FOUND")
    assert (await client.get(f"{ACCOUNTS}/{member.account.public_key}")).status_code == 200


@pytest.mark.parametrize(
    "more",
    [
        RoleAssignment(role=Role.ORG_OWNER),
        RoleAssignment(role=Role.ORG_READ_ONLY),
        RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=OTHER_GROUP),
    ],
    ids=["owner", "reader", "elsewhere"],
)
async def test_a_projects_owner_gets_no_secret_that_opens_more_than_the_project(
    world: World,
    organization: Organization,
    project_owner: httpx.AsyncClient,
    more: RoleAssignment,
) -> None:
    mighty = world.add_service_account(organization, [*OWNER_OF_GROUP, more])
    here = f"{PROJECT_ACCOUNTS}/{mighty.account.public_key}"

    answers = [
        await project_owner.post(f"{here}/secrets", json={"secretExpiresAfterHours": 8}),
        await project_owner.delete(f"{here}/secrets/{mighty.secret.secret.id}"),
        await project_owner.post(f"{here}/accessList", json=[{"ipAddress": "192.0.2.7"}]),
        await project_owner.delete(f"{here}/accessList/127.0.0.1"),
        await project_owner.patch(here, json={"name": "mine"}),
    ]

    assert {code(answer) for answer in answers} == {(401, "USER_UNAUTHORIZED")}
    assert (await project_owner.get(here)).json()["name"] == "robot"


# Secrets


async def test_a_second_secret_works_beside_the_first(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    account = world.add_service_account(organization)
    here = f"{ACCOUNTS}/{account.account.public_key}"

    made = await client.post(f"{here}/secrets", json={"secretExpiresAfterHours": 24})

    tokens = world.services().administration.tokens
    await tokens.issue(account.account.public_key, made.json()["secret"])
    await tokens.issue(account.account.public_key, account.secret.value)
    shown = (await client.get(here)).json()["secrets"]
    assert made.status_code == 201
    assert [each["id"] for each in shown] == [account.secret.secret.id, made.json()["id"]]
    assert {each["lastUsedAt"] for each in shown} == {"2026-03-01T12:00:00Z"}


async def test_a_deleted_secret_takes_its_tokens_along(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    account = world.add_service_account(organization)
    here = f"{ACCOUNTS}/{account.account.public_key}"
    robot = world.bearer(await world.buy_token(account))
    before = (await robot.get(f"{V1}/orgs")).status_code

    deleted = await client.delete(f"{here}/secrets/{account.secret.secret.id}")

    assert (before, deleted.status_code) == (200, 204)
    assert (await robot.get(f"{V1}/orgs")).status_code == 401
    assert (await client.get(here)).json()["secrets"] == []
    again = await client.delete(f"{here}/secrets/{account.secret.secret.id}")
    assert code(again) == (404, "SERVICE_ACCOUNT_SECRET_NOT_FOUND")


async def test_another_accounts_secret_is_not_deleted(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    one, other = (world.add_service_account(organization) for _ in range(2))

    answer = await client.delete(
        f"{ACCOUNTS}/{one.account.public_key}/secrets/{other.secret.secret.id}"
    )

    assert code(answer) == (404, "SERVICE_ACCOUNT_SECRET_NOT_FOUND")
    assert await world.buy_token(other)


async def test_a_deleted_account_takes_its_tokens_along(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    account = world.add_service_account(organization)
    robot = world.bearer(await world.buy_token(account))

    deleted = await client.delete(f"{ACCOUNTS}/{account.account.public_key}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await robot.get(f"{V1}/orgs")).status_code == 401
    assert (await client.get(ACCOUNTS)).json()["results"] == []


# Access lists


async def test_a_list_counts_from_the_next_request_on(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    account = world.add_service_account(organization, access_list=[])
    here = f"{ACCOUNTS}/{account.account.public_key}/accessList"
    robot = world.bearer(await world.buy_token(account))
    statuses = [(await robot.get(f"{V1}/orgs")).status_code]

    made = await client.post(here, json=[{"ipAddress": "127.0.0.1"}])
    statuses.append((await robot.get(f"{V1}/orgs")).status_code)
    refused = await robot.delete(f"{here}/127.0.0.1", headers=ACCEPT)
    removed = await client.delete(f"{here}/127.0.0.1")
    statuses.append((await robot.get(f"{V1}/orgs")).status_code)

    assert statuses == [403, 200, 403]
    assert (made.status_code, made.json()["results"]) == (
        200,
        [
            {
                "cidrBlock": "127.0.0.1/32",
                "createdAt": "2026-03-01T12:00:00Z",
                "ipAddress": "127.0.0.1",
            }
        ],
    )
    assert code(refused) == (400, "CANNOT_REMOVE_CALLER_FROM_WHITELIST")
    assert removed.status_code == 204
    assert code(await client.delete(f"{here}/127.0.0.1")) == (404, "API_KEY_WHITELIST_NOT_FOUND")


async def test_an_entry_that_is_there_is_a_conflict(
    world: World, client: httpx.AsyncClient, organization: Organization
) -> None:
    account = world.add_service_account(organization)
    here = f"{ACCOUNTS}/{account.account.public_key}/accessList"

    answer = await client.post(here, json=[{"cidrBlock": "127.0.0.1/32"}])

    assert code(answer) == (409, "ADDRESS_ALREADY_IN_WHITELIST")
