"""API keys of organizations and of projects, on v1.0 and v2."""

from collections.abc import Iterable
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from telamon.api.body import read_list, read_object
from telamon.api.call import Answer, Call, Link, Reply, Route, Wire
from telamon.errors import InvalidEnumValue
from telamon.model.access import (
    ORG_OWNERS,
    PROJECT_OWNERS,
    ApiKey,
    ListedKey,
    NewApiKey,
    Role,
    RoleAssignment,
)

Description = Annotated[str, Meta(min_length=1, max_length=250)]
_READ_ONLY = ("id", "links", "privateKey", "publicKey")
_MASK = "********-****-****-"


class RoleView(Wire, kw_only=True, frozen=True):
    """One of the two ids is there."""

    group_id: str | UnsetType = UNSET
    org_id: str | UnsetType = UNSET
    role_name: str


class ApiKeyView(Wire, kw_only=True, frozen=True):
    desc: str
    id: str
    links: list[Link]
    private_key: str
    public_key: str
    roles: list[RoleView]


class _NewKey(Wire, kw_only=True, frozen=True):
    desc: Description
    roles: list[Role]


class _Changes(Wire, kw_only=True, frozen=True):
    desc: Description | UnsetType = UNSET
    roles: list[Role] | UnsetType = UNSET


class _Assignment(Wire, kw_only=True, frozen=True):
    roles: list[Role]


async def list_api_keys(call: Call) -> Reply:
    """Oldest first."""
    page = await call.administration.api_keys.list(
        call.caller, call.org_id, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_masked(call, each) for each in page.items], page.total)


async def create_api_key(call: Call) -> Reply:
    """The one answer that has the private key."""
    await call.services.access.require_in_org(call.caller, call.org_id, ORG_OWNERS)
    new = read_object(await call.read_body(), _NewKey, read_only=_READ_ONLY)
    made = await call.administration.api_keys.create(
        call.caller,
        call.org_id,
        description=new.desc,
        roles=only(new.roles, of_project=False),
    )
    return Reply(body=new_key(call, made))


async def get_api_key(call: Call) -> Reply:
    found = await call.administration.api_keys.get(call.caller, call.org_id, _key_id(call))
    return Reply(body=_masked(call, found))


async def update_api_key(call: Call) -> Reply:
    await call.services.access.require_in_org(call.caller, call.org_id, ORG_OWNERS)
    keys = call.administration.api_keys
    await keys.get(call.caller, call.org_id, _key_id(call))
    changes = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY)
    changed = await keys.update(
        call.caller,
        call.org_id,
        _key_id(call),
        description=changes.desc or None,
        roles=None if changes.roles is UNSET else only(changes.roles, of_project=False),
    )
    return Reply(body=_masked(call, changed, is_change=True))


async def delete_api_key(call: Call) -> Reply:
    """It lets nobody in from now on."""
    await call.administration.api_keys.delete(call.caller, call.org_id, _key_id(call))
    return Reply(status=204)


async def list_project_api_keys(call: Call) -> Reply:
    """Oldest first."""
    page = await call.administration.api_keys.list_of_project(
        call.caller, call.group_id, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_masked(call, each) for each in page.items], page.total)


async def create_project_api_key(call: Call) -> Reply:
    """The one answer that has the private key."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    new = read_object(await call.read_body(), _NewKey, read_only=_READ_ONLY)
    made = await call.administration.api_keys.create_in_project(
        call.caller, call.group_id, description=new.desc, roles=new.roles
    )
    return Reply(body=new_key(call, made))


async def assign_project_api_key(call: Call) -> Reply:
    """A key of the organization gets roles in the project."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    given = read_list(await call.read_body(), _Assignment, read_only=("userId",))
    roles = [role for each in given for role in each.roles]
    await call.administration.api_keys.assign(
        call.caller, call.group_id, _key_id(call), only(roles, of_project=True)
    )
    return Reply(status=204)


async def update_project_api_key(call: Call) -> Reply:
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    changes = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY)
    changed = await call.administration.api_keys.update_in_project(
        call.caller,
        call.group_id,
        _key_id(call),
        description=changes.desc or None,
        roles=None if changes.roles is UNSET else only(changes.roles, of_project=True),
    )
    return Reply(body=_masked(call, changed, is_change=True))


async def remove_project_api_key(call: Call) -> Reply:
    """It stays a key of the organization."""
    await call.administration.api_keys.remove_from_project(
        call.caller, call.group_id, _key_id(call)
    )
    return Reply(status=204)


def only(roles: list[Role], *, of_project: bool) -> list[Role]:
    """``roles``, if all are of projects, or all of organizations. Raises InvalidEnumValue."""
    for role in roles:
        if role.is_of_project is not of_project:
            raise InvalidEnumValue(role.value)
    return roles


def new_key(call: Call, made: NewApiKey) -> ApiKeyView:
    """With its secret, this once."""
    return _rendered(call, made.key, private_key=made.private_key, is_change=True)


def role_views(org_id: str, roles: Iterable[RoleAssignment]) -> list[RoleView]:
    return [
        RoleView(role_name=held.role.value, org_id=org_id)
        if held.group_id is None
        else RoleView(role_name=held.role.value, group_id=held.group_id)
        for held in roles
    ]


def _masked(call: Call, listed: ListedKey, *, is_change: bool = False) -> ApiKeyView:
    return _rendered(
        call, listed.key, private_key=f"{_MASK}{listed.private_key_tail}", is_change=is_change
    )


def _rendered(call: Call, key: ApiKey, *, private_key: str, is_change: bool) -> ApiKeyView:
    """Its roles by name; what answers a change has those in the organization first, as recorded."""
    roles: Iterable[RoleAssignment] = key.roles
    if is_change:
        roles = sorted(roles, key=lambda held: held.group_id is not None)
    here = f"{call.base_url}/orgs/{key.org_id}/apiKeys/{key.id}"
    return ApiKeyView(
        desc=key.description,
        id=key.id,
        links=[Link(href=here, rel="self")],
        private_key=private_key,
        public_key=key.public_key,
        roles=role_views(key.org_id, roles),
    )


def _key_id(call: Call) -> str:
    return call.path_params["apiUserId"]


_OF_ORG = "/orgs/{orgId}/apiKeys"
_OF_PROJECT = "/groups/{groupId}/apiKeys"
_ONE_OF_ORG = f"{_OF_ORG}/{{apiUserId}}"
_ONE_OF_PROJECT = f"{_OF_PROJECT}/{{apiUserId}}"

ROUTES = (
    Route(
        operation_id="listApiKeys",
        method="GET",
        path=_OF_ORG,
        handler=list_api_keys,
        answer=Answer(ApiKeyView, is_list=True),
    ),
    Route(
        operation_id="createApiKey",
        method="POST",
        path=_OF_ORG,
        handler=create_api_key,
        answer=Answer(ApiKeyView),
        body=_NewKey,
    ),
    Route(
        operation_id="getApiKey",
        method="GET",
        path=_ONE_OF_ORG,
        handler=get_api_key,
        answer=Answer(ApiKeyView),
    ),
    Route(
        operation_id="updateApiKey",
        method="PATCH",
        path=_ONE_OF_ORG,
        handler=update_api_key,
        answer=Answer(ApiKeyView),
        body=_Changes,
    ),
    Route(
        operation_id="deleteApiKey",
        method="DELETE",
        path=_ONE_OF_ORG,
        handler=delete_api_key,
        answer=Answer(status=204),
    ),
    Route(
        operation_id="listProjectApiKeys",
        method="GET",
        path=_OF_PROJECT,
        handler=list_project_api_keys,
        answer=Answer(ApiKeyView, is_list=True),
    ),
    Route(
        operation_id="createProjectApiKey",
        method="POST",
        path=_OF_PROJECT,
        handler=create_project_api_key,
        answer=Answer(ApiKeyView),
        body=_NewKey,
    ),
    Route(
        operation_id="addProjectApiKey",
        method="POST",
        path=_ONE_OF_PROJECT,
        handler=assign_project_api_key,
        answer=Answer(status=204),
        body=list[_Assignment],
    ),
    Route(
        operation_id="updateApiKeyRoles",
        method="PATCH",
        path=_ONE_OF_PROJECT,
        handler=update_project_api_key,
        answer=Answer(ApiKeyView),
        body=_Changes,
    ),
    Route(
        operation_id="removeProjectApiKey",
        method="DELETE",
        path=_ONE_OF_PROJECT,
        handler=remove_project_api_key,
        answer=Answer(status=204),
    ),
)
