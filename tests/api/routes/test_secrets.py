"""What no answer, log line or database file may hold."""

import httpx
import pytest
from structlog.testing import capture_logs

from telamon.model.access import NewApiKey, Organization, digest_secret
from telamon.model.instance import Instance
from tests.api.routes.backups import add_snapshot
from tests.api.routes.world import GROUP, OWNER_OF_GROUP, READER_OF_GROUP, SNAPSHOT_ID, V1, World


async def connection_string(client: httpx.AsyncClient, prefix: str) -> object:
    answer = await client.get(f"{prefix}/groups/{GROUP}/serverless/orders")
    return answer.json()["connectionStrings"]["standardSrv"]


async def test_a_reader_of_the_project_sees_no_credentials(
    world: World, organization: Organization, orders: Instance, atlas: str
) -> None:
    del orders
    client = world.client(world.add_key(organization, READER_OF_GROUP))

    assert await connection_string(client, atlas) == "mongodb://127.0.0.1:27101/"


async def test_a_reader_of_the_project_sees_no_credentials_in_the_list(
    world: World, organization: Organization, orders: Instance, atlas: str
) -> None:
    client = world.client(world.add_key(organization, READER_OF_GROUP))

    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless")

    assert [word for word in world.passwords(orders.id) if word in answer.text] == []


async def test_an_owner_of_the_project_sees_the_owners_credentials(
    world: World, organization: Organization, orders: Instance, atlas: str
) -> None:
    _, password = world.passwords(orders.id)
    client = world.client(world.add_key(organization, OWNER_OF_GROUP))

    assert await connection_string(client, atlas) == (
        f"mongodb://owner:{password}@127.0.0.1:27101/?authSource=admin&replicaSet=telamon"
    )


async def test_nobody_sees_telamons_own_password(
    world: World, client: httpx.AsyncClient, orders: Instance, atlas: str
) -> None:
    password, _ = world.passwords(orders.id)

    answer = await client.get(f"{atlas}/groups/{GROUP}/serverless/orders")

    assert password not in answer.text


@pytest.mark.usefixtures("orders")
async def test_the_database_file_holds_neither_private_key_nor_ha1(
    world: World, client: httpx.AsyncClient, key: NewApiKey
) -> None:
    await client.get(f"{V1}/groups/{GROUP}/serverless")
    ha1 = digest_secret(key.key.public_key, key.private_key)

    stored = world.bytes_on_disk()

    secrets = (key.private_key.encode(), ha1.encode(), bytes.fromhex(ha1))
    assert [secret for secret in secrets if secret in stored] == []


async def test_the_database_file_does_hold_the_public_key(world: World, key: NewApiKey) -> None:
    # So that the test above searches where it would find something.
    assert key.key.public_key.encode() in world.bytes_on_disk()


async def test_the_database_file_holds_no_password_of_an_instance(
    world: World, orders: Instance
) -> None:
    stored = world.bytes_on_disk()

    assert [word for word in world.passwords(orders.id) if word.encode() in stored] == []


async def test_a_keys_representation_does_not_show_its_secrets(
    world: World, key: NewApiKey
) -> None:
    known = await world.access.find_key(key.key.public_key)
    ha1 = digest_secret(key.key.public_key, key.private_key)

    text = f"{key!r} {known!r}"

    assert (key.private_key in text, ha1 in text) == (False, False)


@pytest.mark.parametrize(
    "request_parts",
    [
        ("GET", "/serverless", None),
        ("GET", "/serverless/orders", None),
        ("GET", "/serverless/orders/backup/restoreJobs", None),
        (
            "POST",
            "/serverless/orders/backup/restoreJobs",
            {
                "deliveryType": "automated",
                "snapshotId": SNAPSHOT_ID,
                "targetClusterName": "orders",
                "targetGroupId": GROUP,
            },
        ),
        ("DELETE", "/serverless/orders", None),
    ],
)
async def test_no_request_logs_a_secret(
    world: World,
    client: httpx.AsyncClient,
    key: NewApiKey,
    orders: Instance,
    request_parts: tuple[str, str, object],
) -> None:
    add_snapshot(world, orders)
    method, path, body = request_parts

    with capture_logs() as logs:
        await client.request(method, f"{V1}/groups/{GROUP}{path}", json=body)

    secrets = (key.private_key, *world.passwords(orders.id))
    assert [secret for secret in secrets if secret in repr(logs)] == []
