"""Paths for machines that look after this one: is it alive, can it answer, how is it doing?

Nobody shows credentials there. The first two tell nothing else; ``/metrics`` is for the networks of
the settings.
"""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from telamon.api import answers, metrics
from telamon.api.origin import client_address
from telamon.errors import TelamonError
from telamon.model.network import Network, is_within
from telamon.operations.metrics import Metrics

PATHS = frozenset({"/livez", "/readyz", "/metrics"})

_TEXT = "text/plain; charset=utf-8"
_FORWARDED = ("forwarded", "x-forwarded-for")


class Probes:
    """The three endpoints."""

    def __init__(
        self,
        measurements: Metrics,
        *,
        networks: Sequence[Network],
        trusted_proxies: tuple[Network, ...],
    ) -> None:
        """``networks`` are those from which ``/metrics`` is read."""
        self._metrics = measurements
        self._networks = networks
        self._trusted_proxies = trusted_proxies

    def routes(self) -> list[Route]:
        return [
            Route("/livez", self._alive, methods=["GET"]),
            Route("/readyz", self._ready, methods=["GET"]),
            Route("/metrics", self._measured, methods=["GET"]),
        ]

    async def _alive(self, request: Request) -> Response:
        """This process answers."""
        del request
        return _answer(200, b"ok\n")

    async def _ready(self, request: Request) -> Response:
        """Its database does, too. A worker that is down is no reason to send callers elsewhere."""
        del request
        try:
            await self._metrics.require_database()
        except TelamonError as error:
            answers.log_defect(error)
            return _answer(503, b"the database does not answer\n")
        return _answer(200, b"ok\n")

    async def _measured(self, request: Request) -> Response:
        if not self._may_read(request):
            return _answer(403, b"metrics are for the networks of TELAMON_METRICS_NETWORKS\n")
        try:
            page = metrics.rendered(await self._metrics.read())
        except TelamonError as error:
            answers.log_defect(error)
            return _answer(503, b"the database does not answer\n")
        return _answer(200, page, metrics.CONTENT_TYPE)

    def _may_read(self, request: Request) -> bool:
        """What came through a proxy that is not trusted came from anywhere."""
        peer = request.client.host if request.client else ""
        is_forwarded = any(name in request.headers for name in _FORWARDED)
        if is_forwarded and not is_within(peer, self._trusted_proxies):
            return False
        return is_within(client_address(request, self._trusted_proxies), self._networks)


def _answer(status: int, body: bytes, content_type: str = _TEXT) -> Response:
    fields = [("Content-Type", content_type), ("Cache-Control", "no-store")]
    return answers.of_bytes(status, body, fields)
