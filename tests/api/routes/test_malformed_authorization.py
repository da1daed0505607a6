"""Ten thousand Authorization headers that are none: each gets a 401, whatever is in it."""

import asyncio

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telamon.model.access import NewApiKey
from tests.api.routes.signing import fresh_nonce, sign
from tests.api.routes.world import V2, World

PATH = f"{V2}/orgs"

# What a header line may hold: anything but line ends and NUL, which no HTTP server lets through.
OCTETS = st.binary(max_size=80).filter(lambda value: not set(value) & set(b"\r\n\0"))
WORDS = st.sampled_from(
    [
        b"Digest ",
        b"digest\t",
        b"Bearer ",
        b"Basic ",
        b"Negotiate ",
        b'username="abcdefgh"',
        b'realm="MMS Public API"',
        b'nonce="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"',
        b'uri="/api/atlas/v2/orgs"',
        b"qop=auth",
        b"nc=00000001",
        b"nc=ffffffffff",
        b'cnonce="0a4f113b"',
        b"response=" + b"0" * 32,
        b"algorithm=MD5",
        b"algorithm=SHA-256",
        b", ",
        b",,",
        b'"',
        b"\\",
        b"=",
        b"\xff",
        b"x" * 20_000,
    ]
)
HEADERS = st.one_of(
    OCTETS,
    st.lists(st.one_of(WORDS, OCTETS), max_size=12).map(b"".join),
    st.builds(lambda rest: b"Digest " + rest, OCTETS),
    st.builds(lambda rest: b"Bearer " + rest, OCTETS),
)


async def ask(client: httpx.AsyncClient, headers: list[bytes]) -> httpx.Response:
    """With each of ``headers`` as a field of its own."""
    request = httpx.Request("GET", f"http://telamon.test{PATH}")
    request.headers = httpx.Headers([(b"Authorization", value) for value in headers])
    return await client.send(request)


def check(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Digest realm=")


@pytest.fixture
def anonymous(world: World) -> httpx.AsyncClient:
    return world.client()


@pytest.mark.slow
@settings(
    max_examples=1_000,
    deadline=None,
    database=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
@given(headers=st.lists(HEADERS, min_size=10, max_size=10))
def test_whatever_is_no_credentials_is_a_401(
    anonymous: httpx.AsyncClient, headers: list[bytes]
) -> None:
    async def one_after_another() -> None:
        for header in headers:
            check(await ask(anonymous, [header]))

    asyncio.run(one_after_another())


@settings(
    max_examples=1_000,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_signature_with_an_octet_changed_is_a_401(
    world: World, key: NewApiKey, data: st.DataObject
) -> None:
    """Of those parts that are signed or sign; a changed name of an unknown parameter is none."""

    async def changed() -> httpx.Response:
        client = world.client()
        whole = sign(key, await fresh_nonce(client), PATH)["Authorization"].encode()
        begin = whole.index(b'nonce="') + len(b'nonce="')
        nonce = (begin, begin + 32)
        begin = whole.index(b'response="') + len(b'response="')
        response = (begin, begin + 32)
        first, last = data.draw(st.sampled_from([nonce, response]))
        place = data.draw(st.integers(first, last - 1))
        octet = data.draw(
            st.integers(33, 255).filter(lambda value: value not in (whole[place], 127))
        )
        is_same_digit = chr(octet).lower() == chr(whole[place]).lower() and first == response[0]
        if is_same_digit:
            octet = ord("!")
        return await ask(client, [whole[:place] + bytes([octet]) + whole[place + 1 :]])

    check(asyncio.run(changed()))


@settings(
    max_examples=200,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(headers=st.lists(HEADERS, min_size=2, max_size=4))
def test_several_headers_are_a_401(anonymous: httpx.AsyncClient, headers: list[bytes]) -> None:
    check(asyncio.run(ask(anonymous, headers)))
