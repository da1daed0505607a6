"""Secrets and access lists of service accounts, on v2 as of 2024-08-05."""

from datetime import datetime

from msgspec import UNSET, UnsetType

from telamon.api.body import read_list, read_object
from telamon.api.call import Answer, Call, Reply, Wire
from telamon.api.networks import NewEntry, network_of
from telamon.api.service_accounts import (
    OF_ORG,
    OF_PROJECT,
    Hours,
    SecretView,
    account_route,
    client_id_of,
    new_secret,
    place_of,
)
from telamon.model.network import only_address, shown

_READ_ONLY = ("createdAt", "lastUsedAddress", "lastUsedAt", "requestCount")


class AccountEntryView(Wire, kw_only=True, frozen=True):
    """``ipAddress`` is missing of a network that has several."""

    cidr_block: str
    created_at: datetime
    ip_address: str | UnsetType = UNSET


class _NewSecret(Wire, kw_only=True, frozen=True):
    secret_expires_after_hours: Hours


async def create_secret(call: Call) -> Reply:
    """The one answer that has the secret."""
    access = call.administration.account_access
    await access.require_writer(call.caller, place_of(call), client_id_of(call))
    wanted = read_object(await call.read_body(), _NewSecret)
    made = await access.add_secret(
        call.caller, place_of(call), client_id_of(call), wanted.secret_expires_after_hours
    )
    return Reply(status=201, body=new_secret(made))


async def delete_secret(call: Call) -> Reply:
    """Tokens bought with it let nobody in from now on."""
    await call.administration.account_access.delete_secret(
        call.caller, place_of(call), client_id_of(call), call.path_params["secretId"]
    )
    return Reply(status=204)


async def list_entries(call: Call) -> Reply:
    """Oldest first."""
    page = await call.administration.account_access.networks(
        call.caller,
        place_of(call),
        client_id_of(call),
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    results = [
        AccountEntryView(
            cidr_block=shown(entry.cidr_block),
            created_at=entry.created_at,
            ip_address=only_address(entry.cidr_block) or UNSET,
        )
        for entry in page.items
    ]
    return call.listed(results, page.total)


async def create_entries(call: Call) -> Reply:
    """Answers the list as it is then."""
    access = call.administration.account_access
    await access.require_writer(call.caller, place_of(call), client_id_of(call))
    new = read_list(await call.read_body(), NewEntry, read_only=_READ_ONLY)
    networks = [network_of(each.cidr_block, each.ip_address) for each in new]
    await access.add_networks(call.caller, place_of(call), client_id_of(call), networks)
    return await list_entries(call)


async def delete_entry(call: Call) -> Reply:
    """Refused to a service account that would shut itself out."""
    await call.administration.account_access.remove_network(
        call.caller,
        place_of(call),
        client_id_of(call),
        call.path_params["ipAddress"],
        address=call.address,
    )
    return Reply(status=204)


_ACCOUNT = f"{OF_ORG}/{{clientId}}"
_PROJECT_ACCOUNT = f"{OF_PROJECT}/{{clientId}}"
_PAGE = Answer(AccountEntryView, is_list=True)
_ONE = "secrets/{secretId}"
_ENTRY = "accessList/{ipAddress}"

ROUTES = (
    account_route(
        "createServiceAccountSecret",
        "POST",
        f"{_ACCOUNT}/secrets",
        create_secret,
        Answer(SecretView, status=201),
        body=_NewSecret,
    ),
    account_route(
        "deleteServiceAccountSecret",
        "DELETE",
        f"{_ACCOUNT}/{_ONE}",
        delete_secret,
        Answer(status=204),
    ),
    account_route(
        "listServiceAccountAccessList", "GET", f"{_ACCOUNT}/accessList", list_entries, _PAGE
    ),
    account_route(
        "createServiceAccountAccessList",
        "POST",
        f"{_ACCOUNT}/accessList",
        create_entries,
        _PAGE,
        body=list[NewEntry],
    ),
    account_route(
        "deleteServiceAccountAccessListEntry",
        "DELETE",
        f"{_ACCOUNT}/{_ENTRY}",
        delete_entry,
        Answer(status=204),
    ),
    account_route(
        "createProjectServiceAccountSecret",
        "POST",
        f"{_PROJECT_ACCOUNT}/secrets",
        create_secret,
        Answer(SecretView, status=201),
        body=_NewSecret,
    ),
    account_route(
        "deleteProjectServiceAccountSecret",
        "DELETE",
        f"{_PROJECT_ACCOUNT}/{_ONE}",
        delete_secret,
        Answer(status=204),
    ),
    account_route(
        "listProjectServiceAccountAccessList",
        "GET",
        f"{_PROJECT_ACCOUNT}/accessList",
        list_entries,
        _PAGE,
    ),
    account_route(
        "createProjectServiceAccountAccessList",
        "POST",
        f"{_PROJECT_ACCOUNT}/accessList",
        create_entries,
        _PAGE,
        body=list[NewEntry],
    ),
    account_route(
        "deleteProjectServiceAccountAccessListEntry",
        "DELETE",
        f"{_PROJECT_ACCOUNT}/{_ENTRY}",
        delete_entry,
        Answer(status=204),
    ),
)
