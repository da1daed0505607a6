"""Which endpoints are limited and how, on v2 as of 2025-03-12; none while limits are off."""

from datetime import date

from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.api.rate_limits import EndpointSet, Scope
from telamon.errors import EndpointSetNotFound, InvalidGroupId, InvalidOrgId, Unauthorized
from telamon.ids import is_id
from telamon.model.access import ORG_READERS, PROJECT_READERS


class Value(Wire, kw_only=True, frozen=True):
    value: int


class Endpoint(Wire, kw_only=True, frozen=True):
    method: str
    path: str


class EndpointSetView(Wire, kw_only=True, frozen=True):
    capacity: Value
    endpoint_set_id: str
    endpoint_set_name: str
    endpoints: list[Endpoint]
    refill_duration_seconds: Value
    refill_rate: Value
    scope: str


async def list_rate_limits(call: Call) -> Reply:
    """Of those scopes that the caller names an example of; of all if it names none."""
    scopes = await _scopes(call)
    names = set(filter(None, call.values("name")))
    paths = set(filter(None, call.values("endpointPath")))
    found = [
        rendered
        for limit in call.limits.sets()
        if limit.scope in (scopes or set(Scope)) and (not names or limit.name in names)
        for rendered in [_rendered(call, limit)]
        if not paths or any(endpoint.path in paths for endpoint in rendered.endpoints)
    ]
    page = found[call.page.offset : call.page.offset + call.page.items_per_page]
    return call.listed(page, len(found))


async def get_rate_limit(call: Call) -> Reply:
    await _scopes(call)
    wanted = call.path_params["endpointSetId"]
    for limit in call.limits.sets():
        if limit.id == wanted:
            return Reply(body=_rendered(call, limit))
    raise EndpointSetNotFound(wanted)


async def _scopes(call: Call) -> set[Scope | None]:
    """Those that the query names a project, an organization, a user or an address of.

    A caller may ask about what it reads, and about itself. No set is shared by address: None.
    """
    access, scopes = call.services.access, set[Scope | None]()
    group_id, org_id, user_id, address = (call.value(name) for name in _EXAMPLES)
    if group_id:
        if not is_id(group_id):
            raise InvalidGroupId(group_id)
        await access.require(call.caller, group_id, PROJECT_READERS)
        scopes.add(Scope.GROUP)
    if org_id:
        if not is_id(org_id):
            raise InvalidOrgId(org_id)
        await access.require_in_org(call.caller, org_id, ORG_READERS)
        scopes.add(Scope.ORG)
    if user_id:
        if user_id != call.caller.public_key:
            raise Unauthorized
        scopes.add(Scope.USER)
    if address:
        if address != call.address:
            raise Unauthorized
        scopes.add(None)
    return scopes


def _rendered(call: Call, limit: EndpointSet) -> EndpointSetView:
    return EndpointSetView(
        capacity=Value(value=limit.capacity),
        endpoint_set_id=limit.id,
        endpoint_set_name=limit.name,
        endpoints=[
            Endpoint(method=method, path=f"{Surface.V2.value}{path}")
            for method, path in call.limits.endpoints(limit)
        ],
        refill_duration_seconds=Value(value=limit.refill_seconds),
        refill_rate=Value(value=limit.refill),
        scope=limit.scope.value,
    )


_VERSIONS = (date(2025, 3, 12),)
_EXAMPLES = ("groupId", "orgId", "userId", "ipAddress")

ROUTES = (
    Route(
        operation_id="listRateLimits",
        method="GET",
        path="/rateLimits",
        handler=list_rate_limits,
        answer=Answer(EndpointSetView, is_list=True),
        query=(*_EXAMPLES, "name", "endpointPath"),
        surfaces=(Surface.V2,),
        versions=_VERSIONS,
    ),
    Route(
        operation_id="getRateLimit",
        method="GET",
        path="/rateLimits/{endpointSetId}",
        handler=get_rate_limit,
        answer=Answer(EndpointSetView),
        query=_EXAMPLES,
        surfaces=(Surface.V2,),
        versions=_VERSIONS,
    ),
)
