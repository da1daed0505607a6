"""Service accounts of organizations, and what they hold in projects."""

import hashlib
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    CannotAccessOrg,
    InvalidAttribute,
    MissingRoles,
    ServiceAccountNotFound,
    Unauthorized,
)
from telamon.ids import IdFactory
from telamon.model.access import (
    ORG_OWNERS,
    ORG_READERS,
    PROJECT_OWNERS,
    PROJECT_READERS,
    ApiKey,
    Organization,
    Role,
    RoleAssignment,
    ServiceAccount,
)
from telamon.model.page import Page
from telamon.model.service_account import (
    SECRET_HOURS_MAX,
    SECRET_HOURS_MIN,
    SECRET_PREFIX,
    ListedServiceAccount,
    NewSecret,
    NewServiceAccount,
    Secret,
    client_id_of,
)
from telamon.operations.access import authorize, authorize_in_org
from telamon.state import organizations, tokens
from telamon.state import service_accounts as rows
from telamon.state.database import Database

_ID_CHARACTERS = 24
_SECRET_BYTES = 30
_TAIL_CHARACTERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a caller meets service accounts: in its organization or in a project of it."""

    org_id: str | None = None
    group_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    """What a caller may choose of a service account. The roles are those in its place."""

    name: str
    description: str
    roles: tuple[Role, ...]
    secret_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What to change of a service account; None leaves it. The roles are those in its place."""

    name: str | None = None
    description: str | None = None
    roles: tuple[Role, ...] | None = None


class ServiceAccounts:
    """What callers can do with service accounts."""

    def __init__(self, db: Database, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id

    async def list(
        self, caller: ApiKey, place: Place, *, limit: int, offset: int
    ) -> Page[ListedServiceAccount]:
        """Oldest first; of a project those that hold a role in itself."""

        def work(tx: Connection) -> Page[ListedServiceAccount]:
            authorize_in_place(tx, caller, place)
            if place.group_id is None:
                page = rows.page(tx, caller.org_id, limit=limit, offset=offset)
            else:
                page = rows.page_of_project(tx, place.group_id, limit=limit, offset=offset)
            return Page(items=_listed(tx, page.items), total=page.total)

        return await self._db.read(work)

    async def get(self, caller: ApiKey, place: Place, client_id: str) -> ListedServiceAccount:
        """Raises ServiceAccountNotFound."""

        def work(tx: Connection) -> ListedServiceAccount:
            authorize_in_place(tx, caller, place)
            return _listed(tx, [find_account(tx, caller, place, client_id)])[0]

        return await self._db.read(work)

    async def require_owner(self, caller: ApiKey, place: Place) -> None:
        """Raises Unauthorized and its kinds, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: authorize_in_place(tx, caller, place, is_change=True))

    async def create(self, caller: ApiKey, place: Place, new: NewAccount) -> NewServiceAccount:
        """With a first secret. In a project it becomes a member of the organization, too."""
        now = self._clock()
        account_id = self._new_id(now)
        roles = _held(new.roles, place.group_id)
        if place.group_id is not None:
            roles = (RoleAssignment(role=Role.ORG_MEMBER), *roles)

        def work(tx: Connection) -> NewServiceAccount:
            authorize_in_place(tx, caller, place, is_change=True)
            organization = _organization_of(tx, caller)
            secret = new_secret(self._new_id, now, new.secret_hours, organization)
            account = ServiceAccount(
                id=account_id,
                org_id=caller.org_id,
                public_key=client_id_of(account_id),
                name=new.name,
                description=new.description,
                created_at=now,
                roles=roles,
                access_list=(),
                org_requires_access_list=organization.requires_access_list,
            )
            rows.insert(tx, account)
            insert_secret(tx, account.id, secret)
            return NewServiceAccount(account=account, secret=secret)

        return await self._db.run(work)

    async def update(
        self, caller: ApiKey, place: Place, client_id: str, changes: Changes
    ) -> ListedServiceAccount:
        def work(tx: Connection) -> ListedServiceAccount:
            authorize_in_place(tx, caller, place, is_change=True)
            account = find_account(tx, caller, place, client_id)
            if changes.name is not None or changes.description is not None:
                check_outranks(caller, account)
            if changes.name is not None:
                rows.set_name(tx, account.id, changes.name)
            if changes.description is not None:
                rows.set_description(tx, account.id, changes.description)
            if changes.roles is not None:
                rows.remove_roles(tx, account.id, group_id=place.group_id)
                rows.add_roles(tx, account.id, _held(changes.roles, place.group_id))
            return _listed(tx, [find_account(tx, caller, place, client_id)])[0]

        return await self._db.run(work)

    async def delete(self, caller: ApiKey, place: Place, client_id: str) -> None:
        """From an organization with its secrets and tokens; from a project its roles there."""

        def work(tx: Connection) -> None:
            authorize_in_place(tx, caller, place, is_change=True)
            account = find_account(tx, caller, place, client_id)
            if place.group_id is not None:
                rows.remove_roles(tx, account.id, group_id=place.group_id)
                return
            for stored in tokens.secrets(tx, account.id):
                tokens.delete_secret(tx, account.id, stored.secret.id)
            rows.delete(tx, account.id)

        await self._db.run(work)

    async def require_inviter(self, caller: ApiKey, group_id: str) -> None:
        """As ``invite`` checks it, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: authorize(tx, caller, group_id, ORG_OWNERS))

    async def invite(
        self, caller: ApiKey, group_id: str, client_id: str, roles: Sequence[Role]
    ) -> ListedServiceAccount:
        """Let a service account of the organization hold ``roles`` in the project, too."""
        place = Place(org_id=caller.org_id)

        def work(tx: Connection) -> ListedServiceAccount:
            authorize(tx, caller, group_id, ORG_OWNERS)
            account = find_account(tx, caller, place, client_id)
            new = [held for held in _held(roles, group_id) if held not in account.roles]
            rows.add_roles(tx, account.id, new)
            return _listed(tx, [find_account(tx, caller, place, client_id)])[0]

        return await self._db.run(work)

    async def groups(
        self, caller: ApiKey, org_id: str, client_id: str, *, limit: int, offset: int
    ) -> Page[str]:
        """The ids of the projects that it holds a role in."""
        place = Place(org_id=org_id)

        def work(tx: Connection) -> Page[str]:
            authorize_in_place(tx, caller, place)
            account = find_account(tx, caller, place, client_id)
            held = sorted({each.group_id for each in account.roles if each.group_id is not None})
            return Page(items=tuple(held[offset : offset + limit]), total=len(held))

        return await self._db.read(work)


def authorize_in_place(
    tx: Connection, caller: ApiKey, place: Place, *, is_change: bool = False
) -> None:
    """Whether the caller reads service accounts there, or changes them."""
    if place.group_id is not None:
        authorize(tx, caller, place.group_id, PROJECT_OWNERS if is_change else PROJECT_READERS)
    else:
        authorize_in_org(tx, caller, place.org_id or "", ORG_OWNERS if is_change else ORG_READERS)


def find_account(tx: Connection, caller: ApiKey, place: Place, client_id: str) -> ServiceAccount:
    """One of the caller's organization, in a project only with a role there.

    Raises ServiceAccountNotFound.
    """
    found = rows.find(tx, client_id[-_ID_CHARACTERS:])
    if (
        found is None
        or found.public_key != client_id
        or found.org_id != caller.org_id
        or (place.group_id is not None and not found.roles_in(place.group_id))
    ):
        raise ServiceAccountNotFound(client_id)
    return found


def check_outranks(caller: ApiKey, account: ServiceAccount) -> None:
    """Raises Unauthorized unless the caller may do everything that the account may.

    Who holds an account's secret acts as the account: an owner of one project must not get one
    that opens others.
    """
    for held in account.roles:
        is_harmless = held.role is Role.ORG_MEMBER
        group_id = held.group_id
        is_owned = group_id is not None and caller.holds_any(PROJECT_OWNERS, group_id)
        if not (is_harmless or is_owned or caller.holds_in_org(ORG_OWNERS)):
            raise Unauthorized


def new_secret(
    new_id: IdFactory, now: datetime, hours: int, organization: Organization
) -> NewSecret:
    """Raises InvalidAttribute for a life that is too short, or longer than the organization's."""
    longest = organization.settings.secret_hours_max or SECRET_HOURS_MAX
    if not SECRET_HOURS_MIN <= hours <= longest:
        raise InvalidAttribute("secretExpiresAfterHours")
    value = f"{SECRET_PREFIX}{randomness.token_urlsafe(_SECRET_BYTES)}"
    secret = Secret(
        id=new_id(now),
        tail=value[-_TAIL_CHARACTERS:],
        created_at=now,
        expires_at=now + timedelta(hours=hours),
    )
    return NewSecret(secret=secret, value=value)


def insert_secret(tx: Connection, account_id: str, new: NewSecret) -> None:
    tokens.insert_secret(tx, account_id, new.secret, secret_hash=secret_hash(new.value))


def secret_hash(value: str) -> bytes:
    """What is kept of a secret or token. They are random and long, so that one round will do."""
    return hashlib.sha256(value.encode("utf-8", "replace")).digest()


def _organization_of(tx: Connection, caller: ApiKey) -> Organization:
    organization = organizations.find(tx, caller.org_id)
    if organization is None:
        raise CannotAccessOrg
    return organization


def _listed(tx: Connection, accounts: Sequence[ServiceAccount]) -> tuple[ListedServiceAccount, ...]:
    found = tokens.secrets_of_several(tx, [account.id for account in accounts])
    return tuple(
        ListedServiceAccount(account=account, secrets=found.get(account.id, ()))
        for account in accounts
    )


def _held(roles: Sequence[Role], group_id: str | None) -> tuple[RoleAssignment, ...]:
    """Each once. Raises MissingRoles for none."""
    if not roles:
        raise MissingRoles
    return tuple(RoleAssignment(role=role, group_id=group_id) for role in dict.fromkeys(roles))
