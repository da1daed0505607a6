"""Service accounts of organizations and of projects, on v2 as of 2024-08-05.

Both have the same shape; the roles are those in the place that the path names.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from telamon.api.api_keys import only
from telamon.api.body import read_object
from telamon.api.call import Answer, Body, Call, Handler, Reply, Route, Surface, Wire
from telamon.model.access import Role, ServiceAccount
from telamon.model.service_account import (
    SECRET_HOURS_MAX,
    SECRET_HOURS_MIN,
    SECRET_PREFIX,
    NewSecret,
    Secret,
)
from telamon.operations.service_accounts import Changes, NewAccount, Place

_MASK = f"{SECRET_PREFIX}****"
_READ_ONLY = ("clientId", "createdAt", "secrets")
_VERSIONS = (date(2024, 8, 5),)

# The operation checks them, since an organization may allow less.
Hours = Annotated[
    int, Meta(extra_json_schema={"minimum": SECRET_HOURS_MIN, "maximum": SECRET_HOURS_MAX})
]
_Name = Annotated[str, Meta(pattern=r"\A[\w\-.,' ]{1,64}\Z")]
_Description = Annotated[str, Meta(pattern=r"\A[\w\-.,' ]{1,250}\Z")]


class SecretView(Wire, kw_only=True, frozen=True):
    """``secret`` is there in the answer that makes it, ``maskedSecretValue`` in all others."""

    created_at: datetime
    expires_at: datetime
    id: str
    last_used_at: datetime | UnsetType = UNSET
    masked_secret_value: str | UnsetType = UNSET
    secret: str | UnsetType = UNSET


class ServiceAccountView(Wire, kw_only=True, frozen=True):
    client_id: str
    created_at: datetime
    description: str
    name: str
    roles: list[str]
    secrets: list[SecretView]


class GroupOfAccount(Wire, kw_only=True, frozen=True):
    group_id: str


class _NewAccount(Wire, kw_only=True, frozen=True):
    description: _Description
    name: _Name
    roles: list[Role]
    secret_expires_after_hours: Hours


class _Changes(Wire, kw_only=True, frozen=True):
    description: _Description | UnsetType = UNSET
    name: _Name | UnsetType = UNSET
    roles: list[Role] | UnsetType = UNSET


class _Invitation(Wire, kw_only=True, frozen=True):
    roles: list[Role]


async def list_accounts(call: Call) -> Reply:
    """Oldest first."""
    page = await call.administration.service_accounts.list(
        call.caller,
        place_of(call),
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    results = [_rendered(call, each.account, _masked(each.secrets)) for each in page.items]
    return call.listed(results, page.total)


async def create_account(call: Call) -> Reply:
    """The one answer that has the first secret."""
    place = place_of(call)
    accounts = call.administration.service_accounts
    await accounts.require_owner(call.caller, place)
    new = read_object(await call.read_body(), _NewAccount, read_only=_READ_ONLY)
    made = await accounts.create(
        call.caller,
        place,
        NewAccount(
            name=new.name,
            description=new.description,
            roles=_roles(place, new.roles),
            secret_hours=new.secret_expires_after_hours,
        ),
    )
    return Reply(status=201, body=_rendered(call, made.account, [new_secret(made.secret)]))


async def get_account(call: Call) -> Reply:
    found = await call.administration.service_accounts.get(
        call.caller, place_of(call), client_id_of(call)
    )
    return Reply(body=_rendered(call, found.account, _masked(found.secrets)))


async def update_account(call: Call) -> Reply:
    place = place_of(call)
    accounts = call.administration.service_accounts
    await accounts.require_owner(call.caller, place)
    await accounts.get(call.caller, place, client_id_of(call))
    changes = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY)
    changed = await accounts.update(
        call.caller,
        place,
        client_id_of(call),
        Changes(
            name=changes.name or None,
            description=changes.description or None,
            roles=None if changes.roles is UNSET else _roles(place, changes.roles),
        ),
    )
    return Reply(body=_rendered(call, changed.account, _masked(changed.secrets)))


async def delete_account(call: Call) -> Reply:
    """Of a project: it stays in the organization."""
    await call.administration.service_accounts.delete(
        call.caller, place_of(call), client_id_of(call)
    )
    return Reply(status=204)


async def invite_account(call: Call) -> Reply:
    """A service account of the organization gets roles in the project."""
    accounts = call.administration.service_accounts
    await accounts.require_inviter(call.caller, call.group_id)
    invitation = read_object(await call.read_body(), _Invitation)
    invited = await accounts.invite(
        call.caller,
        call.group_id,
        client_id_of(call),
        only(invitation.roles, of_project=True),
    )
    return Reply(body=_rendered(call, invited.account, _masked(invited.secrets)))


async def list_groups(call: Call) -> Reply:
    """The projects that it holds a role in."""
    page = await call.administration.service_accounts.groups(
        call.caller,
        call.org_id,
        client_id_of(call),
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([GroupOfAccount(group_id=each) for each in page.items], page.total)


def place_of(call: Call) -> Place:
    return Place(org_id=call.path_params.get("orgId"), group_id=call.path_params.get("groupId"))


def client_id_of(call: Call) -> str:
    return call.path_params["clientId"]


def new_secret(new: NewSecret) -> SecretView:
    """With the secret itself, this once."""
    return SecretView(
        created_at=new.secret.created_at,
        expires_at=new.secret.expires_at,
        id=new.secret.id,
        secret=new.value,
    )


def _roles(place: Place, roles: list[Role]) -> tuple[Role, ...]:
    return tuple(only(roles, of_project=place.group_id is not None))


def _masked(secrets: Sequence[Secret]) -> list[SecretView]:
    return [
        SecretView(
            created_at=secret.created_at,
            expires_at=secret.expires_at,
            id=secret.id,
            last_used_at=secret.last_used_at or UNSET,
            masked_secret_value=f"{_MASK}{secret.tail}",
        )
        for secret in secrets
    ]


def _rendered(call: Call, account: ServiceAccount, secrets: list[SecretView]) -> ServiceAccountView:
    group_id = call.path_params.get("groupId")
    return ServiceAccountView(
        client_id=account.public_key,
        created_at=account.created_at,
        description=account.description,
        name=account.name,
        roles=[held.role.value for held in account.roles if held.group_id == group_id],
        secrets=secrets,
    )


def account_route(
    operation_id: str,
    method: str,
    path: str,
    handler: Handler,
    answer: Answer,
    *,
    body: Body = None,
) -> Route:
    """One as service accounts have them: on v2 only, and not before they were there."""
    return Route(
        operation_id=operation_id,
        method=method,
        path=path,
        handler=handler,
        answer=answer,
        body=body,
        surfaces=(Surface.V2,),
        versions=_VERSIONS,
    )


OF_ORG = "/orgs/{orgId}/serviceAccounts"
OF_PROJECT = "/groups/{groupId}/serviceAccounts"
_ONE_OF_ORG = f"{OF_ORG}/{{clientId}}"
_ONE_OF_PROJECT = f"{OF_PROJECT}/{{clientId}}"

ROUTES = (
    account_route(
        "listServiceAccounts",
        "GET",
        OF_ORG,
        list_accounts,
        Answer(ServiceAccountView, is_list=True),
    ),
    account_route(
        "createServiceAccount",
        "POST",
        OF_ORG,
        create_account,
        Answer(ServiceAccountView, status=201),
        body=_NewAccount,
    ),
    account_route("getServiceAccount", "GET", _ONE_OF_ORG, get_account, Answer(ServiceAccountView)),
    account_route(
        "updateServiceAccount",
        "PATCH",
        _ONE_OF_ORG,
        update_account,
        Answer(ServiceAccountView),
        body=_Changes,
    ),
    account_route(
        "deleteServiceAccount", "DELETE", _ONE_OF_ORG, delete_account, Answer(status=204)
    ),
    account_route(
        "listServiceAccountProjects",
        "GET",
        f"{_ONE_OF_ORG}/groups",
        list_groups,
        Answer(GroupOfAccount, is_list=True),
    ),
    account_route(
        "listProjectServiceAccounts",
        "GET",
        OF_PROJECT,
        list_accounts,
        Answer(ServiceAccountView, is_list=True),
    ),
    account_route(
        "createProjectServiceAccount",
        "POST",
        OF_PROJECT,
        create_account,
        Answer(ServiceAccountView, status=201),
        body=_NewAccount,
    ),
    account_route(
        "getProjectServiceAccount", "GET", _ONE_OF_PROJECT, get_account, Answer(ServiceAccountView)
    ),
    account_route(
        "updateProjectServiceAccount",
        "PATCH",
        _ONE_OF_PROJECT,
        update_account,
        Answer(ServiceAccountView),
        body=_Changes,
    ),
    account_route(
        "deleteProjectServiceAccount", "DELETE", _ONE_OF_PROJECT, delete_account, Answer(status=204)
    ),
    account_route(
        "addProjectServiceAccount",
        "POST",
        f"{_ONE_OF_PROJECT}:invite",
        invite_account,
        Answer(ServiceAccountView),
        body=_Invitation,
    ),
)
