"""From which addresses a key may be used, and whose word on the address counts."""

import ipaddress

import httpx
import pytest

from telamon.api.asgi import Options
from telamon.model.access import NewApiKey, Organization
from telamon.model.instance import Instance
from tests.api.routes.world import FOREIGN_GROUP, FOREIGN_ORG, GROUP, OWN, V1, World

INSTANCES = f"{V1}/groups/{GROUP}/serverless"
LISTED_ONLY = {
    "v1.0": f"{V1}/groups/{GROUP}/serverless/orders/backup/restoreJobs",
    "v2": f"/api/atlas/v2/groups/{GROUP}/serverless/orders/backup/restoreJobs",
    "own": f"{OWN}/groups/{GROUP}/instances/orders/restoreJobs/65a0000000000000000000c1",
}
PROXIES = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))

pytestmark = pytest.mark.usefixtures("orders")


def code(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.7/32", "192.0.2.7"),
        ("192.0.2.0/24", "192.0.2.0"),
        ("192.0.2.0/24", "192.0.2.255"),
        ("0.0.0.0/0", "203.0.113.9"),
        ("2001:db8::7/128", "2001:db8::7"),
        ("2001:db8::/32", "2001:db8:ffff::1"),
        ("2001:db8::7/128", "2001:0DB8:0:0:0:0:0:7"),
        ("::/0", "2001:db8::1"),
        ("192.0.2.7/32", "::ffff:192.0.2.7"),
        ("192.0.2.0/24", "::ffff:c000:0201"),
    ],
)
async def test_a_listed_address_is_let_in(
    world: World, organization: Organization, entry: str, address: str
) -> None:
    key = world.add_key(organization, access_list=["198.51.100.1/32", entry])

    answer = await world.client(key, address=address).get(INSTANCES)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("192.0.2.7/32", "192.0.2.8"),
        ("192.0.2.0/24", "192.0.3.0"),
        ("2001:db8::7/128", "2001:db8::8"),
        ("0.0.0.0/0", "2001:db8::1"),
        ("::/0", "192.0.2.7"),
        ("192.0.2.7/32", "::ffff:192.0.2.8"),
        ("192.0.2.7/32", "::192.0.2.7"),
    ],
)
async def test_another_address_is_not(
    world: World, organization: Organization, entry: str, address: str
) -> None:
    key = world.add_key(organization, access_list=[entry])

    answer = await world.client(key, address=address).get(INSTANCES)

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", [address])


@pytest.mark.parametrize("path", LISTED_ONLY.values(), ids=LISTED_ONLY)
async def test_another_address_gets_this_answer_from_restore_jobs_too(
    world: World, key: NewApiKey, path: str
) -> None:
    answer = await world.client(key, address="203.0.113.9").get(path)

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "detail": "IP address 203.0.113.9 is not allowed to access this resource.",
            "error": 403,
            "errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST",
            "parameters": ["203.0.113.9"],
            "reason": "Forbidden",
        },
    )


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_a_key_for_this_machine_is_let_in_from_it(
    world: World, key: NewApiKey, address: str
) -> None:
    answer = await world.client(key, address=address).get(INSTANCES)

    assert answer.status_code == 200


async def test_an_address_that_is_none_is_refused(world: World, key: NewApiKey) -> None:
    answer = await world.client(key, address="unix").get(INSTANCES)

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", ["unix"])


# Empty lists


async def test_an_empty_list_is_refused_where_the_organization_asks_for_one(
    world: World, organization: Organization, atlas: str
) -> None:
    key = world.add_key(organization, access_list=[])

    answer = await world.client(key).get(f"{atlas}/groups/{GROUP}/serverless")

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "detail": "This organization requires access through an access list of ip ranges.",
            "error": 403,
            "errorCode": "ORG_REQUIRES_ACCESS_LIST",
            "parameters": ["127.0.0.1"],
            "reason": "Forbidden",
        },
    )


@pytest.mark.parametrize("path", LISTED_ONLY.values(), ids=LISTED_ONLY)
async def test_restore_jobs_refuse_an_empty_list_in_words_of_their_own(
    world: World, organization: Organization, path: str
) -> None:
    key = world.add_key(organization, access_list=[])

    answer = await world.client(key).get(path)

    assert (answer.status_code, answer.json()) == (
        403,
        {
            "detail": "This resource requires access through an access list of ip ranges.",
            "error": 403,
            "errorCode": "RESOURCE_REQUIRES_ACCESS_LIST",
            "parameters": ["127.0.0.1"],
            "reason": "Forbidden",
        },
    )


async def test_a_new_restore_job_refuses_an_empty_list_too(
    world: World, organization: Organization, atlas: str
) -> None:
    key = world.add_key(organization, access_list=[])
    path = f"{atlas}/groups/{GROUP}/serverless/orders/backup/restoreJobs"

    answer = await world.client(key).post(path, json={})

    assert code(answer) == (403, "RESOURCE_REQUIRES_ACCESS_LIST", ["127.0.0.1"])


async def test_snapshots_refuse_an_empty_list_in_the_organizations_words(
    world: World, organization: Organization, atlas: str
) -> None:
    key = world.add_key(organization, access_list=[])

    path = f"{atlas}/groups/{GROUP}/serverless/orders/backup/snapshots"
    answer = await world.client(key).get(path)

    assert code(answer) == (403, "ORG_REQUIRES_ACCESS_LIST", ["127.0.0.1"])


@pytest.mark.parametrize("path", ["", "/here/backup/restoreJobs", "/here/backup/snapshots"])
async def test_an_empty_list_lets_anybody_in_where_the_organization_asks_for_none(
    world: World, atlas: str, path: str
) -> None:
    relaxed = world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP], requires_list=False)
    world.add_instance("here", instance_id="65b0000000000000000000a1", group_id=FOREIGN_GROUP)
    key = world.add_key(relaxed, access_list=[])

    client = world.client(key, address="203.0.113.9")
    answer = await client.get(f"{atlas}/groups/{FOREIGN_GROUP}/serverless{path}")

    assert answer.status_code == 200


async def test_a_list_counts_even_where_the_organization_asks_for_none(world: World) -> None:
    relaxed = world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP], requires_list=False)
    key = world.add_key(relaxed)

    client = world.client(key, address="203.0.113.9")
    answer = await client.get(f"{V1}/groups/{FOREIGN_GROUP}/serverless")

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", ["203.0.113.9"])


# Proxies


async def seen_as(world: World, organization: Organization, peer: str, *forwarded: str) -> str:
    """Which address a request is taken to come from."""
    key = world.add_key(organization, access_list=["198.51.100.255/32"])
    app = world.app(Options(trusted_proxies=PROXIES))
    client = world.client(key, app=app, address=peer)
    headers = [("X-Forwarded-For", value) for value in forwarded]
    address = (await client.get(INSTANCES, headers=headers)).json()["parameters"][0]
    assert isinstance(address, str)
    return address


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", ["127.0.0.1"], "203.0.113.9"),
        ("203.0.113.9", ["10.0.0.1"], "203.0.113.9"),
        ("127.0.0.1", ["192.0.2.1"], "127.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, 10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        ("10.0.0.1", ["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["127.0.0.1", "192.0.2.1, 10.3.2.1"], "192.0.2.1"),
        ("10.0.0.1", ["127.0.0.1, 192.0.2.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [" , 192.0.2.1 ,"], "192.0.2.1"),
        ("10.0.0.1", ["192.0.2.1, unknown"], "unknown"),
    ],
)
async def test_a_proxy_is_believed_about_its_peer_and_no_further(
    world: World, organization: Organization, peer: str, forwarded: list[str], address: str
) -> None:
    assert await seen_as(world, organization, peer, *forwarded) == address


async def test_nobody_is_believed_unless_told_so(world: World, key: NewApiKey) -> None:
    client = world.client(key, address="203.0.113.9")

    answer = await client.get(INSTANCES, headers={"X-Forwarded-For": "127.0.0.1"})

    assert code(answer) == (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", ["203.0.113.9"])


async def test_a_listed_client_behind_a_trusted_proxy_is_let_in(
    world: World, organization: Organization, orders: Instance
) -> None:
    key = world.add_key(organization, access_list=["192.0.2.1/32"])
    app = world.app(Options(trusted_proxies=PROXIES))
    client = world.client(key, app=app, address="10.0.0.1")

    answer = await client.get(
        f"{INSTANCES}/{orders.name}", headers={"X-Forwarded-For": "127.0.0.1, 192.0.2.1"}
    )

    assert answer.status_code == 200
