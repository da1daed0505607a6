"""The whole API as one ASGI application: every check of a request, in order, on one screen.

Authentication, version, path syntax, access list, query; then the handler, which looks at role,
existence and body.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from telamon.api import (
    headers,
    media_type,
    origin,
    own,
    paging,
    render,
    serverless_backup,
    serverless_instances,
)
from telamon.api.authentication import Authentication
from telamon.api.call import Call, Reply, Route, Services, Surface
from telamon.api.digest import Refusal
from telamon.api.origin import base_url, client_address, path_of, read_body
from telamon.clock import Clock
from telamon.errors import (
    InvalidClusterName,
    InvalidGroupId,
    InvalidJobId,
    InvalidSnapshotId,
    NotFound,
    TelamonError,
    VersionGone,
)
from telamon.ids import is_id
from telamon.model.instance import is_instance_name
from telamon.operations.access import Network, check_address

if TYPE_CHECKING:
    from telamon.model.access import ApiKey

ROUTES = (*serverless_instances.ROUTES, *serverless_backup.ROUTES, *own.ROUTES)

_OWN_VERSION = date(2023, 1, 1)  # own paths have no versions; any date will do
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may choose of the API's behaviour; see config.Settings."""

    public_url: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    lenient_accept: bool = False
    sunset_headers: bool = False
    sunset_enforced: bool = False


def create_app(
    services: Services, options: Options, *, nonce_secret: bytes, clock: Clock
) -> ASGIApp:
    """The API. ``nonce_secret`` is the same in every process that answers for one database."""
    authentication = Authentication(
        services.access, secret=nonce_secret, clock=clock, random_bytes=secrets.token_bytes
    )
    api = _Api(services, options, clock)
    by_path: defaultdict[str, dict[str, Route]] = defaultdict(dict)
    for route in ROUTES:
        for surface in route.surfaces:
            by_path[f"{surface.value}{route.path}"][route.method] = route
    routes = [api.mounted(path, methods) for path, methods in by_path.items()]
    application = Starlette(
        routes=routes,
        middleware=[Middleware(_Gate, authentication)],
        exception_handlers={HTTPException: _not_routed, Exception: _unexpected},
    )
    application.router.redirect_slashes = False
    return application


class _Gate:
    """Lets known callers through to the routes, and a trailing slash with them."""

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        send = origin.closing_honestly(request, send)
        surface = surface_of(scope["path"])
        try:
            caller = await self._authentication.caller(request)
        except TelamonError as error:  # the database, most likely
            answer = _error(error, surface, paging.parse_query(request.url.query), [])
            await answer(scope, receive, send)
            return
        if isinstance(caller, Refusal):
            answer = _challenge(surface, self._authentication.challenge(caller))
            await answer(scope, receive, send)
            return
        inner = {**scope, "telamon.caller": caller, "path": path_of(scope)}
        await self._app(inner, receive, send)


class _Api:
    """Makes a Starlette endpoint of each path."""

    def __init__(
        self,
        services: Services,
        options: Options,
        clock: Clock,
    ) -> None:
        self._services = services
        self._options = options
        self._clock = clock

    def mounted(self, path: str, methods: Mapping[str, Route]) -> StarletteRoute:
        """``methods`` are the routes of one path."""

        async def endpoint(request: Request) -> Response:
            return await self._answer(request, methods[request.method])

        mounted = StarletteRoute(path, endpoint, methods=list(methods))
        assert mounted.methods is not None
        mounted.methods.discard("HEAD")  # Atlas has no HEAD, and Starlette adds one to each GET
        return mounted

    async def _answer(self, request: Request, route: Route) -> Response:
        surface = surface_of(request.url.path)
        parameters = paging.parse_query(request.url.query)
        extra = self._sunset_headers(route, surface)
        try:
            version = self._version(request, route, surface)
            self._check_path(request.path_params)
            caller: ApiKey = request.scope["telamon.caller"]
            address = client_address(request, self._options.trusted_proxies)
            check_address(caller, address, always_listed=route.listed_addresses_only)
            page = paging.page_request(parameters)
            is_pretty = paging.boolean(parameters, "pretty", default=False)
            is_enveloped = paging.boolean(parameters, "envelope", default=False)
            reply = await route.handler(
                Call(
                    services=self._services,
                    caller=caller,
                    surface=surface,
                    path_params=request.path_params,
                    parameters=parameters,
                    page=page,
                    base_url=f"{base_url(request, self._options.public_url)}{surface.value}",
                    path=request.url.path.removeprefix(surface.value),
                    now=self._clock(),
                    read_body=lambda: read_body(request),
                )
            )
        except TelamonError as error:
            return _error(error, surface, parameters, extra)
        fields = [*headers.of_success(surface, version), *extra]
        return _response(reply, fields, is_pretty=is_pretty, is_enveloped=is_enveloped)

    def _version(self, request: Request, route: Route, surface: Surface) -> date:
        if surface is not Surface.V2:
            return _OWN_VERSION
        accept = ", ".join(request.headers.getlist("accept")) or None
        version = media_type.negotiate(accept, route.versions, lenient=self._options.lenient_accept)
        if (
            self._options.sunset_enforced
            and route.sunset is not None
            and self._clock().date() > route.sunset
        ):
            raise VersionGone(version.isoformat(), request.url.path.removeprefix("/"))
        return version

    def _sunset_headers(self, route: Route, surface: Surface) -> headers.Headers:
        if surface is Surface.V2 and self._options.sunset_headers:
            return headers.of_sunset(route)
        return []

    @staticmethod
    def _check_path(path_params: Mapping[str, str]) -> None:
        for name, value in path_params.items():
            check, error = _SYNTAX[name]
            if not check(value):
                raise error(value)


_SYNTAX: Mapping[str, tuple[Callable[[str], bool], type[TelamonError]]] = {
    "groupId": (is_id, InvalidGroupId),
    "instanceName": (is_instance_name, InvalidClusterName),
    "snapshotId": (is_id, InvalidSnapshotId),
    "restoreJobId": (is_id, InvalidJobId),
}


def surface_of(path: str) -> Surface:
    """Which family's manners an answer on this path has; unknown paths have v2's."""
    for surface in Surface:
        if path == surface.value or path.startswith(f"{surface.value}/"):
            return surface
    return Surface.V2


def _challenge(surface: Surface, challenge: str) -> Response:
    body = render.UNAUTHENTICATED_V2 if surface is Surface.V2 else render.UNAUTHENTICATED_V1
    return _bytes(401, body, headers.of_challenge(surface, challenge))


def _response(
    reply: Reply, fields: headers.Headers, *, is_pretty: bool, is_enveloped: bool
) -> Response:
    body = reply.body
    status = reply.status
    if is_enveloped:
        if reply.is_list and isinstance(body, dict):
            body = render.envelope_list(body, status)
        else:
            body = render.envelope_single(body, status)
    data = render.to_json(body)
    return _bytes(status, render.pretty(data) if is_pretty else data, fields)


def _error(
    error: TelamonError,
    surface: Surface,
    parameters: paging.Parameters,
    extra: headers.Headers,
) -> Response:
    body: object = render.error_body(error)
    status = error.status
    if _is_true(parameters, "envelope"):
        # For callers who can read neither status nor headers: they want a body that arrives.
        body, status = render.envelope_single(body, status), 200
    data = render.to_json(body)
    if _is_true(parameters, "pretty"):
        data = render.pretty(data)
    if error.status >= 500:  # noqa: PLR2004  # HTTP's own line between theirs and ours
        _log.error(
            "request_failed", action="answer", error_code=error.error_code, reason=error.message
        )
    return _bytes(status, data, [*headers.of_error(surface, error.error_code), *extra])


def _is_true(parameters: paging.Parameters, name: str) -> bool:
    return (paging.first(parameters, name) or "").lower() == "true"


async def _not_routed(request: Request, error: Exception) -> Response:
    """Starlette found no route for the path, or none for the method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # noqa: PLR2004  # Method Not Allowed
        allowed = ",".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return _bytes(405, b"", headers.of_wrong_method(surface_of(request.url.path), allowed))
    missing = NotFound(request.url.path)
    parameters = paging.parse_query(request.url.query)
    return _error(missing, surface_of(request.url.path), parameters, [])


async def _unexpected(request: Request, error: Exception) -> Response:
    """A defect of ours. Starlette logs the traceback; the caller gets no part of it."""
    del error
    parameters = paging.parse_query(request.url.query)
    return _error(TelamonError(), surface_of(request.url.path), parameters, [])


def _bytes(status: int, body: bytes, fields: Sequence[tuple[str, str]]) -> Response:
    response = Response(body, status)
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in fields
    ]
    response.raw_headers.append((b"Content-Length", str(len(body)).encode()))
    return response
