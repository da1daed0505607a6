"""Access lists of projects, on v1.0 and v2; on v1.0 also under their old name."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api.body import read_list
from telamon.api.call import Answer, Call, Link, Reply, Route, Surface, Wire
from telamon.api.networks import as_path, network_of
from telamon.errors import InvalidAttribute, SeveralNetworks
from telamon.model.access import PROJECT_OWNERS
from telamon.model.network import NetworkPermission, is_security_group, only_address, shown
from telamon.operations.network_permissions import NewPermission

_READ_ONLY = ("groupId", "links")
_OLD_NAME = "whitelist"
_NAME = "accessList"


class PermissionView(Wire, kw_only=True, frozen=True):
    """Of the three kinds of entries it has what names its own."""

    aws_security_group: str | UnsetType = UNSET
    cidr_block: str | UnsetType = UNSET
    comment: str | UnsetType = UNSET
    delete_after_date: datetime | UnsetType = UNSET
    group_id: str
    ip_address: str | UnsetType = UNSET
    links: list[Link]


class _Status(Wire, kw_only=True, frozen=True):
    status: str = field(name="STATUS")


class _NewPermission(Wire, kw_only=True, frozen=True):
    aws_security_group: str | UnsetType = UNSET
    cidr_block: str | UnsetType = UNSET
    comment: Annotated[str, Meta(max_length=80)] = ""
    delete_after_date: Annotated[datetime, Meta(tz=True)] | UnsetType = UNSET
    ip_address: str | UnsetType = UNSET


async def list_permissions(call: Call) -> Reply:
    """Oldest first."""
    page = await call.administration.network_permissions.list(
        call.caller, call.group_id, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_rendered(call, each) for each in page.items], page.total)


async def create_permissions(call: Call) -> Reply:
    """Answers the list as it is then."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    new = read_list(await call.read_body(), _NewPermission, read_only=_READ_ONLY)
    permissions = [
        NewPermission(
            entry=_entry(each),
            comment=each.comment,
            expires_at=each.delete_after_date or None,
        )
        for each in new
    ]
    await call.administration.network_permissions.put(call.caller, call.group_id, permissions)
    listed = await list_permissions(call)
    return Reply(status=201, body=listed.body, is_list=True)


async def get_permission(call: Call) -> Reply:
    return Reply(body=_rendered(call, await _found(call)))


async def get_status(call: Call) -> Reply:
    """Active at once: there is no cloud provider that it has to reach."""
    await _found(call)
    return Reply(body=_Status(status="ACTIVE"))


async def delete_permission(call: Call) -> Reply:
    await call.administration.network_permissions.delete(
        call.caller, call.group_id, call.path_params["entryValue"]
    )
    return Reply(status=204)


async def _found(call: Call) -> NetworkPermission:
    return await call.administration.network_permissions.get(
        call.caller, call.group_id, call.path_params["entryValue"]
    )


def _entry(new: _NewPermission) -> str:
    group = new.aws_security_group
    if not group:
        return network_of(new.cidr_block, new.ip_address)
    if new.cidr_block or new.ip_address:
        raise SeveralNetworks
    if not is_security_group(group):
        raise InvalidAttribute("awsSecurityGroup")
    return group


def _rendered(call: Call, found: NetworkPermission) -> PermissionView:
    name = _OLD_NAME if f"/{_OLD_NAME}" in call.path else _NAME
    is_group = found.is_security_group
    address = None if is_group else only_address(found.entry)
    entry = found.entry if is_group else shown(found.entry)
    here = f"{call.group_url}/{name}/{as_path(entry)}"
    return PermissionView(
        aws_security_group=entry if is_group else UNSET,
        cidr_block=UNSET if is_group else entry,
        comment=found.comment or UNSET,
        delete_after_date=found.expires_at or UNSET,
        group_id=call.group_id,
        ip_address=address or UNSET,
        links=[Link(href=here, rel="self")],
    )


def _routes(name: str, prefix: str, surfaces: tuple[Surface, ...]) -> tuple[Route, ...]:
    entries = f"/groups/{{groupId}}/{name}"
    entry = f"{entries}/{{entryValue}}"
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
            (
                "listProjectIpAccessLists",
                "GET",
                entries,
                list_permissions,
                Answer(PermissionView, is_list=True),
                None,
            ),
            (
                "createProjectIpAccessList",
                "POST",
                entries,
                create_permissions,
                Answer(PermissionView, status=201, is_list=True),
                list[_NewPermission],
            ),
            ("getProjectIpList", "GET", entry, get_permission, Answer(PermissionView), None),
            (
                "deleteProjectIpAccessList",
                "DELETE",
                entry,
                delete_permission,
                Answer(status=204),
                None,
            ),
            (
                "getProjectIpAccessListStatus",
                "GET",
                f"{entry}/status",
                get_status,
                Answer(_Status),
                None,
            ),
        )
    )


ROUTES = (
    *_routes(_NAME, "", (Surface.V1, Surface.V2)),
    *_routes(_OLD_NAME, "old_", (Surface.V1,)),
)
