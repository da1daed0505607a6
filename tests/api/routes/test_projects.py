"""Projects: found, made, changed, closed."""

import httpx
import pytest

from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from telamon.model.instance import Instance
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    ORG,
    OTHER_GROUP,
    READER_OF_GROUP,
    V1,
    World,
)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def ids(answer: httpx.Response) -> list[str]:
    return [each["id"] for each in answer.json()["results"]]


async def make(client: httpx.AsyncClient, name: str, **more: object) -> httpx.Response:
    return await client.post(f"{V1}/groups", json={"name": name, "orgId": ORG, **more})


@pytest.mark.parametrize("path", ["/groups", f"/orgs/{ORG}/groups"])
async def test_projects_stand_by_name_byte_by_byte(
    client: httpx.AsyncClient, atlas: str, path: str
) -> None:
    for name in ("b", "B", "a b", "ä"):
        await make(client, name)

    answer = await client.get(f"{atlas}{path}")

    names = [each["name"] for each in answer.json()["results"]]
    assert names == ["B", "a b", "b", f"project {GROUP}", f"project {OTHER_GROUP}", "ä"]


async def test_pages_of_projects_are_linked(client: httpx.AsyncClient, atlas: str) -> None:
    first = await client.get(f"{atlas}/groups?itemsPerPage=1")

    (following,) = [link for link in first.json()["links"] if link["rel"] == "next"]
    second = await client.get(following["href"])
    assert (ids(first), ids(second)) == ([GROUP], [OTHER_GROUP])
    assert second.json()["totalCount"] == 2
    assert [link["rel"] for link in second.json()["links"]] == ["previous", "self"]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.ORG_READ_ONLY, [GROUP, OTHER_GROUP]),
        (Role.ORG_MEMBER, []),
        (Role.ORG_GROUP_CREATOR, []),
        (Role.GROUP_READ_ONLY, [GROUP]),
    ],
)
async def test_a_caller_sees_the_projects_that_it_may_read(
    world: World, organization: Organization, atlas: str, role: Role, expected: list[str]
) -> None:
    held = RoleAssignment(role=role, group_id=GROUP if role.is_of_project else None)
    client = world.client(world.add_key(organization, [held]))

    answer = await client.get(f"{atlas}/groups")

    assert (ids(answer), answer.json()["totalCount"]) == (expected, len(expected))


@pytest.mark.parametrize(
    ("name", "found"), [("", 2), ("PROJECT 65a", 2), (f"project {GROUP}", 1), ("%", 0), ("_", 0)]
)
async def test_an_organizations_projects_are_found_by_how_their_names_begin(
    client: httpx.AsyncClient, atlas: str, name: str, found: int
) -> None:
    answer = await client.get(f"{atlas}/orgs/{ORG}/groups", params={"name": name})

    assert answer.json()["totalCount"] == found


async def test_a_project_is_found_by_its_name(client: httpx.AsyncClient, atlas: str) -> None:
    made = (await make(client, "a (b), c: d&e@f+g'")).json()

    answer = await client.get(f"{atlas}/groups/byName/a%20%28b%29%2C%20c%3A%20d%26e%40f%2Bg%27")

    assert answer.json()["id"] == made["id"]


@pytest.mark.parametrize("name", ["nobody", "PROJECT 65a000000000000000000002", "a%2Fb"])
async def test_a_name_is_found_exactly_or_not_at_all(
    client: httpx.AsyncClient, atlas: str, name: str
) -> None:
    answer = await client.get(f"{atlas}/groups/byName/{name}")

    assert code(answer) == (404, "GROUP_NAME_NOT_FOUND")
    assert answer.json()["parameters"] == [name.replace("%2F", "/")]


async def test_a_name_that_a_caller_may_not_read_is_told_like_one_that_is_not(
    world: World, organization: Organization, atlas: str
) -> None:
    client = world.client(world.add_key(organization, READER_OF_GROUP))

    answers = [
        await client.get(f"{atlas}/groups/byName/{name}")
        for name in (f"project {OTHER_GROUP}", "nobody")
    ]

    assert {code(answer) for answer in answers} == {(401, "NOT_IN_GROUP")}
    assert answers[0].content == answers[1].content


async def test_instances_are_counted_until_they_are_deleted(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    before = (await client.get(f"{atlas}/groups/{GROUP}")).json()["clusterCount"]
    listed = (await client.get(f"{atlas}/groups")).json()["results"][0]["clusterCount"]

    world.set_deleted(orders.id)

    after = (await client.get(f"{atlas}/groups/{GROUP}")).json()["clusterCount"]
    assert (before, listed, after) == (1, 1, 0)


# Making


async def test_a_new_project_is_there(client: httpx.AsyncClient, atlas: str) -> None:
    tags = [{"key": "env", "value": "test"}]
    made = await client.post(
        f"{atlas}/groups",
        json={"name": "Fresh", "orgId": ORG, "tags": tags, "withDefaultAlertsSettings": False},
    )

    found = await client.get(f"{atlas}/groups/{made.json()['id']}")

    assert (made.status_code, made.json()) == (201, found.json())
    assert found.json()["tags"] == tags
    assert found.json()["withDefaultAlertsSettings"] is False


async def test_who_makes_a_project_owns_it(
    world: World, organization: Organization, atlas: str
) -> None:
    creator = [RoleAssignment(role=Role.ORG_GROUP_CREATOR)]
    client = world.client(world.add_key(organization, creator))
    token = await world.buy_token(world.add_service_account(organization, creator))

    for number, caller in enumerate((client, world.bearer(token))):
        made = await make(caller, f"made {number}")
        here = f"{atlas}/groups/{made.json()['id']}"
        assert (await caller.get(here)).status_code == 200
        assert (await caller.delete(here)).status_code == 202


async def test_a_project_is_made_in_the_callers_organization_only(
    world: World, client: httpx.AsyncClient
) -> None:
    world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP])

    answer = await client.post(f"{V1}/groups", json={"name": "x", "orgId": FOREIGN_ORG})

    assert code(answer) == (401, "USER_CANNOT_ACCESS_ORG")


@pytest.mark.parametrize("name", ["", "a/b", "a\nb", "a\n", "x" * 65, "<b>"])
async def test_a_name_that_is_none_is_refused(client: httpx.AsyncClient, name: str) -> None:
    assert code(await make(client, name)) == (400, "INVALID_GROUP_NAME")
    renamed = await client.patch(f"{V1}/groups/{GROUP}", json={"name": name})
    assert code(renamed) == (400, "INVALID_GROUP_NAME")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"colour": "red"}, "INVALID_ATTRIBUTE"),
        ({"tags": [{"key": "", "value": "x"}]}, "INVALID_ATTRIBUTE"),
        ({"tags": [{"key": "x"}]}, "MISSING_ATTRIBUTE"),
        ({"regionUsageRestrictions": "MARS"}, "INVALID_ENUM_VALUE"),
    ],
)
async def test_a_wrong_body_makes_no_project(
    client: httpx.AsyncClient, more: dict[str, object], expected: str
) -> None:
    assert code(await make(client, "Fresh", **more)) == (400, expected)


@pytest.mark.parametrize(("owner", "status"), [("", 201), (ORG, 201), ("me", 400)])
async def test_the_owner_that_some_clients_name_is_read_and_no_more(
    client: httpx.AsyncClient, atlas: str, owner: str, status: int
) -> None:
    answer = await client.post(
        f"{atlas}/groups?projectOwnerId={owner}", json={"name": "Fresh", "orgId": ORG}
    )

    assert answer.status_code == status


# Changing


async def test_a_project_is_renamed_and_tagged(client: httpx.AsyncClient, atlas: str) -> None:
    here = f"{atlas}/groups/{GROUP}"
    whole = (await client.get(here)).json()
    tags = [{"key": "a", "value": "b"}]

    changed = await client.patch(here, json={**whole, "name": "Renamed", "tags": tags})

    assert changed.json() == {**whole, "name": "Renamed", "tags": tags}
    assert (await client.get(here)).json() == changed.json()


async def test_a_name_that_is_taken_is_refused(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.patch(f"{atlas}/groups/{GROUP}", json={"name": f"project {OTHER_GROUP}"})

    assert code(answer) == (409, "GROUP_ALREADY_EXISTS")


# The end


@pytest.mark.usefixtures("orders")
async def test_a_project_with_instances_is_not_deleted(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.delete(f"{atlas}/groups/{GROUP}")

    assert code(answer) == (409, "CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS")


async def test_a_project_whose_instances_are_deleted_can_be_deleted(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    world.set_deleted(orders.id)

    assert (await client.delete(f"{atlas}/groups/{GROUP}")).status_code == 202


async def test_a_deleted_project_is_gone_for_everybody(
    world: World, client: httpx.AsyncClient, organization: Organization, atlas: str
) -> None:
    reader = world.client(world.add_key(organization, READER_OF_GROUP))

    await client.delete(f"{atlas}/groups/{GROUP}")

    here = f"{atlas}/groups/{GROUP}"
    assert code(await client.get(here)) == (404, "GROUP_NOT_FOUND")
    assert code(await client.get(f"{here}/serverless")) == (404, "GROUP_NOT_FOUND")
    assert code(await client.delete(here)) == (404, "GROUP_NOT_FOUND")
    assert code(await reader.get(here)) == (401, "NOT_IN_GROUP")
    assert ids(await client.get(f"{atlas}/groups")) == [OTHER_GROUP]
    assert ids(await reader.get(f"{atlas}/groups")) == []


async def test_the_name_of_a_deleted_project_is_free(client: httpx.AsyncClient) -> None:
    await client.delete(f"{V1}/groups/{GROUP}")

    made = await make(client, f"project {GROUP}")

    assert made.status_code == 201
    found = await client.get(f"{V1}/groups/byName/project%20{GROUP}")
    assert found.json()["id"] == made.json()["id"] != GROUP


async def test_keys_hold_nothing_in_a_deleted_project(
    client: httpx.AsyncClient, key: NewApiKey
) -> None:
    del key
    made = (
        await client.post(
            f"{V1}/groups/{GROUP}/apiKeys", json={"desc": "x", "roles": ["GROUP_OWNER"]}
        )
    ).json()

    await client.delete(f"{V1}/groups/{GROUP}")

    found = (await client.get(f"{V1}/orgs/{ORG}/apiKeys/{made['id']}")).json()
    assert [role["roleName"] for role in found["roles"]] == ["ORG_MEMBER"]
