"""API keys of organizations, and what they hold in projects."""

from collections.abc import Sequence

from sqlalchemy import Connection

from telamon.errors import ApiKeyNotFound, MissingRoles, Unauthorized
from telamon.model.access import (
    ORG_MEMBERS,
    ORG_OWNERS,
    PROJECT_OWNERS,
    PROJECT_READERS,
    ApiKey,
    ListedKey,
    NewApiKey,
    Organization,
    Role,
    RoleAssignment,
)
from telamon.model.page import Page
from telamon.operations.access import Access, authorize, authorize_in_org
from telamon.state import api_keys as rows
from telamon.state import organizations
from telamon.state.database import Database


class ApiKeys:
    """What callers can do with keys. One that is deleted lets nobody in from that moment on."""

    def __init__(self, db: Database, access: Access) -> None:
        self._db = db
        self._access = access

    async def list(
        self, caller: ApiKey, org_id: str, *, limit: int, offset: int
    ) -> Page[ListedKey]:
        """Oldest first."""

        def work(tx: Connection) -> Page[ListedKey]:
            authorize_in_org(tx, caller, org_id, ORG_MEMBERS)
            return rows.page(tx, org_id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def get(self, caller: ApiKey, org_id: str, api_key_id: str) -> ListedKey:
        """Raises ApiKeyNotFound."""

        def work(tx: Connection) -> ListedKey:
            authorize_in_org(tx, caller, org_id, ORG_MEMBERS)
            return find_key(tx, org_id, api_key_id)

        return await self._db.read(work)

    async def create(
        self, caller: ApiKey, org_id: str, *, description: str, roles: Sequence[Role]
    ) -> NewApiKey:
        """A key that holds ``roles`` in the organization, with an empty access list."""
        organization = await self._access.require_in_org(caller, org_id, ORG_OWNERS)
        new = self._made(organization, description, _held(roles))

        def work(tx: Connection) -> None:
            authorize_in_org(tx, caller, org_id, ORG_OWNERS)
            self._access.insert_key(tx, new)

        await self._db.run(work)
        return new

    async def update(
        self,
        caller: ApiKey,
        org_id: str,
        api_key_id: str,
        *,
        description: str | None,
        roles: Sequence[Role] | None,
    ) -> ListedKey:
        """Change what is not None. ``roles`` replaces those in the organization."""

        def work(tx: Connection) -> ListedKey:
            authorize_in_org(tx, caller, org_id, ORG_OWNERS)
            find_key(tx, org_id, api_key_id)
            _change(tx, api_key_id, description, None if roles is None else _held(roles), None)
            return find_key(tx, org_id, api_key_id)

        return await self._db.run(work)

    async def delete(self, caller: ApiKey, org_id: str, api_key_id: str) -> None:
        """Raises ApiKeyNotFound."""

        def work(tx: Connection) -> None:
            authorize_in_org(tx, caller, org_id, ORG_OWNERS)
            find_key(tx, org_id, api_key_id)
            rows.delete(tx, api_key_id)

        await self._db.run(work)

    # In a project

    async def list_of_project(
        self, caller: ApiKey, group_id: str, *, limit: int, offset: int
    ) -> Page[ListedKey]:
        """Keys with a role in the project itself, oldest first."""

        def work(tx: Connection) -> Page[ListedKey]:
            authorize(tx, caller, group_id, PROJECT_READERS)
            return rows.page_of_project(tx, group_id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def create_in_project(
        self, caller: ApiKey, group_id: str, *, description: str, roles: Sequence[Role]
    ) -> NewApiKey:
        """A key that holds ``roles`` in the project, and is a member of the organization.

        An organization's roles can be given by its owners only; Unauthorized to others.
        """
        if any(not role.is_of_project and role is not Role.ORG_MEMBER for role in roles) and (
            not caller.holds_in_org(ORG_OWNERS)
        ):
            raise Unauthorized
        in_org = [role for role in roles if not role.is_of_project] or [Role.ORG_MEMBER]
        in_project = [role for role in roles if role.is_of_project]
        held = [*_held(in_org), *_held(in_project, group_id)]
        organization = await self._db.read(lambda tx: organizations.find(tx, caller.org_id))
        assert organization is not None  # the caller's own
        new = self._made(organization, description, held)

        def work(tx: Connection) -> None:
            authorize(tx, caller, group_id, PROJECT_OWNERS)
            self._access.insert_key(tx, new)

        await self._db.run(work)
        return new

    async def assign(
        self, caller: ApiKey, group_id: str, api_key_id: str, roles: Sequence[Role]
    ) -> None:
        """Let a key of the organization hold ``roles`` in the project, beside those it has."""

        def work(tx: Connection) -> None:
            project = authorize(tx, caller, group_id, PROJECT_OWNERS)
            held = find_key(tx, project.org_id, api_key_id).key.roles
            rows.add_roles(
                tx, api_key_id, [new for new in _held(roles, group_id) if new not in held]
            )

        await self._db.run(work)

    async def update_in_project(
        self,
        caller: ApiKey,
        group_id: str,
        api_key_id: str,
        *,
        description: str | None,
        roles: Sequence[Role] | None,
    ) -> ListedKey:
        """Change what is not None. ``roles`` replaces those in the project."""

        def work(tx: Connection) -> ListedKey:
            project = authorize(tx, caller, group_id, PROJECT_OWNERS)
            find_key(tx, project.org_id, api_key_id)
            held = None if roles is None else _held(roles, group_id)
            _change(tx, api_key_id, description, held, group_id)
            return find_key(tx, project.org_id, api_key_id)

        return await self._db.run(work)

    async def remove_from_project(self, caller: ApiKey, group_id: str, api_key_id: str) -> None:
        """It holds nothing in the project any more. Raises ApiKeyNotFound if it held nothing."""

        def work(tx: Connection) -> None:
            project = authorize(tx, caller, group_id, PROJECT_OWNERS)
            if not find_key(tx, project.org_id, api_key_id).key.roles_in(group_id):
                raise ApiKeyNotFound(api_key_id)
            rows.remove_roles(tx, api_key_id, group_id=group_id)

        await self._db.run(work)

    def _made(
        self, organization: Organization, description: str, roles: Sequence[RoleAssignment]
    ) -> NewApiKey:
        return self._access.make_key(
            organization, description=description, roles=roles, access_list=()
        )


def find_key(tx: Connection, org_id: str, api_key_id: str) -> ListedKey:
    """Raises ApiKeyNotFound."""
    found = rows.find(tx, org_id, api_key_id)
    if found is None:
        raise ApiKeyNotFound(api_key_id)
    return found


def _change(
    tx: Connection,
    api_key_id: str,
    description: str | None,
    held: Sequence[RoleAssignment] | None,
    group_id: str | None,
) -> None:
    if description is not None:
        rows.set_description(tx, api_key_id, description)
    if held is not None:
        rows.remove_roles(tx, api_key_id, group_id=group_id)
        rows.add_roles(tx, api_key_id, held)


def _held(roles: Sequence[Role], group_id: str | None = None) -> list[RoleAssignment]:
    """Each once. Raises MissingRoles for none."""
    if not roles:
        raise MissingRoles
    return [RoleAssignment(role=role, group_id=group_id) for role in dict.fromkeys(roles)]
