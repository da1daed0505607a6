"""Digest signatures made by hand, for what no client would send."""

import hashlib
import re

import httpx

from telamon.model.access import NewApiKey

CHALLENGE = re.compile(
    r'Digest realm="MMS Public API", domain="", nonce="([A-Za-z0-9+/]{32})", '
    r'algorithm=MD5, qop="auth", stale=(true|false)'
)


async def fresh_nonce(client: httpx.AsyncClient) -> str:
    """One that ``client``, which must be anonymous, is challenged with."""
    return nonce_of(await client.get("/api/atlas/v1.0/groups"))


def nonce_of(answer: httpx.Response) -> str:
    return challenge(answer)[0]


def is_stale(answer: httpx.Response) -> bool:
    return challenge(answer)[1]


def challenge(answer: httpx.Response) -> tuple[str, bool]:
    """The nonce of a 401, and whether it says that the last one was stale."""
    parsed = CHALLENGE.fullmatch(answer.headers["WWW-Authenticate"])
    assert parsed is not None
    return parsed[1], parsed[2] == "true"


def sign(
    key: NewApiKey,
    nonce: str,
    uri: str,
    *,
    method: str = "GET",
    nc: int = 1,
    username: str | None = None,
    private_key: str | None = None,
) -> dict[str, str]:
    """The header that a client of this key sends."""
    name = username or key.key.public_key
    ha1 = _md5(f"{name}:MMS Public API:{private_key or key.private_key}")
    response = _md5(f"{ha1}:{nonce}:{nc:08x}:0a4f113b:auth:{_md5(f'{method}:{uri}')}")
    return {
        "Authorization": f'Digest username="{name}", realm="MMS Public API", nonce="{nonce}", '
        f'uri="{uri}", response="{response}", qop=auth, nc={nc:08x}, cnonce="0a4f113b", '
        "algorithm=MD5"
    }


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
