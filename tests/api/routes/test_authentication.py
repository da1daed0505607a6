"""Who is let in, and what everybody else is answered."""

import httpx
import pytest

from telamon.model.access import NewApiKey
from tests.api.routes.signing import CHALLENGE, fresh_nonce, is_stale, nonce_of, sign
from tests.api.routes.world import GROUP, OWN, V1, V2, World

PATHS = {
    V1: f"{V1}/groups/{GROUP}/serverless",
    V2: f"{V2}/groups/{GROUP}/serverless",
    OWN: f"{OWN}/groups/{GROUP}/instances",
}

UNAUTHENTICATED_V1 = b"""{
  "error" : 401,
  "reason" : "Unauthorized",
  "detail" : "You are not authorized for this resource."
}"""
UNAUTHENTICATED_V2 = b"""{
  "error" : 401,
  "reason" : "Unauthorized",
  "detail" : "You are not authorized for this resource.",
  "errorCode" : "UNEXPECTED_ERROR"
}"""


@pytest.fixture
def anonymous(world: World) -> httpx.AsyncClient:
    return world.client()


# The answer to nobody


async def test_v1_answers_nobody_with_these_headers(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(PATHS[V1])

    nonce = nonce_of(answer).encode()
    assert (answer.status_code, answer.headers.raw) == (
        401,
        [
            (b"Content-Type", b"application/json;charset=ISO-8859-1"),
            (
                b"WWW-Authenticate",
                b'Digest realm="MMS Public API", domain="", nonce="' + nonce + b'", '
                b'algorithm=MD5, qop="auth", stale=false',
            ),
            (b"Connection", b"keep-alive"),
            (b"Content-Length", b"106"),
        ],
    )


async def test_v2_answers_nobody_with_these_headers(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(PATHS[V2])

    nonce = nonce_of(answer).encode()
    assert (answer.status_code, answer.headers.raw) == (
        401,
        [
            (b"Content-Type", b"application/json"),
            (b"Server", b"mdbws"),
            (
                b"WWW-Authenticate",
                b'Digest realm="MMS Public API", domain="", nonce="' + nonce + b'", '
                b'algorithm=MD5, qop="auth", stale=false',
            ),
            (b"Content-Length", b"142"),
        ],
    )


async def test_v1_answers_nobody_with_this_body(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(PATHS[V1])

    assert answer.content == UNAUTHENTICATED_V1


async def test_v2_answers_nobody_with_this_body(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(PATHS[V2])

    assert answer.content == UNAUTHENTICATED_V2


@pytest.mark.parametrize("query", ["?pretty=false", "?envelope=true", "?pageNum=x"])
async def test_the_query_changes_nothing_for_nobody(
    anonymous: httpx.AsyncClient, atlas: str, query: str
) -> None:
    plain = await anonymous.get(PATHS[atlas])

    answer = await anonymous.get(f"{PATHS[atlas]}{query}")

    assert (answer.status_code, answer.content) == (401, plain.content)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", [*PATHS.values(), "/", "/nowhere", f"{V1}/nothing", f"{V2}/"])
async def test_nobody_learns_which_paths_and_methods_there_are(
    anonymous: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await anonymous.request(method, path)

    assert answer.status_code == 401


async def test_every_challenge_has_a_nonce_of_its_own(anonymous: httpx.AsyncClient) -> None:
    nonces = {await fresh_nonce(anonymous) for _ in range(20)}

    assert len(nonces) == 20


async def test_there_is_exactly_one_challenge(anonymous: httpx.AsyncClient, atlas: str) -> None:
    answer = await anonymous.get(PATHS[atlas])

    assert len(answer.headers.get_list("WWW-Authenticate")) == 1


async def test_a_challenge_carries_no_error_code(anonymous: httpx.AsyncClient, atlas: str) -> None:
    answer = await anonymous.get(PATHS[atlas])

    assert "X-Error-Code" not in answer.headers


# Who is let in


async def test_a_client_of_the_right_key_is_let_in(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(PATHS[atlas])

    assert answer.status_code == 200


async def test_a_client_that_goes_on_with_its_nonce_is_challenged_once(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answers = [await client.get(PATHS[atlas]) for _ in range(3)]

    assert [[leg.status_code for leg in answer.history] for answer in answers] == [[401], [], []]


async def refusal(anonymous: httpx.AsyncClient, header: dict[str, str], path: str) -> bool:
    """Whether a request of this header is answered like one of nobody."""
    answer = await anonymous.get(path, headers=header)
    return (
        answer.status_code == 401
        and answer.content == UNAUTHENTICATED_V1
        and CHALLENGE.fullmatch(answer.headers["WWW-Authenticate"]) is not None
        and not is_stale(answer)
    )


async def test_a_wrong_private_key_is_answered_like_nobody(
    anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)

    header = sign(key, nonce, PATHS[V1], private_key="65a00000-0000-4000-8000-000000000000")

    assert await refusal(anonymous, header, PATHS[V1])


@pytest.mark.parametrize("username", ["nobodyxx", " ", "' OR 1=1 --", "x" * 5_000])
async def test_an_unknown_public_key_is_answered_like_nobody(
    anonymous: httpx.AsyncClient, key: NewApiKey, username: str
) -> None:
    nonce = await fresh_nonce(anonymous)

    header = sign(key, nonce, PATHS[V1], username=username)

    assert await refusal(anonymous, header, PATHS[V1])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Digest",
        "Digest x",
        "Basic dXNlcjpwYXNz",
        'Digest username="u", username="u"',
    ],
)
async def test_another_authorization_is_answered_like_nobody(
    anonymous: httpx.AsyncClient, value: str
) -> None:
    assert await refusal(anonymous, {"Authorization": value}, PATHS[V1])


@pytest.mark.usefixtures("key")
async def test_basic_credentials_of_the_right_key_are_answered_like_nobody(
    world: World, key: NewApiKey
) -> None:
    client = world.client()

    answer = await client.get(PATHS[V1], auth=(key.key.public_key, key.private_key))

    assert answer.status_code == 401


async def test_several_authorization_headers_are_answered_like_nobody(
    anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    value = sign(key, nonce, PATHS[V1])["Authorization"]

    answer = await anonymous.get(
        PATHS[V1], headers=[("Authorization", value), ("Authorization", "Basic dXNlcjpwYXNz")]
    )

    assert answer.status_code == 401


async def test_a_nonce_of_nobodys_making_is_answered_like_nobody(
    anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    header = sign(key, "a0nSAAcHBwcHBwcHAJ3dxyKoUj78Iw0N", PATHS[V1])

    assert await refusal(anonymous, header, PATHS[V1])


# The signed address


@pytest.mark.parametrize(
    ("signed", "status"),
    [
        (f"{PATHS[V1]}?pretty=true&pageNum=1", 200),
        (PATHS[V1], 200),  # one client signs no more than the path
        (f"{PATHS[V1]}?pageNum=1&pretty=true", 401),
        (f"{PATHS[V1]}?pretty=true", 401),
        (f"{PATHS[V1]}?", 401),
        (f"{PATHS[V1]}/", 401),
        (f"{PATHS[V1]}/orders?pretty=true&pageNum=1", 401),
        (f"{PATHS[V2]}?pretty=true&pageNum=1", 401),
        ("/", 401),
        ("*", 401),
    ],
)
async def test_the_signed_address_is_the_requests_own_or_its_path_alone(
    anonymous: httpx.AsyncClient, key: NewApiKey, signed: str, status: int
) -> None:
    nonce = await fresh_nonce(anonymous)

    answer = await anonymous.get(
        f"{PATHS[V1]}?pretty=true&pageNum=1", headers=sign(key, nonce, signed)
    )

    assert answer.status_code == status


async def test_a_signature_is_for_one_method(
    anonymous: httpx.AsyncClient, key: NewApiKey, atlas: str
) -> None:
    nonce = await fresh_nonce(anonymous)

    answer = await anonymous.post(PATHS[atlas], headers=sign(key, nonce, PATHS[atlas]), json={})

    assert answer.status_code == 401


async def test_a_signed_trailing_slash_is_verified_as_it_was_sent(
    anonymous: httpx.AsyncClient, key: NewApiKey, atlas: str
) -> None:
    nonce = await fresh_nonce(anonymous)
    path = f"{PATHS[atlas]}/"

    answer = await anonymous.get(path, headers=sign(key, nonce, path))

    assert answer.status_code == 200


async def test_a_client_may_end_a_path_with_a_slash(client: httpx.AsyncClient, atlas: str) -> None:
    with_slash = await client.get(f"{PATHS[atlas]}/?pretty=true")
    without = await client.get(f"{PATHS[atlas]}?pretty=true")

    assert (with_slash.status_code, with_slash.content) == (200, without.content)


async def test_a_percent_encoded_path_is_verified_as_it_was_sent(
    anonymous: httpx.AsyncClient, key: NewApiKey
) -> None:
    nonce = await fresh_nonce(anonymous)
    path = f"{V1}/groups/{GROUP}/%73erverless"

    answer = await anonymous.get(path, headers=sign(key, nonce, path))

    assert answer.status_code == 200
