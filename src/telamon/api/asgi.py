"""The whole API as one ASGI application: every check of a request, in order, on one screen.

Authentication, rate limit, version, path syntax, access list, query; then the handler, which looks
at role, existence and body.
"""

import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from telamon.api import (
    access_lists,
    account_access,
    answers,
    api_keys,
    clusters,
    clusters_backup,
    clusters_contents,
    clusters_schedule,
    collection_restore_jobs,
    continuous_backup,
    downloads,
    drills,
    flex_backup,
    flex_clusters,
    headers,
    limits,
    media_type,
    network_permissions,
    oauth,
    openapi,
    organizations,
    origin,
    own,
    own_restore_jobs,
    paging,
    path_params,
    probes,
    projects,
    repository_jobs,
    root,
    serverless_backup,
    serverless_instances,
    service_accounts,
)
from telamon.api.authentication import Authentication, Denied
from telamon.api.call import Call, Route, Services, Surface
from telamon.api.finished_jobs import FinishedJobs
from telamon.api.oauth import OAuth
from telamon.api.openapi import OpenApi
from telamon.api.origin import base_url, client_address, path_of, read_body
from telamon.api.probes import Probes
from telamon.api.rate_limits import RateLimits
from telamon.clock import Clock
from telamon.errors import NotFound, TelamonError, TooManyRequests, VersionGone
from telamon.model.network import Network
from telamon.operations.access import check_address

if TYPE_CHECKING:
    from telamon.model.access import ApiKey

ROUTES = (
    *root.ROUTES,
    *organizations.ROUTES,
    *projects.ROUTES,
    *api_keys.ROUTES,
    *access_lists.ROUTES,
    *network_permissions.ROUTES,
    *service_accounts.ROUTES,
    *account_access.ROUTES,
    *limits.ROUTES,
    *serverless_instances.ROUTES,
    *serverless_backup.ROUTES,
    *flex_clusters.ROUTES,
    *flex_backup.ROUTES,
    *clusters.ROUTES,
    *clusters_backup.ROUTES,
    *clusters_schedule.ROUTES,
    *clusters_contents.ROUTES,
    *collection_restore_jobs.ROUTES,
    *own.ROUTES,
    *continuous_backup.ROUTES,
    *own_restore_jobs.ROUTES,
    *repository_jobs.ROUTES,
    *drills.ROUTES,
)

_OPEN_PATHS = oauth.PATHS | probes.PATHS | {openapi.PATH}
_POLLED = ("/restoreJobs", "/restoreJobs/{restoreJobId}", "/snapshots", "/snapshots/{snapshotId}")
_ANY_VERSION = date(2023, 1, 1)  # for surfaces without versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What an operator may choose of the API's behaviour; see config.Settings."""

    public_url: str = ""
    trusted_proxies: tuple[Network, ...] = ()
    metrics_networks: tuple[Network, ...] = ()
    lenient_accept: bool = False
    sunset_headers: bool = False
    sunset_enforced: bool = False
    rate_limits: bool = False


def create_app(
    services: Services, options: Options, *, nonce_secret: bytes, clock: Clock
) -> ASGIApp:
    """The API. ``nonce_secret`` is the same in every process that answers for one database."""
    tokens = services.administration.tokens
    authentication = Authentication(
        services.access, tokens, secret=nonce_secret, clock=clock, random_bytes=secrets.token_bytes
    )
    at_the_gate = OAuth(tokens, options.public_url, options.trusted_proxies)
    fetched = downloads.Downloads(services.download_files)
    watched = Probes(
        services.metrics,
        networks=options.metrics_networks,
        trusted_proxies=options.trusted_proxies,
    )
    application = Starlette(
        routes=[
            *_MOUNTED,
            *at_the_gate.routes(),
            *fetched.routes(),
            *watched.routes(),
            OpenApi(ROUTES).mounted(),
        ],
        middleware=[Middleware(_Gate, authentication)],
        exception_handlers={HTTPException: _not_routed, Exception: _unexpected},
    )
    application.router.redirect_slashes = False
    application.state.api = _Api(services, options, clock)
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
        path = path_of(scope)
        if path in _OPEN_PATHS or path.startswith(downloads.PREFIX):
            # Who comes there has other credentials, or none yet.
            await self._app({**scope, "path": path}, receive, send)
            return
        surface = surface_of(path)
        try:
            caller = await self._authentication.caller(request)
        except TelamonError as error:  # the database, most likely
            answer = answers.of_error(error, surface, paging.parse_query(request.url.query), [])
            await answer(scope, receive, send)
            return
        if isinstance(caller, Denied):
            await answers.of_denial(caller, surface)(scope, receive, send)
            return
        await self._app({**scope, "telamon.caller": caller, "path": path}, receive, send)


class _Api:
    """Answers for every route of one application."""

    def __init__(
        self,
        services: Services,
        options: Options,
        clock: Clock,
    ) -> None:
        self._services = services
        self._options = options
        self._clock = clock
        self._finished_jobs = FinishedJobs()
        self._limits = RateLimits(
            ((route.method, route.path) for route in ROUTES if Surface.V2 in route.surfaces),
            is_on=options.rate_limits,
            clock=clock,
        )

    async def answer(self, request: Request, route: Route) -> Response:
        surface = surface_of(request.url.path)
        parameters = paging.parse_query(request.url.query)
        caller: ApiKey = request.scope["telamon.caller"]
        params = {name: path_params.decoded(text) for name, text in request.path_params.items()}
        extra = self._sunset_headers(route, surface)
        try:
            self._limit(request, route, surface, extra)
            version = self._version(request, route, surface)
            path_params.check(params)
            proxies = self._options.trusted_proxies
            address = client_address(request, proxies)
            check_address(caller, address, always_listed=route.listed_addresses_only)
            page = paging.page_request(parameters)
            is_pretty = paging.boolean(parameters, "pretty", default=False)
            is_enveloped = paging.boolean(parameters, "envelope", default=False)
            reply = await route.handler(
                Call(
                    services=self._services,
                    limits=self._limits,
                    finished_jobs=self._finished_jobs,
                    route=route,
                    caller=caller,
                    address=address,
                    surface=surface,
                    path_params=params,
                    parameters=parameters,
                    page=page,
                    base_url=f"{base_url(request, self._options.public_url, proxies)}{surface.value}",
                    path=request.scope["path"].removeprefix(surface.value),
                    now=self._clock(),
                    read_body=lambda: read_body(request),
                )
            )
        except TelamonError as error:
            return answers.of_error(error, surface, parameters, extra)
        fields = [*headers.of_success(surface, version), *extra]
        return answers.of_reply(reply, fields, is_pretty=is_pretty, is_enveloped=is_enveloped)

    def _limit(
        self, request: Request, route: Route, surface: Surface, extra: headers.Headers
    ) -> None:
        """Raises TooManyRequests. What the bucket holds is told in ``extra``."""
        if surface not in (Surface.V1, Surface.V2):
            return
        caller, group_id = request.scope["telamon.caller"], request.path_params.get("groupId")
        draw = self._limits.draw(route.path, caller, group_id)
        if draw is None:
            return
        extra.extend(headers.of_rate_limit(draw))
        if draw.retry_after is not None:
            limit, path = draw.limit, request.scope["path"].removeprefix("/")
            raise TooManyRequests(
                path, draw.retry_after, limit.capacity, limit.refill, limit.refill_seconds
            )

    def _version(self, request: Request, route: Route, surface: Surface) -> date:
        if surface is not Surface.V2:
            return _ANY_VERSION
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


def surface_of(path: str) -> Surface:
    """Which family's manners an answer on this path has; unknown paths have v2's."""
    for surface in Surface:
        if path == surface.value or path.startswith(f"{surface.value}/"):
            return surface
    return Surface.V2


def _mounted() -> Iterator[StarletteRoute]:
    by_path: defaultdict[str, dict[str, Route]] = defaultdict(dict)
    for route in ROUTES:
        for surface in route.surfaces:
            by_path[f"{surface.value}{route.path}"][route.method] = route
    # Starlette tries one after the other: what is polled comes first.
    for path in sorted(by_path, key=lambda path: not path.endswith(_POLLED)):
        mounted = StarletteRoute(path, _endpoint(by_path[path]), methods=list(by_path[path]))
        assert mounted.methods is not None
        mounted.methods.discard("HEAD")  # Atlas has no HEAD, and Starlette adds one to each GET
        yield mounted


def _endpoint(methods: Mapping[str, Route]) -> Callable[[Request], Awaitable[Response]]:
    """``methods`` are the routes of one path."""

    async def endpoint(request: Request) -> Response:
        api: _Api = request.app.state.api
        return await api.answer(request, methods[request.method])

    return endpoint


async def _not_routed(request: Request, error: Exception) -> Response:
    """Starlette found no route for the path, or none for the method."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # noqa: PLR2004  # Method Not Allowed
        allowed = ",".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        fields = headers.of_wrong_method(surface_of(request.url.path), allowed)
        return answers.of_bytes(405, b"", fields)
    missing = NotFound(request.url.path)
    parameters = paging.parse_query(request.url.query)
    return answers.of_error(missing, surface_of(request.url.path), parameters, [])


async def _unexpected(request: Request, error: Exception) -> Response:
    """A defect of ours. Starlette logs the traceback; the caller gets no part of it."""
    del error
    parameters = paging.parse_query(request.url.query)
    return answers.of_error(TelamonError(), surface_of(request.url.path), parameters, [])


_MOUNTED = tuple(_mounted())
"""Of every application alike, and made once: it takes some milliseconds."""
