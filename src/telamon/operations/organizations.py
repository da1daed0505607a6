"""Organizations: shown, made, changed, closed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import MissingRoles, OrgNotEmpty
from telamon.ids import IdFactory
from telamon.model.access import (
    ORG_MEMBERS,
    ORG_OWNERS,
    ApiKey,
    NewApiKey,
    Organization,
    Role,
    RoleAssignment,
)
from telamon.model.page import Page
from telamon.operations.access import Access, authorize_in_org
from telamon.state import access as access_rows
from telamon.state import api_keys, projects, service_accounts, tokens
from telamon.state import organizations as rows
from telamon.state.database import Database

_EVERYTHING = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrganization:
    """What a caller may choose of an organization, and of the first key that acts on it."""

    name: str
    skips_default_alerts: bool
    key_description: str
    key_roles: tuple[Role, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeOrganization:
    organization: Organization
    key: NewApiKey


class Organizations:
    """What callers can do with organizations; a caller sees its own and no other."""

    def __init__(self, db: Database, access: Access, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._access = access
        self._clock = clock
        self._new_id = new_id

    async def list(
        self, caller: ApiKey, *, prefix: str, limit: int, offset: int
    ) -> Page[Organization]:
        """The caller's own, if its name begins with ``prefix`` in any case."""
        own = await self._db.read(lambda tx: rows.find(tx, caller.org_id))
        wanted = [own] if own and own.name.lower().startswith(prefix.lower()) else []
        return Page(items=tuple(wanted[offset : offset + limit]), total=len(wanted))

    async def get(self, caller: ApiKey, org_id: str) -> Organization:
        return await self._access.require_in_org(caller, org_id, ORG_MEMBERS)

    async def create(self, caller: ApiKey, new: NewOrganization) -> MadeOrganization:
        """Another organization, and a key of it: nobody else could act on it.

        It asks for no access list, since no caller but its own keys could fill one.
        """
        if not new.key_roles:
            raise MissingRoles
        now = self._clock()
        organization = Organization(
            id=self._new_id(now),
            name=new.name,
            created_at=now,
            requires_access_list=False,
            skips_default_alerts=new.skips_default_alerts,
        )
        key = self._access.make_key(
            organization,
            description=new.key_description,
            roles=[RoleAssignment(role=role) for role in dict.fromkeys(new.key_roles)],
            access_list=(),
        )

        def work(tx: Connection) -> None:
            authorize_in_org(tx, caller, caller.org_id, ORG_OWNERS)
            access_rows.insert_organization(tx, organization)
            self._access.insert_key(tx, key)

        await self._db.run(work)
        return MadeOrganization(organization=organization, key=key)

    async def update(
        self, caller: ApiKey, org_id: str, *, name: str | None, skips_default_alerts: bool | None
    ) -> Organization:
        """Change what is not None."""

        def work(tx: Connection) -> Organization:
            organization = authorize_in_org(tx, caller, org_id, ORG_OWNERS)
            if name is not None:
                rows.set_name(tx, org_id, name)
                organization = replace(organization, name=name)
            if skips_default_alerts is not None:
                rows.set_skips_default_alerts(tx, org_id, skips=skips_default_alerts)
                organization = replace(organization, skips_default_alerts=skips_default_alerts)
            return organization

        return await self._db.run(work)

    async def update_settings(
        self,
        caller: ApiKey,
        org_id: str,
        changes: Mapping[str, Any],
        *,
        requires_access_list: bool | None,
    ) -> Organization:
        """Change what is not None. ``changes`` are fields of OrganizationSettings."""

        def work(tx: Connection) -> Organization:
            old = authorize_in_org(tx, caller, org_id, ORG_OWNERS)
            changed = replace(
                old,
                settings=replace(old.settings, **changes),
                requires_access_list=old.requires_access_list
                if requires_access_list is None
                else requires_access_list,
            )
            rows.set_settings(
                tx,
                org_id,
                changed.settings,
                requires_access_list=changed.requires_access_list,
            )
            return changed

        return await self._db.run(work)

    async def delete(self, caller: ApiKey, org_id: str) -> None:
        """With everybody who acts on it, the caller too. Raises OrgNotEmpty."""

        def work(tx: Connection) -> None:
            authorize_in_org(tx, caller, org_id, ORG_OWNERS)
            if projects.count(tx, org_id):
                raise OrgNotEmpty(org_id)
            for listed in api_keys.page(tx, org_id, limit=_EVERYTHING, offset=0).items:
                api_keys.delete(tx, listed.key.id)
            for account in service_accounts.page(tx, org_id, limit=_EVERYTHING, offset=0).items:
                for secret in tokens.secrets(tx, account.id):
                    tokens.delete_secret(tx, account.id, secret.secret.id)
                service_accounts.delete(tx, account.id)
            rows.close(tx, org_id)

        await self._db.run(work)
