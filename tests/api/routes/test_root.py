"""The root, the caller's address, and where Atlas would run clusters."""

import ipaddress
import re

import httpx
import pytest

from telamon.api.asgi import Options
from telamon.model.access import NewApiKey, Organization, Role, RoleAssignment
from tests.api.routes.world import GROUP, ORG, V1, V2, World

REGIONS = f"/groups/{GROUP}/clusters/provider/regions"


async def test_the_root_tells_who_the_caller_is(
    client: httpx.AsyncClient, key: NewApiKey, atlas: str
) -> None:
    body = (await client.get(atlas)).json()

    build = body.pop("build")
    assert re.fullmatch(r"[0-9a-f]{40}", build)
    assert list(body.items()) == [
        (
            "apiKey",
            {
                "accessList": [
                    {"cidrBlock": "127.0.0.1/32", "ipAddress": "127.0.0.1"},
                    {"cidrBlock": "0:0:0:0:0:0:0:1/128", "ipAddress": "0:0:0:0:0:0:0:1"},
                ],
                "id": key.key.id,
                "publicKey": key.key.public_key,
                "roles": [{"orgId": ORG, "roleName": "ORG_OWNER"}],
            },
        ),
        ("appName", "MongoDB Atlas"),
        (
            "links",
            [
                {"href": f"http://telamon.test{atlas}", "rel": "self"},
                {
                    "href": f"http://telamon.test{atlas}/orgs/{ORG}/apiKeys",
                    "rel": "https://cloud.mongodb.com/apiKeys",
                },
            ],
        ),
        ("throttling", False),
    ]


@pytest.mark.parametrize(("prefix", "address"), [(V1, None), (V2, "127.0.0.0")])
async def test_a_network_has_no_address_but_where_the_schema_asks_for_one(
    world: World, organization: Organization, prefix: str, address: str | None
) -> None:
    client = world.client(world.add_key(organization, access_list=["127.0.0.0/8"]))

    body = (await client.get(prefix)).json()

    assert body["apiKey"]["accessList"] == [{"cidrBlock": "127.0.0.0/8", "ipAddress": address}]


async def test_the_root_tells_roles_in_projects(world: World, organization: Organization) -> None:
    held = [
        RoleAssignment(role=Role.GROUP_OWNER, group_id=GROUP),
        RoleAssignment(role=Role.ORG_MEMBER),
    ]
    client = world.client(world.add_key(organization, held))

    assert (await client.get(V1)).json()["apiKey"]["roles"] == [
        {"groupId": GROUP, "roleName": "GROUP_OWNER"},
        {"orgId": ORG, "roleName": "ORG_MEMBER"},
    ]


async def test_a_service_account_is_no_key(world: World, organization: Organization) -> None:
    token = await world.buy_token(world.add_service_account(organization))

    assert (await world.bearer(token).get(V2)).json()["apiKey"] is None


async def test_the_root_may_end_with_a_slash(client: httpx.AsyncClient, atlas: str) -> None:
    assert (await client.get(f"{atlas}/")).json() == (await client.get(atlas)).json()


@pytest.mark.parametrize(
    ("address", "shown"),
    [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7")],
)
async def test_a_caller_learns_its_address(
    world: World, organization: Organization, address: str, shown: str
) -> None:
    key = world.add_key(organization, access_list=["0.0.0.0/0", "::/0"])

    answer = await world.client(key, address=address).get("/api/private/ipinfo")

    assert answer.content == f'{{"currentIpv4Address":"{shown}"}}'.encode()


async def test_behind_a_trusted_proxy_it_is_the_clients(
    world: World, organization: Organization
) -> None:
    key = world.add_key(organization, access_list=["0.0.0.0/0"])
    app = world.app(Options(trusted_proxies=(ipaddress.ip_network("10.0.0.0/8"),)))
    client = world.client(key, app=app, address="10.0.0.1")

    answer = await client.get("/api/private/ipinfo", headers={"X-Forwarded-For": "192.0.2.7"})

    assert answer.json() == {"currentIpv4Address": "192.0.2.7"}


async def test_the_address_asks_for_no_version(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/private/ipinfo", headers={"Accept": "*/*"})

    assert answer.status_code == 200


async def test_regions_have_sizes_and_one_default(client: httpx.AsyncClient, atlas: str) -> None:
    body = (await client.get(f"{atlas}{REGIONS}")).json()

    assert [each["provider"] for each in body["results"]] == ["AWS", "AZURE", "GCP"]
    assert body["totalCount"] == 3
    for provider in body["results"]:
        for size in provider["instanceSizes"]:
            defaults = [each for each in size["availableRegions"] if each["default"]]
            assert len(defaults) == 1


async def test_regions_are_narrowed_by_provider_and_tier(
    client: httpx.AsyncClient, atlas: str
) -> None:
    query = "?includeCount=true&providers=AWS&providers=GCP&tier=M10"

    results = (await client.get(f"{atlas}{REGIONS}{query}")).json()["results"]

    assert [each["provider"] for each in results] == ["AWS", "GCP"]
    sizes = [[size["name"] for size in each["instanceSizes"]] for each in results]
    assert sizes == [["M10"], ["M10"]]
    assert {"default": True, "name": "US_EAST_1"} in results[0]["instanceSizes"][0][
        "availableRegions"
    ]


async def test_a_provider_that_is_none_has_no_regions(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"{V1}{REGIONS}?providers=MOON")).json()["results"] == []
