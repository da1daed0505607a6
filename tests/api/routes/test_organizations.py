"""Organizations and their settings: shown, made, changed, closed."""

import httpx
import pytest

from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from tests.api.routes.world import FOREIGN_ORG, GROUP, ORG, OTHER_GROUP, World

KEY = {"desc": "the first", "roles": ["ORG_OWNER"]}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def key_of(made: dict[str, str], like: NewApiKey) -> NewApiKey:
    """A key that an answer has shown, to sign with."""
    key = type(like.key)(
        id=made["id"],
        org_id="",
        public_key=made["publicKey"],
        description="",
        created_at=like.key.created_at,
        roles=(),
        access_list=(),
        org_requires_access_list=False,
    )
    return NewApiKey(key=key, private_key=made["privateKey"])


@pytest.mark.parametrize(
    ("name", "found"), [("", 1), ("organization", 1), ("ORG", 1), ("rganization", 0), ("%", 0)]
)
async def test_organizations_are_found_by_how_their_names_begin(
    client: httpx.AsyncClient, atlas: str, name: str, found: int
) -> None:
    answer = (await client.get(f"{atlas}/orgs", params={"name": name})).json()

    assert (len(answer["results"]), answer["totalCount"]) == (found, found)


async def test_a_caller_sees_no_organization_but_its_own(
    world: World, client: httpx.AsyncClient, atlas: str
) -> None:
    world.add_organization(FOREIGN_ORG, groups=[])

    answer = (await client.get(f"{atlas}/orgs")).json()

    assert [each["id"] for each in answer["results"]] == [ORG]


async def test_a_malformed_id_is_told(client: httpx.AsyncClient, atlas: str) -> None:
    assert code(await client.get(f"{atlas}/orgs/mine")) == (404, "INVALID_ORG_ID")


async def test_a_new_organization_comes_with_a_key_that_works(
    world: World, client: httpx.AsyncClient, key: NewApiKey, atlas: str
) -> None:
    made = await client.post(f"{atlas}/orgs", json={"name": "Second", "apiKey": KEY})

    assert made.status_code == 201
    body = made.json()
    other = world.client(key_of(body["apiKey"], key), address="203.0.113.9")
    listed = (await other.get(f"{atlas}/orgs")).json()["results"]
    assert [each["name"] for each in listed] == ["Second"]
    assert listed[0]["id"] == body["organization"]["id"]


async def test_a_new_organization_is_closed_to_who_made_it(
    client: httpx.AsyncClient, atlas: str
) -> None:
    made = (await client.post(f"{atlas}/orgs", json={"name": "Second", "apiKey": KEY})).json()

    answer = await client.get(f"{atlas}/orgs/{made['organization']['id']}")

    assert code(answer) == (401, "USER_CANNOT_ACCESS_ORG")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "x"}, "MISSING_ATTRIBUTE"),
        ({"apiKey": KEY}, "MISSING_ATTRIBUTE"),
        ({"name": "", "apiKey": KEY}, "INVALID_ATTRIBUTE"),
        ({"name": "a/b", "apiKey": KEY}, "INVALID_ATTRIBUTE"),
        ({"name": "x" * 65, "apiKey": KEY}, "INVALID_ATTRIBUTE"),
        ({"name": "x", "apiKey": {**KEY, "roles": []}}, "MISSING_API_KEY_ROLES"),
        ({"name": "x", "apiKey": {**KEY, "roles": ["GROUP_OWNER"]}}, "INVALID_ENUM_VALUE"),
        ({"name": "x", "apiKey": {**KEY, "roles": ["KING"]}}, "INVALID_ENUM_VALUE"),
        ({"name": "x", "apiKey": KEY, "colour": "red"}, "INVALID_ATTRIBUTE"),
    ],
)
async def test_a_wrong_body_makes_no_organization(
    client: httpx.AsyncClient, atlas: str, body: object, expected: str
) -> None:
    assert code(await client.post(f"{atlas}/orgs", json=body)) == (400, expected)


async def test_an_organization_is_renamed(client: httpx.AsyncClient, atlas: str) -> None:
    here = f"{atlas}/orgs/{ORG}"

    changed = await client.patch(here, json={"name": "Renamed", "isDeleted": False})

    assert changed.json() == (await client.get(here)).json()
    assert changed.json()["name"] == "Renamed"


async def test_default_alerts_are_kept(client: httpx.AsyncClient, atlas: str) -> None:
    here = f"{atlas}/orgs/{ORG}"

    await client.patch(here, json={"skipDefaultAlertsSettings": True})

    found = (await client.get(here)).json()
    assert (found["skipDefaultAlertsSettings"], found["name"]) == (True, f"organization {ORG}")


# Settings

DEFAULTS = {
    "apiAccessListRequired": True,
    "genAIFeaturesEnabled": True,
    "maxServiceAccountSecretValidityInHours": 8760,
    "multiFactorAuthRequired": False,
    "restrictEmployeeAccess": False,
    "streamsCrossGroupEnabled": False,
}


async def test_settings_are_these_to_begin_with(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{atlas}/orgs/{ORG}/settings")

    assert list(answer.json().items()) == list(DEFAULTS.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("apiAccessListRequired", False),
        ("genAIFeaturesEnabled", False),
        ("maxServiceAccountSecretValidityInHours", 24),
        ("multiFactorAuthRequired", True),
        ("restrictEmployeeAccess", True),
        ("securityContact", "security@example.net"),
        ("streamsCrossGroupEnabled", True),
    ],
)
async def test_a_setting_changes_alone(
    client: httpx.AsyncClient, atlas: str, name: str, value: object
) -> None:
    here = f"{atlas}/orgs/{ORG}/settings"

    changed = await client.patch(here, json={name: value})

    assert changed.json() == {**DEFAULTS, name: value}
    assert (await client.get(here)).json() == changed.json()


async def test_a_setting_goes_back_to_its_default(client: httpx.AsyncClient, atlas: str) -> None:
    here = f"{atlas}/orgs/{ORG}/settings"
    await client.patch(
        here, json={"securityContact": "x@example.net", "restrictEmployeeAccess": True}
    )

    await client.patch(here, json={"securityContact": "", "restrictEmployeeAccess": False})

    assert (await client.get(here)).json() == DEFAULTS


@pytest.mark.parametrize("hours", [7, 8761, "8"])
async def test_a_secret_may_not_live_longer_than_a_year(
    client: httpx.AsyncClient, atlas: str, hours: object
) -> None:
    answer = await client.patch(
        f"{atlas}/orgs/{ORG}/settings", json={"maxServiceAccountSecretValidityInHours": hours}
    )

    assert code(answer) == (400, "INVALID_ATTRIBUTE")


async def test_the_access_list_is_required_from_the_next_request_on(
    world: World, client: httpx.AsyncClient, organization: Organization, atlas: str
) -> None:
    other = world.client(world.add_key(organization, access_list=[]))
    settings = f"{atlas}/orgs/{ORG}/settings"
    before = await other.get(settings)

    await client.patch(settings, json={"apiAccessListRequired": False})

    assert code(before) == (403, "ORG_REQUIRES_ACCESS_LIST")
    assert (await other.get(settings)).status_code == 200


# The end


async def test_an_organization_with_projects_is_not_deleted(
    client: httpx.AsyncClient, atlas: str
) -> None:
    assert code(await client.delete(f"{atlas}/orgs/{ORG}")) == (409, "ORG_NOT_EMPTY")


async def test_a_deleted_organization_takes_its_keys_along(
    world: World, client: httpx.AsyncClient, organization: Organization, atlas: str
) -> None:
    token = await world.buy_token(world.add_service_account(organization))
    member = world.client(world.add_key(organization, [RoleAssignment(role=Role.ORG_MEMBER)]))
    for group_id in (GROUP, OTHER_GROUP):
        await client.delete(f"{atlas}/groups/{group_id}")

    deleted = await client.delete(f"{atlas}/orgs/{ORG}")

    assert (deleted.status_code, deleted.content) == (204, b"")
    for caller in (client, member, world.bearer(token)):
        assert (await caller.get(f"{atlas}/orgs")).status_code == 401
