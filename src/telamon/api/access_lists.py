"""Access lists of API keys, on v1.0 and v2; on v1.0 also under their old name."""

from datetime import datetime

from msgspec import UNSET, UnsetType

from telamon.api.body import read_list
from telamon.api.call import Answer, Call, Link, Reply, Route, Surface, Wire
from telamon.api.networks import NewEntry, as_path, network_of
from telamon.model.access import AccessListEntry
from telamon.model.network import only_address, shown

_READ_ONLY = ("count", "created", "lastUsed", "lastUsedAddress", "links")
_OLD_NAME = "whitelist"
_NAME = "accessList"


class EntryView(Wire, kw_only=True, frozen=True):
    """``ipAddress`` is missing of a network that has several."""

    cidr_block: str
    count: int
    created: datetime
    ip_address: str | UnsetType = UNSET
    links: list[Link]


async def list_entries(call: Call) -> Reply:
    """Oldest first."""
    page = await call.administration.access_lists.list(
        call.caller,
        call.org_id,
        _key_id(call),
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_rendered(call, each) for each in page.items], page.total)


async def create_entries(call: Call) -> Reply:
    """Answers the list as it is then."""
    lists = call.administration.access_lists
    await lists.require_writer(call.caller, call.org_id, _key_id(call))
    new = read_list(await call.read_body(), NewEntry, read_only=_READ_ONLY)
    networks = [network_of(each.cidr_block, each.ip_address) for each in new]
    await lists.add(call.caller, call.org_id, _key_id(call), networks)
    return await list_entries(call)


async def get_entry(call: Call) -> Reply:
    found = await call.administration.access_lists.get(
        call.caller, call.org_id, _key_id(call), call.path_params["ipAddress"]
    )
    return Reply(body=_rendered(call, found))


async def delete_entry(call: Call) -> Reply:
    """Refused to a key that would shut itself out."""
    await call.administration.access_lists.remove(
        call.caller,
        call.org_id,
        _key_id(call),
        call.path_params["ipAddress"],
        address=call.address,
    )
    return Reply(status=204)


def _rendered(call: Call, entry: AccessListEntry) -> EntryView:
    name = _OLD_NAME if f"/{_OLD_NAME}" in call.path else _NAME
    here = f"{call.base_url}/orgs/{call.org_id}/apiKeys/{_key_id(call)}/{name}"
    address = only_address(entry.cidr_block)
    return EntryView(
        cidr_block=shown(entry.cidr_block),
        count=0,
        created=entry.created_at,
        ip_address=address or UNSET,
        links=[Link(href=f"{here}/{as_path(address or shown(entry.cidr_block))}", rel="self")],
    )


def _key_id(call: Call) -> str:
    return call.path_params["apiUserId"]


_PAGE = Answer(EntryView, is_list=True)


def _routes(name: str, prefix: str, surfaces: tuple[Surface, ...]) -> tuple[Route, ...]:
    entries = f"/orgs/{{orgId}}/apiKeys/{{apiUserId}}/{name}"
    entry = f"{entries}/{{ipAddress}}"
    return tuple(
        Route(
            operation_id=f"{prefix}{operation_id}",
            method=method,
            path=path,
            handler=handler,
            answer=answer,
            body=body,
            surfaces=surfaces,
        )
        for operation_id, method, path, handler, answer, body in (
            ("listApiKeyAccessListsEntries", "GET", entries, list_entries, _PAGE, None),
            ("createApiKeyAccessList", "POST", entries, create_entries, _PAGE, list[NewEntry]),
            ("getApiKeyAccessList", "GET", entry, get_entry, Answer(EntryView), None),
            (
                "deleteApiKeyAccessListEntry",
                "DELETE",
                entry,
                delete_entry,
                Answer(status=204),
                None,
            ),
        )
    )


ROUTES = (
    *_routes(_NAME, "", (Surface.V1, Surface.V2)),
    *_routes(_OLD_NAME, "old_", (Surface.V1,)),
)
