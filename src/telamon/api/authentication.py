"""Digest authentication in front of every path: nobody unknown learns even which paths there are."""

from collections.abc import Callable, Mapping

from starlette.requests import Request

from telamon.api import digest
from telamon.api.digest import Credentials, MalformedAuthorization, Refusal, ReplayWindow, Verifier
from telamon.clock import Clock
from telamon.model.access import ApiKey
from telamon.operations.access import Access

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Authentication:
    """Finds out whose key signed a request, and sees that a signature works only once.

    A read is remembered in this process; a write in the database, so that no other process takes
    it a second time.
    """

    def __init__(
        self, access: Access, *, secret: bytes, clock: Clock, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._access = access
        self._clock = clock
        self._nonces = digest.Nonces(secret, random_bytes)
        self._verifier = Verifier(self._nonces)
        self._window = ReplayWindow()

    def challenge(self, refusal: Refusal) -> str:
        """A value for ``WWW-Authenticate``, with a nonce that nobody has had."""
        nonce = self._nonces.issue(self._now_seconds())
        return digest.challenge(nonce, stale=refusal is Refusal.STALE)

    async def caller(self, request: Request) -> ApiKey | Refusal:
        """The key that signed the request, or why it is not let in."""
        headers = request.headers.getlist("authorization")
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
