"""The server half of HTTP digest authentication: RFC 7616 and 2617, MD5, ``qop=auth``.

Pure: the time comes as whole seconds since 1970, the secret and the randomness by constructor.

A request is let in in two steps. ``Verifier`` says whose signature it bears; the caller then makes
sure that this (nonce, nc) was not used before: ``ReplayWindow`` for reads, a unique row in the
shared database for writes. A request refused by the second step deserves a ``stale=true``
challenge: its key is right, and a client that honours ``stale`` signs again with a fresh nonce.

The challenge and what clients make of it: contract section 4.1.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from telamon.model.access import DIGEST_REALM as REALM

NONCE_LIFE_SECONDS = 300
CLOCK_SKEW_SECONDS = 60
"""How far ahead the clock of the API process that issued a nonce may be."""
NC_MAX = 0xFFFFFFFF
HEADER_CHARACTERS_MAX = 16_384
"""Above what a server lets through as one header line, so only a bound for the parser."""

_BARE = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PLAIN = r"[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]*"
_QUOTED = rf'"({_PLAIN}(?:\\[\t \x21-\x7e\x80-\xff]{_PLAIN})*)"'
_SCHEME = re.compile(r"[ \t]*digest[ \t][ \t,]*", re.ASCII | re.IGNORECASE)
_PARAMETER = re.compile(rf"({_BARE})[ \t]*=[ \t]*(?:({_BARE})|{_QUOTED})[ \t]*(?:\Z|,[ \t,]*)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_NC = re.compile(r"[0-9A-Fa-f]{1,8}")
_RESPONSE = re.compile(r"[0-9A-Fa-f]{32}")
_NONCE = re.compile(r"[A-Za-z0-9+/]{32}")
_ORIGIN = re.compile(r"https?://[^/?#]+", re.IGNORECASE)

_STAMP_BYTES = 4
_RANDOM_BYTES = 8
_MAC_BYTES = 12
_SECRET_BYTES_MIN = 16
_WINDOW_WIDTH = 64
_NO_HA1 = "0" * 32


class MalformedAuthorization(ValueError):
    """An ``Authorization`` header that is no digest credentials for ``qop=auth``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client claims; nothing in it is verified.

    ``nc`` names a request for the replay check; ``nc_text`` is the same number as the client wrote
    it, because the text is what the client hashed. ``algorithm`` is ``MD5`` when the client sent
    none (RFC 7616 section 3.4).
    """

    username: str
    realm: str
    nonce: str
    uri: str
    response: str = field(repr=False)
    qop: str
    nc: int
    nc_text: str
    cnonce: str = field(repr=False)
    algorithm: str


def parse(header: str) -> Credentials:
    """Read the value of an ``Authorization`` header (RFC 7235 section 2.1).

    The string is the header's octets as ISO 8859-1, as ASGI servers' headers decode. Parameters
    come in any order, quoted or bare; unknown ones are passed over. MalformedAuthorization for
    another scheme, a parameter given twice or missing, or anything outside the grammar.
    """
    values = _parameters(header)
    try:
        nc_text, response = values["nc"], values["response"]
        if not (_NC.fullmatch(nc_text) and _RESPONSE.fullmatch(response)):
            raise MalformedAuthorization("nc and response must be hexadecimal")
        return Credentials(
            username=values["username"],
            realm=values["realm"],
            nonce=values["nonce"],
            uri=values["uri"],
            response=response,
            qop=values["qop"],
            nc=int(nc_text, 16),
            nc_text=nc_text,
            cnonce=values["cnonce"],
            algorithm=values.get("algorithm", "MD5"),
        )
    except KeyError as error:
        raise MalformedAuthorization(f"no {error.args[0]}") from None


def _parameters(header: str) -> dict[str, str]:
    """Names in lower case. Empty list elements are skipped, as RFC 7230 section 7 asks."""
    scheme = _SCHEME.match(header)
    if len(header) > HEADER_CHARACTERS_MAX or scheme is None:
        raise MalformedAuthorization("not digest credentials")
    values: dict[str, str] = {}
    position = scheme.end()
    while position < len(header):
        parameter = _PARAMETER.match(header, position)
        if parameter is None:
            raise MalformedAuthorization(f"no parameter at {position}")
        name = parameter[1].lower()
        if name in values:
            raise MalformedAuthorization(f"{name} given twice")
        values[name] = parameter[2] or _ESCAPED.sub(r"\1", parameter[3] or "")
        position = parameter.end()
    return values


class NonceState(Enum):
    """What a nonce that comes back is worth."""

    FRESH = "fresh"
    """Issued by a holder of the secret, at most 300 s ago."""
    STALE = "stale"
    """Issued by a holder of the secret, longer ago."""
    FORGED = "forged"
    """Never issued: wrong shape, wrong code, or of a time that is still to come."""


class Nonces:
    """Nonces that carry their own proof, so that any API process knows any other's.

    24 bytes: the time in seconds (4, big-endian, so until 2106), randomness (8), and the first 12
    bytes of HMAC-SHA256 over both. 24 bytes are 32 characters of base64 with no bits to spare, so
    a nonce has one spelling only. ``secret`` is shared by all API processes, at least 16 bytes.
    """

    def __init__(self, secret: bytes, random_bytes: Callable[[int], bytes]) -> None:
        if len(secret) < _SECRET_BYTES_MIN:
            raise ValueError(f"the nonce secret must have at least {_SECRET_BYTES_MIN} bytes")
        self._secret = secret
        self._random_bytes = random_bytes

    def issue(self, now_seconds: int) -> str:
        payload = now_seconds.to_bytes(_STAMP_BYTES, "big") + self._random_bytes(_RANDOM_BYTES)
        return base64.b64encode(payload + self._mac(payload)).decode("ascii")

    def state(self, nonce: str, now_seconds: int) -> NonceState:
        """Judge a nonce from the wire; any string will do."""
        if _NONCE.fullmatch(nonce) is None:
            return NonceState.FORGED
        raw = base64.b64decode(nonce)
        payload, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)):
            return NonceState.FORGED
        age_seconds = now_seconds - issued_at_seconds(nonce)
        if age_seconds < -CLOCK_SKEW_SECONDS:
            return NonceState.FORGED
        return NonceState.STALE if age_seconds > NONCE_LIFE_SECONDS else NonceState.FRESH

    def _mac(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, "sha256")[:_MAC_BYTES]


def issued_at_seconds(nonce: str) -> int:
    """The time that a nonce of ``Nonces`` carries, unverified. ValueError for another shape."""
    return int.from_bytes(base64.b64decode(nonce[:8], validate=True)[:_STAMP_BYTES], "big")


def challenge(nonce: str, *, stale: bool) -> str:
    """The one ``WWW-Authenticate`` value of a 401, to the letter as recorded.

    Go clients split it on a comma and a space and refuse a parameter that they do not know.
    """
    return (
        f'Digest realm="{REALM}", domain="", nonce="{nonce}", algorithm=MD5, qop="auth", '
        f"stale={'true' if stale else 'false'}"
    )


def expected_response(ha1: str, credentials: Credentials, method: str) -> str:
    """The response of whoever holds ``ha1`` to these credentials (RFC 7616 section 3.4.1)."""
    ha2 = _md5(f"{method}:{credentials.uri}".encode("latin-1"))
    signed = f"{credentials.nonce}:{credentials.nc_text}:{credentials.cnonce}:{credentials.qop}"
    return _md5(f"{ha1}:{signed}:{ha2}".encode("latin-1"))


def matches(ha1: str, credentials: Credentials, method: str) -> bool:
    """Whether the response is the expected one; the time taken does not tell how nearly."""
    expected = expected_response(ha1, credentials, method)
    return hmac.compare_digest(expected, credentials.response.lower())


def uri_matches(uri: str, path: str, query: str) -> bool:
    """Whether a signed ``uri`` is for this request; path and query as they came on the wire.

    Taken are the request target and, because one client signs no more, its path alone: there the
    query is unsigned, and only the replay check keeps a stolen header from serving another query.

    An absolute ``http(s)`` form is taken too, its origin unchecked: behind a proxy the name that
    the client used is not known here, and the usual form does not sign the host either, so nothing
    is lost by it.
    """
    origin = _ORIGIN.match(uri)
    target = uri[origin.end() :] if origin else uri
    if origin and not target.startswith("/"):
        target = f"/{target}"
    # ASGI does not tell "/path?" from "/path".
    return target in (path, f"{path}?{query}")


@dataclass(slots=True)
class _Seen:
    """Bit *i* of ``bits`` is set when ``highest - i`` was used."""

    highest: int
    bits: int

    def accept(self, nc: int) -> bool:
        ahead = nc - self.highest
        if ahead > 0:
            kept = self.bits << ahead if ahead < _WINDOW_WIDTH else 0
            self.bits = (kept | 1) & ((1 << _WINDOW_WIDTH) - 1)
            self.highest = nc
            return True
        if -ahead >= _WINDOW_WIDTH or self.bits >> -ahead & 1:
            return False
        self.bits |= 1 << -ahead
        return True


class ReplayWindow:
    """Which (nonce, nc) this process has seen: 64 wide per nonce, bounded in nonces.

    When more nonces are alive than it may hold, it forgets the one first seen and from then on
    refuses every unknown nonce that is no younger: so a flood costs some clients a new challenge
    and never lets a replay through. Not for several threads at once.
    """

    def __init__(self, *, nonces_max: int = 131_072) -> None:
        self._nonces_max = nonces_max
        self._seen: dict[str, _Seen] = {}  # in the order of their first request
        self._forgotten_to_seconds = -1

    def __len__(self) -> int:
        """How many nonces it holds."""
        return len(self._seen)

    def accept(self, nonce: str, nc: int, now_seconds: int) -> bool:
        """Take note of a request; False when it may have been seen before.

        Any ``nc`` from 1 to 0xffffffff will do, in any order, as long as it is less than 64 below
        the highest so far. ``nonce`` must be one that ``Nonces.state`` calls fresh.
        """
        while self._seen and _is_expired(oldest := next(iter(self._seen)), now_seconds):
            del self._seen[oldest]
        if not 0 < nc <= NC_MAX or _is_expired(nonce, now_seconds):
            return False
        seen = self._seen.get(nonce)
        if seen is not None:
            return seen.accept(nc)
        if issued_at_seconds(nonce) <= self._forgotten_to_seconds:
            return False
        if len(self._seen) >= self._nonces_max:
            oldest = next(iter(self._seen))
            del self._seen[oldest]
            self._forgotten_to_seconds = max(self._forgotten_to_seconds, issued_at_seconds(oldest))
        self._seen[nonce] = _Seen(highest=nc, bits=1)
        return True


def _is_expired(nonce: str, now_seconds: int) -> bool:
    return now_seconds - issued_at_seconds(nonce) > NONCE_LIFE_SECONDS


class Refusal(Enum):
    """Why a request is not let in; either way the answer is a 401 with a fresh nonce."""

    STALE = "stale"
    """Everything is right but the age of the nonce: challenge with ``stale=true``."""
    INVALID = "invalid"
    """Anything else; the caller learns no more."""


class Verifier:
    """Decides whose signature a request bears."""

    def __init__(self, nonces: Nonces) -> None:
        self._nonces = nonces

    def verify(
        self,
        header: str | None,
        *,
        method: str,
        path: str,
        query: str,
        now_seconds: int,
        ha1_of: Callable[[str], str | None],
    ) -> Credentials | Refusal:
        """Credentials whose ``username`` is proven, or why not; raises only what ``ha1_of`` does.

        ``ha1_of`` answers None for a username that is unknown, and is asked last, so that a made-up
        header costs no look-up.
        """
        try:
            credentials = parse(header or "")
        except MalformedAuthorization:
            return Refusal.INVALID
        if not self.is_plausible(credentials, path=path, query=query, now_seconds=now_seconds):
            return Refusal.INVALID
        stored = ha1_of(credentials.username)
        return self.settle(credentials, stored, method=method, now_seconds=now_seconds)

    def is_plausible(
        self, credentials: Credentials, *, path: str, query: str, now_seconds: int
    ) -> bool:
        """Whether a look-up is worth its while: ours, for this request, with a nonce we issued.

        With ``parse`` before and ``settle`` after it this is ``verify`` in steps, for a caller that
        has to await the look-up. It does not depend on the username.
        """
        return (
            credentials.realm == REALM
            and credentials.qop == "auth"
            and credentials.algorithm.upper() == "MD5"
            and uri_matches(credentials.uri, path, query)
            and self._nonces.state(credentials.nonce, now_seconds) is not NonceState.FORGED
        )

    def settle(
        self, credentials: Credentials, stored_ha1: str | None, *, method: str, now_seconds: int
    ) -> Credentials | Refusal:
        """The last step for plausible credentials. No key takes as long as a wrong one."""
        is_right = matches(_NO_HA1 if stored_ha1 is None else stored_ha1, credentials, method)
        if not is_right or stored_ha1 is None:
            return Refusal.INVALID
        state = self._nonces.state(credentials.nonce, now_seconds)
        return credentials if state is NonceState.FRESH else Refusal.STALE


def _md5(data: bytes) -> str:
    # The protocol fixes MD5; nothing here relies on its resistance to collisions.
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
