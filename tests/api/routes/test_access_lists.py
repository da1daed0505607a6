"""Access lists of keys and of projects, under both of their names."""

import httpx
import pytest

from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from tests.api.routes.world import GROUP, ORG, V1, V2, World

HERE = "127.0.0.1"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


def blocks(answer: httpx.Response) -> list[str]:
    return [each["cidrBlock"] for each in answer.json()["results"]]


@pytest.fixture
def other(world: World, organization: Organization) -> NewApiKey:
    """Another member of the organization, whose list is empty."""
    return world.add_key(organization, [RoleAssignment(role=Role.ORG_MEMBER)], access_list=[])


@pytest.fixture(params=[f"{V1} accessList", f"{V1} whitelist", f"{V2} accessList"])
def entries(request: pytest.FixtureRequest, other: NewApiKey) -> str:
    """The path of the other key's list, under each of its names."""
    prefix, _, name = request.param.partition(" ")
    return f"{prefix}/orgs/{ORG}/apiKeys/{other.key.id}/{name}"


@pytest.fixture(params=[f"{V1} accessList", f"{V1} whitelist", f"{V2} accessList"])
def permissions(request: pytest.FixtureRequest) -> str:
    """The path of the project's list, under each of its names."""
    prefix, _, name = request.param.partition(" ")
    return f"{prefix}/groups/{GROUP}/{name}"


# Keys


async def test_entries_are_addresses_and_networks(client: httpx.AsyncClient, entries: str) -> None:
    new = [{"ipAddress": "192.0.2.7"}, {"cidrBlock": "10.1.2.3/8"}, {"ipAddress": "2001:db8::7"}]

    made = await client.post(entries, json=new)

    assert made.status_code == 200
    assert made.json()["totalCount"] == 3
    assert [(each["cidrBlock"], each.get("ipAddress")) for each in made.json()["results"]] == [
        ("10.0.0.0/8", None),
        ("192.0.2.7/32", "192.0.2.7"),
        ("2001:db8:0:0:0:0:0:7/128", "2001:db8:0:0:0:0:0:7"),
    ]
    assert (await client.get(entries)).json()["results"] == made.json()["results"]


async def test_an_entry_is_found_where_its_link_points(
    client: httpx.AsyncClient, entries: str
) -> None:
    new = [{"ipAddress": "192.0.2.7"}, {"cidrBlock": "10.0.0.0/8"}, {"cidrBlock": "2001:db8::/32"}]
    made = (await client.post(entries, json=new)).json()

    for entry in made["results"]:
        (link,) = entry["links"]
        assert link["href"].startswith(f"http://telamon.test{entries}/")
        assert (await client.get(link["href"])).json() == entry
        assert (await client.delete(link["href"])).status_code == 204
    assert (await client.get(entries)).json()["results"] == []


async def test_an_entry_that_is_there_is_a_conflict_and_none_is_added(
    client: httpx.AsyncClient, entries: str
) -> None:
    await client.post(entries, json=[{"ipAddress": "192.0.2.7"}])

    answer = await client.post(
        entries, json=[{"ipAddress": "192.0.2.8"}, {"cidrBlock": "192.0.2.7/32"}]
    )

    assert code(answer) == (409, "ADDRESS_ALREADY_IN_WHITELIST")
    assert blocks(await client.get(entries)) == ["192.0.2.7/32"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([{}], "MISSING_ATTRIBUTE"),
        ([{"ipAddress": "10.0.0.0/8"}], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
        ([{"cidrBlock": "10.0.0.0/33"}], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
        ([{"ipAddress": "everywhere"}], "INVALID_IP_ADDRESS_OR_CIDR_NOTATION"),
        (
            [{"ipAddress": "10.0.0.1", "cidrBlock": "10.0.0.2/32"}],
            "MULTIPLE_VALUES_SPECIFIED_FOR_ONE_NETWORK_PERMISSION_ENTRY",
        ),
        ([{"ipAddress": "10.0.0.1", "comment": "x"}], "INVALID_ATTRIBUTE"),
        ({"ipAddress": "10.0.0.1"}, "INVALID_JSON"),
    ],
)
async def test_a_wrong_body_adds_no_entry(
    client: httpx.AsyncClient, entries: str, body: object, expected: str
) -> None:
    assert code(await client.post(entries, json=body)) == (400, expected)
    assert blocks(await client.get(entries)) == []


async def test_both_names_of_one_address_are_one_entry(
    client: httpx.AsyncClient, entries: str
) -> None:
    """What a client has read, it may send back."""
    body = [{"ipAddress": "10.0.0.1", "cidrBlock": "10.0.0.1/32", "count": 0, "links": []}]

    assert blocks(await client.post(entries, json=body)) == ["10.0.0.1/32"]


@pytest.mark.parametrize("text", ["192.0.2.9", "10.0.0.0%2F8", "nonsense"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_entry_is_not_found(
    client: httpx.AsyncClient, entries: str, method: str, text: str
) -> None:
    answer = await client.request(method, f"{entries}/{text}")

    assert code(answer) == (404, "API_KEY_WHITELIST_NOT_FOUND")


async def test_a_list_counts_from_the_next_request_on(
    world: World, client: httpx.AsyncClient, entries: str, other: NewApiKey
) -> None:
    caller = world.client(other)
    here = f"{V1}/orgs"
    statuses = [(await caller.get(here)).status_code]

    await client.post(entries, json=[{"ipAddress": HERE}])
    statuses.append((await caller.get(here)).status_code)
    await client.delete(f"{entries}/{HERE}")
    statuses.append((await caller.get(here)).status_code)

    assert statuses == [403, 200, 403]


async def test_a_key_changes_its_own_list_and_no_others(
    world: World, organization: Organization, other: NewApiKey
) -> None:
    member = world.add_key(organization, [RoleAssignment(role=Role.ORG_MEMBER)])
    client = world.client(member)
    new = [{"ipAddress": "192.0.2.7"}]

    own = await client.post(f"{V1}/orgs/{ORG}/apiKeys/{member.key.id}/accessList", json=new)
    others = await client.post(f"{V1}/orgs/{ORG}/apiKeys/{other.key.id}/accessList", json=new)

    assert own.status_code == 200
    assert code(others) == (401, "API_KEY_ACCESS_LIST_ACCESS_DENIED")


async def test_a_key_does_not_shut_itself_out(client: httpx.AsyncClient, key: NewApiKey) -> None:
    own = f"{V1}/orgs/{ORG}/apiKeys/{key.key.id}/accessList"

    refused = await client.delete(f"{own}/{HERE}")
    await client.post(own, json=[{"cidrBlock": "127.0.0.0/8"}])
    removed = await client.delete(f"{own}/{HERE}")

    assert code(refused) == (400, "CANNOT_REMOVE_CALLER_FROM_WHITELIST")
    assert (removed.status_code, blocks(await client.get(own))) == (
        204,
        ["127.0.0.0/8", "0:0:0:0:0:0:0:1/128"],
    )


# Projects


async def test_permissions_are_addresses_networks_and_groups(
    client: httpx.AsyncClient, permissions: str
) -> None:
    new = [
        {"ipAddress": "192.0.2.7", "comment": "one"},
        {"cidrBlock": "10.0.0.0/8"},
        {"awsSecurityGroup": "sg-0123abc", "deleteAfterDate": "2026-03-01T14:00:00+01:00"},
    ]

    made = await client.post(permissions, json=new)

    assert made.status_code == 201
    shown = [
        {key: value for key, value in each.items() if key not in ("links", "groupId")}
        for each in made.json()["results"]
    ]
    assert shown == [
        {"cidrBlock": "10.0.0.0/8"},
        {"cidrBlock": "192.0.2.7/32", "comment": "one", "ipAddress": "192.0.2.7"},
        {"awsSecurityGroup": "sg-0123abc", "deleteAfterDate": "2026-03-01T13:00:00Z"},
    ]


async def test_a_permission_is_found_where_its_link_points(
    client: httpx.AsyncClient, permissions: str
) -> None:
    new = [{"ipAddress": "192.0.2.7"}, {"cidrBlock": "2001:db8::/32"}, {"awsSecurityGroup": "sg-1"}]
    made = (await client.post(permissions, json=new)).json()

    for entry in made["results"]:
        (link,) = entry["links"]
        assert link["href"].startswith(f"http://telamon.test{permissions}/")
        assert (await client.get(link["href"])).json() == entry
        status = await client.get(f"{link['href']}/status")
        assert status.json() == {"STATUS": "ACTIVE"}
        assert (await client.delete(link["href"])).status_code == 204
    assert (await client.get(permissions)).json()["totalCount"] == 0


async def test_a_permission_that_is_there_is_replaced(
    client: httpx.AsyncClient, permissions: str
) -> None:
    for comment in ("old", "new"):
        await client.post(permissions, json=[{"ipAddress": "192.0.2.7", "comment": comment}])

    listed = (await client.get(permissions)).json()

    assert [each["comment"] for each in listed["results"]] == ["new"]


async def test_a_permission_ends_on_its_date(
    world: World, client: httpx.AsyncClient, permissions: str
) -> None:
    body = [{"ipAddress": "192.0.2.7", "deleteAfterDate": "2026-03-01T13:00:00Z"}]
    await client.post(permissions, json=body)
    world.clock.advance(minutes=59)
    before = (await client.get(permissions)).json()["totalCount"]
    world.clock.advance(minutes=1)

    after = (await client.get(permissions)).json()["totalCount"]

    assert (before, after) == (1, 0)
    answer = await client.get(f"{permissions}/192.0.2.7")
    assert code(answer) == (404, "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([{"comment": "x"}], "MISSING_ATTRIBUTE"),
        ([{"awsSecurityGroup": "group"}], "INVALID_ATTRIBUTE"),
        (
            [{"awsSecurityGroup": "sg-1", "ipAddress": "10.0.0.1"}],
            "MULTIPLE_VALUES_SPECIFIED_FOR_ONE_NETWORK_PERMISSION_ENTRY",
        ),
        ([{"ipAddress": "10.0.0.1", "comment": "x" * 81}], "INVALID_ATTRIBUTE"),
        (
            [{"ipAddress": "10.0.0.1", "deleteAfterDate": "2026-03-01T12:00:00Z"}],
            "EXPIRATION_DATE_IN_PAST",
        ),
        ([{"ipAddress": "10.0.0.1", "deleteAfterDate": "tomorrow"}], "INVALID_ATTRIBUTE"),
        (
            [{"ipAddress": "10.0.0.1", "deleteAfterDate": "2027-01-01T00:00:00"}],
            "INVALID_ATTRIBUTE",
        ),
    ],
)
async def test_a_wrong_body_adds_no_permission(
    client: httpx.AsyncClient, permissions: str, body: object, expected: str
) -> None:
    assert code(await client.post(permissions, json=body)) == (400, expected)
    assert (await client.get(permissions)).json()["totalCount"] == 0


async def test_the_old_names_are_not_on_v2(client: httpx.AsyncClient, other: NewApiKey) -> None:
    for path in (f"/groups/{GROUP}/whitelist", f"/orgs/{ORG}/apiKeys/{other.key.id}/whitelist"):
        assert code(await client.get(f"{V2}{path}")) == (404, "RESOURCE_NOT_FOUND")
