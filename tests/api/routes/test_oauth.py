"""The token endpoint: what buys a token, what gives it back, and how often one may ask."""

import asyncio
import base64
import ipaddress
from collections.abc import Callable

import httpx
import pytest
from structlog.testing import capture_logs

from telamon.api.asgi import Options
from telamon.model.access import Organization
from telamon.model.service_account import NewServiceAccount
from tests.api.routes.world import OWN, V1, V2, World

TOKEN = "/api/oauth/token"
REVOKE = "/api/oauth/revoke"
GRANT = {"grant_type": "client_credentials"}
INVALID_CLIENT = {"error_description": "Invalid credentials provided.", "error": "invalid_client"}


@pytest.fixture
def robot(world: World, organization: Organization) -> NewServiceAccount:
    return world.add_service_account(organization)


@pytest.fixture
def anonymous(world: World) -> httpx.AsyncClient:
    return world.client()


def pair(robot: NewServiceAccount) -> tuple[str, str]:
    return robot.account.public_key, robot.secret.value


def in_form(robot: NewServiceAccount) -> dict[str, str]:
    client_id, secret = pair(robot)
    return {"client_id": client_id, "client_secret": secret}


async def buy(client: httpx.AsyncClient, robot: NewServiceAccount) -> str:
    answer = await client.post(TOKEN, data=GRANT, auth=pair(robot))
    assert answer.status_code == 200
    return str(answer.json()["access_token"])


async def status(world: World, token: str, *, address: str = "127.0.0.1") -> int:
    return (await world.bearer(token, address=address).get(f"{V1}/orgs")).status_code


# Buying


async def test_credentials_in_the_header_buy_a_token_for_an_hour(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    answer = await anonymous.post(TOKEN, data=GRANT, auth=pair(robot))

    body = answer.json()
    assert list(body) == ["access_token", "expires_in", "token_type"]
    assert (answer.status_code, body["expires_in"], body["token_type"]) == (200, 3600, "Bearer")
    assert len(body["access_token"]) >= 43
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_credentials_in_the_form_do_too(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    answer = await anonymous.post(TOKEN, data={**GRANT, **in_form(robot)})

    assert await status(world, answer.json()["access_token"]) == 200


async def test_credentials_in_the_header_may_be_form_encoded(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    """As RFC 6749 section 2.3.1 asks, and some clients do."""
    client_id, secret = pair(robot)
    encoded = f"{client_id.replace('_', '%5F')}:{secret.replace('_', '%5F')}"
    header = f"basic {base64.b64encode(encoded.encode()).decode()}"

    answer = await anonymous.post(TOKEN, data=GRANT, headers={"Authorization": header})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", [f"{V1}/orgs", f"{V2}/orgs", "/api/private/ipinfo"])
async def test_a_token_opens_every_surface(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount, path: str
) -> None:
    client = world.bearer(await buy(anonymous, robot))

    assert (await client.get(path)).status_code == 200
    # Found, so that the caller was known: it is the path that is not.
    assert (await client.get(f"{OWN}/nowhere")).status_code == 404


async def test_a_token_may_be_used_again_and_again_and_for_writes(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    client = world.bearer(await buy(anonymous, robot))
    org_id = robot.account.org_id

    answers = [
        await client.patch(f"{V1}/orgs/{org_id}", json={"name": f"n{number}"})
        for number in range(3)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_written_in_any_case(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount, scheme: str
) -> None:
    token = await buy(anonymous, robot)

    answer = await anonymous.get(f"{V1}/orgs", headers={"Authorization": f"{scheme} {token}"})

    assert answer.status_code == 200
    del world


async def test_every_process_knows_a_token(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    token = await buy(anonymous, robot)

    elsewhere = world.bearer(token, app=world.app())

    assert (await elsewhere.get(f"{V1}/orgs")).status_code == 200


async def test_each_token_is_another(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    assert len({await buy(anonymous, robot) for _ in range(3)}) == 3


async def test_a_token_is_in_no_file_and_no_log(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    with capture_logs() as logs:
        token = await buy(anonymous, robot)
        await status(world, token)
        await status(world, f"{token}x")

    assert token.encode() not in world.bytes_on_disk()
    assert token not in str(logs)
    assert robot.secret.value not in f"{logs}{robot}"


# Refusals


def _basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


WRONG: dict[str, Callable[[str, str], dict[str, str]]] = {
    "nothing": lambda client_id, secret: {},
    "another secret": lambda client_id, secret: {"Authorization": _basic(f"{client_id}:{secret}x")},
    "no secret": lambda client_id, secret: {"Authorization": _basic(f"{client_id}:")},
    "another client": lambda client_id, secret: {
        "Authorization": _basic(f"mdb_sa_id_{'a' * 24}:{secret}")
    },
    "no client": lambda client_id, secret: {"Authorization": _basic(f":{secret}")},
    "its id alone": lambda client_id, secret: {
        "Authorization": _basic(f"{client_id[-24:]}:{secret}")
    },
    "no base64": lambda client_id, secret: {"Authorization": f"Basic {client_id}:{secret}"},
    "no text": lambda client_id, secret: {"Authorization": "Basic /////w=="},
    "another scheme": lambda client_id, secret: {"Authorization": f"Bearer {secret}"},
}


@pytest.mark.parametrize("path", [TOKEN, REVOKE])
@pytest.mark.parametrize("wrong", WRONG)
async def test_wrong_credentials_are_refused(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount, path: str, wrong: str
) -> None:
    headers = WRONG[wrong](*pair(robot))

    answer = await anonymous.post(path, data={**GRANT, "token": "x"}, headers=headers)

    assert (answer.status_code, answer.json()) == (401, INVALID_CLIENT)
    assert list(answer.json()) == ["error_description", "error"]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": ""}, "unsupported_grant_type"),
        ({"grant_type": ["client_credentials", "client_credentials"]}, "invalid_request"),
    ],
)
async def test_another_grant_is_refused(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount, data: dict[str, str], error: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await anonymous.post(TOKEN, data=data, auth=pair(robot), headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (400, error)


async def test_another_content_type_is_refused(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    answer = await anonymous.post(TOKEN, json=GRANT, auth=pair(robot))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_body_without_end_is_refused(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    data = {**GRANT, "more": "x" * 1024 * 1024}

    answer = await anonymous.post(TOKEN, data=data, auth=pair(robot))

    assert (answer.status_code, answer.json()["error"]) == (413, "invalid_request")


@pytest.mark.parametrize("path", [TOKEN, REVOKE])
async def test_nothing_but_a_post_is_answered(anonymous: httpx.AsyncClient, path: str) -> None:
    answer = await anonymous.get(path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


async def test_a_secret_works_until_it_expires(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    world.clock.advance(hours=8, seconds=-1)
    before = await anonymous.post(TOKEN, data=GRANT, auth=pair(robot))
    world.clock.advance(seconds=1)

    after = await anonymous.post(TOKEN, data=GRANT, auth=pair(robot))

    assert (before.status_code, after.status_code, after.json()) == (200, 401, INVALID_CLIENT)


async def test_an_outage_is_told_in_this_shape_too(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    with world.db.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE access_token")

    answer = await anonymous.post(TOKEN, data=GRANT, auth=pair(robot))

    assert (answer.status_code, answer.json()) == (
        503,
        {"error_description": "Unexpected error.", "error": "server_error"},
    )


# The end of a token


async def test_a_token_lives_an_hour(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    token = await buy(anonymous, robot)
    world.clock.advance(minutes=59, seconds=59)
    before = await status(world, token)
    world.clock.advance(seconds=1)

    assert (before, await status(world, token)) == (200, 401)


@pytest.mark.parametrize("token", ["", "x", "eyJhbGciOiJIUzI1NiJ9.e30.x", "ü", "a b"])
async def test_an_unknown_token_gets_an_empty_401_with_a_digest_challenge(
    anonymous: httpx.AsyncClient, token: str
) -> None:
    header = f"Bearer {token}".encode()

    answer = await anonymous.get(f"{V2}/orgs", headers=[(b"Authorization", header)])

    assert (answer.status_code, answer.content) == (401, b"")
    assert [value[:7] for value in answer.headers.get_list("www-authenticate")] == ["Digest "]


async def test_a_token_beside_other_credentials_is_refused(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    token = await buy(anonymous, robot)
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Basic eDp5")]

    assert (await anonymous.get(f"{V1}/orgs", headers=headers)).status_code == 401


async def test_a_revoked_token_lets_nobody_in(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    token, other = await buy(anonymous, robot), await buy(anonymous, robot)
    data = {"token": token, "token_type_hint": "access_token"}

    answer = await anonymous.post(REVOKE, data=data, auth=pair(robot))

    assert (answer.status_code, answer.content) == (200, b"")
    assert (await status(world, token), await status(world, other)) == (401, 200)


async def test_a_token_is_revoked_by_its_own_account_only(
    world: World,
    anonymous: httpx.AsyncClient,
    robot: NewServiceAccount,
    organization: Organization,
) -> None:
    token = await buy(anonymous, robot)
    other = world.add_service_account(organization)

    answer = await anonymous.post(REVOKE, data={"token": token, **in_form(other)})

    assert (answer.status_code, await status(world, token)) == (200, 200)


@pytest.mark.parametrize("data", [{"token": "unknown"}, {"token": "x", "token_type_hint": "y"}])
async def test_an_unknown_token_is_as_good_as_revoked(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount, data: dict[str, str]
) -> None:
    answer = await anonymous.post(REVOKE, data={**data, **in_form(robot)})

    assert (answer.status_code, answer.content) == (200, b"")


async def test_a_revocation_of_nothing_is_refused(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    answer = await anonymous.post(REVOKE, data=in_form(robot))

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# From where


async def test_the_list_counts_where_a_token_is_used_not_where_it_is_bought(
    world: World, robot: NewServiceAccount
) -> None:
    token = await buy(world.client(address="203.0.113.9"), robot)

    assert await status(world, token) == 200
    assert await status(world, token, address="203.0.113.9") == 403


# How often


async def statuses(client: httpx.AsyncClient, robot: NewServiceAccount, times: int) -> list[int]:
    return [
        (await client.post(TOKEN, data=GRANT, auth=pair(robot))).status_code for _ in range(times)
    ]


async def test_ten_tokens_a_minute_and_no_more(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    assert await statuses(anonymous, robot, 11) == [200] * 10 + [429]
    world.clock.advance(seconds=20)

    answer = await anonymous.post(TOKEN, data=GRANT, auth=pair(robot))

    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (
        429,
        {
            "error_description": "Resource http://telamon.test/api/oauth/token is limited to "
            "10 requests every 1 minutes.",
            "error": "rate_limited",
        },
        "40",
    )


async def test_after_a_minute_there_are_ten_more(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    await statuses(anonymous, robot, 11)
    world.clock.advance(seconds=60)

    assert await statuses(anonymous, robot, 11) == [200] * 10 + [429]


async def test_refused_requests_count_too(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    for number in range(10):
        await anonymous.post(TOKEN, data=GRANT, auth=(robot.account.public_key, f"{number}"))

    assert await statuses(anonymous, robot, 1) == [429]


async def test_another_process_counts_on(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    await statuses(anonymous, robot, 10)

    assert await statuses(world.client(app=world.app()), robot, 1) == [429]


async def test_requests_at_once_are_counted_one_by_one(
    anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    answers = await asyncio.gather(
        *(anonymous.post(TOKEN, data=GRANT, auth=pair(robot)) for _ in range(15))
    )

    assert sorted(answer.status_code for answer in answers) == [200] * 10 + [429] * 5


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    ],
)
async def test_who_is_counted_together(
    world: World, robot: NewServiceAccount, one: str, other: str, shared: bool
) -> None:
    await statuses(world.client(address=one), robot, 10)

    answers = await statuses(world.client(address=other), robot, 1)

    assert answers == [429 if shared else 200]


async def test_behind_a_trusted_proxy_the_client_is_counted(
    world: World, robot: NewServiceAccount
) -> None:
    proxies = (ipaddress.ip_network("10.0.0.0/8"),)
    client = world.client(app=world.app(Options(trusted_proxies=proxies)), address="10.0.0.1")
    client.headers["X-Forwarded-For"] = "192.0.2.1"
    await statuses(client, robot, 10)

    client.headers["X-Forwarded-For"] = "192.0.2.2"

    assert await statuses(client, robot, 1) == [200]


async def test_what_is_over_the_limit_is_not_written_down(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    await statuses(anonymous, robot, 13)

    with world.db.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT address, requests FROM token_request").all()
    assert [tuple(row) for row in rows] == [("127.0.0.1", 10)]


async def test_old_tokens_and_counts_are_swept(
    world: World, anonymous: httpx.AsyncClient, robot: NewServiceAccount
) -> None:
    await buy(world.client(address="192.0.2.1"), robot)
    world.clock.advance(hours=1)

    await buy(anonymous, robot)

    with world.db.engine.connect() as connection:
        counts = [
            connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()
            for table in ("access_token", "token_request")
        ]
    assert counts == [1, 1]
