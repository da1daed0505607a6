"""Authentication in front of every path: nobody unknown learns even which paths there are.

A key signs (digest), a service account shows a token (Bearer).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request

from telamon.api import digest
from telamon.api.digest import Credentials, MalformedAuthorization, Refusal, ReplayWindow, Verifier
from telamon.clock import Clock
from telamon.model.access import ApiKey
from telamon.operations.access import Access
from telamon.operations.tokens import Tokens

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER = "bearer "


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """Nobody that is known. The challenge is digest's whatever was tried: clients take no second.

    Who showed a token that is none gets no body (contract section 4.3).
    """

    challenge: str
    has_body: bool = True


class Authentication:
    """Finds out whose key signed a request, and sees that a signature works only once.

    A read is remembered in this process; a write in the database, so that no other process takes
    it a second time.
    """

    def __init__(
        self,
        access: Access,
        tokens: Tokens,
        *,
        secret: bytes,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._access = access
        self._tokens = tokens
        self._clock = clock
        self._nonces = digest.Nonces(secret, random_bytes)
        self._verifier = Verifier(self._nonces)
        self._window = ReplayWindow()

    async def caller(self, request: Request) -> ApiKey | Denied:
        """Who asks, or why nobody does."""
        headers = request.headers.getlist("authorization")
        if len(headers) == 1 and headers[0][: len(_BEARER)].lower() == _BEARER:
            token = headers[0][len(_BEARER) :].strip()
            account = await self._tokens.find_account(token)
            return account or Denied(challenge=self._challenge(Refusal.INVALID), has_body=False)
        found = await self._signer(request, headers)
        if isinstance(found, Refusal):
            return Denied(challenge=self._challenge(found))
        return found

    def _challenge(self, refusal: Refusal) -> str:
        """A value for ``WWW-Authenticate``, with a nonce that nobody has had."""
        nonce = self._nonces.issue(self._now_seconds())
        return digest.challenge(nonce, stale=refusal is Refusal.STALE)

    async def _signer(self, request: Request, headers: Sequence[str]) -> ApiKey | Refusal:
        """The key that signed the request, or why it is not let in."""
        if len(headers) != 1:
            return Refusal.INVALID
        try:
            credentials = digest.parse(headers[0])
        except MalformedAuthorization:
            return Refusal.INVALID
        now_seconds = self._now_seconds()
        if not self._verifier.is_plausible(
            credentials,
            path=raw_path(request.scope),
            query=request.url.query,
            now_seconds=now_seconds,
        ):
            return Refusal.INVALID
        known = await self._access.find_key(credentials.username)
        settled = self._verifier.settle(
            credentials,
            known.ha1 if known else None,
            method=request.method,
            now_seconds=now_seconds,
        )
        if isinstance(settled, Refusal) or known is None:
            return settled if isinstance(settled, Refusal) else Refusal.INVALID
        if not await self._is_first_use(request.method, settled, now_seconds):
            return Refusal.STALE
        return known.key

    async def _is_first_use(self, method: str, credentials: Credentials, now_seconds: int) -> bool:
        is_new_here = self._window.accept(credentials.nonce, credentials.nc, now_seconds)
        if not is_new_here or method in _SAFE_METHODS:
            return is_new_here
        return await self._access.use_nonce(
            credentials.nonce,
            credentials.nc,
            life_seconds=digest.NONCE_LIFE_SECONDS + digest.CLOCK_SKEW_SECONDS,
        )

    def _now_seconds(self) -> int:
        return int(self._clock().timestamp())


def raw_path(scope: Mapping[str, object]) -> str:
    """The path as it came on the wire, percent signs and all."""
    raw = scope.get("raw_path") or str(scope["path"]).encode()
    assert isinstance(raw, bytes)
    return raw.partition(b"?")[0].decode("latin-1")
