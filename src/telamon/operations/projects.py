"""Projects, on the wire ``groups``: shown, made, changed, closed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from telamon.clock import Clock
from telamon.errors import (
    GroupAlreadyExists,
    GroupNameNotFound,
    GroupNotEmpty,
    InvalidGroupName,
    NotGroupCreator,
    NotInGroup,
    TooManyGroups,
)
from telamon.ids import IdFactory
from telamon.model.access import (
    ORG_MEMBERS,
    ORG_OWNERS,
    PROJECT_CREATORS,
    PROJECT_OWNERS,
    PROJECT_READERS,
    ApiKey,
    Project,
    Role,
    RoleAssignment,
    ServiceAccount,
)
from telamon.model.page import Page
from telamon.operations.access import authorize, authorize_in_org
from telamon.state import access as access_rows
from telamon.state import api_keys, network_permissions, service_accounts
from telamon.state import projects as rows
from telamon.state.database import Database

PROJECTS_MAX = 250
"""How many an organization may have, as in Atlas."""

Tags = Sequence[tuple[str, str]]

NAME_PATTERN = r"[\w\-.(),:&@+' ]{1,64}"

_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """What a caller may choose of a project."""

    org_id: str
    name: str
    tags: tuple[tuple[str, str], ...] = ()
    has_default_alerts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedProject:
    """A project and how many instances it has that are not deleted."""

    project: Project
    instances: int


class Projects:
    """What callers can do with projects."""

    def __init__(self, db: Database, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id

    async def list(self, caller: ApiKey, *, limit: int, offset: int) -> Page[CountedProject]:
        """Those that the caller may read, by name."""
        return await self._db.read(lambda tx: _page(tx, caller, limit=limit, offset=offset))

    async def list_of_org(
        self, caller: ApiKey, org_id: str, *, prefix: str, limit: int, offset: int
    ) -> Page[CountedProject]:
        """As ``list``, of those whose names begin with ``prefix`` in any case."""

        def work(tx: Connection) -> Page[CountedProject]:
            authorize_in_org(tx, caller, org_id, ORG_MEMBERS)
            return _page(tx, caller, prefix=prefix, limit=limit, offset=offset)

        return await self._db.read(work)

    async def get(self, caller: ApiKey, group_id: str) -> CountedProject:
        return await self._db.read(
            lambda tx: _counted(tx, authorize(tx, caller, group_id, PROJECT_READERS))
        )

    async def get_by_name(self, caller: ApiKey, name: str) -> CountedProject:
        """Raises GroupNameNotFound to who sees every project, and NotInGroup to others."""

        def work(tx: Connection) -> CountedProject:
            found = rows.find_by_name(tx, caller.org_id, name)
            if found is not None and caller.holds_any(PROJECT_READERS, found.id):
                return _counted(tx, found)
            raise GroupNameNotFound(name) if caller.sees_all_projects else NotInGroup

        return await self._db.read(work)

    async def require_creator(self, caller: ApiKey) -> None:
        """Raises NotGroupCreator, for a caller whose request has yet to be read."""
        if not caller.holds_in_org(PROJECT_CREATORS):
            raise NotGroupCreator(caller.org_id)

    async def create(self, caller: ApiKey, new: NewProject) -> Project:
        """Who makes it without owning the organization owns the project from then on."""
        _check_name(new.name)
        now = self._clock()
        project = Project(
            id=self._new_id(now),
            org_id=new.org_id,
            name=new.name,
            created_at=now,
            tags=new.tags,
            has_default_alerts=new.has_default_alerts,
        )

        def work(tx: Connection) -> None:
            authorize_in_org(tx, caller, new.org_id, PROJECT_CREATORS)
            if rows.count(tx, new.org_id) >= PROJECTS_MAX:
                raise TooManyGroups(str(PROJECTS_MAX), new.org_id)
            try:
                access_rows.insert_project(tx, project)
            except IntegrityError as error:
                raise GroupAlreadyExists(new.name) from error
            if not caller.holds_in_org(ORG_OWNERS):
                _make_owner(tx, caller, project.id)

        await self._db.run(work)
        return project

    async def update(
        self, caller: ApiKey, group_id: str, *, name: str | None, tags: Tags | None
    ) -> CountedProject:
        """Change what is not None. Raises GroupAlreadyExists."""
        if name is not None:
            _check_name(name)

        def work(tx: Connection) -> CountedProject:
            project = authorize(tx, caller, group_id, PROJECT_OWNERS)
            if name is not None:
                rows.set_name(tx, group_id, name)
                project = replace(project, name=name)
            if tags is not None:
                rows.set_tags(tx, group_id, tags)
                project = replace(project, tags=tuple(tags))
            return _counted(tx, project)

        return await self._db.run(work)

    async def delete(self, caller: ApiKey, group_id: str) -> None:
        """Nobody holds a role in it any more. Raises GroupNotEmpty while it has instances."""

        def work(tx: Connection) -> None:
            project = authorize(tx, caller, group_id, PROJECT_OWNERS)
            if _counted(tx, project).instances:
                raise GroupNotEmpty(group_id)
            api_keys.remove_project(tx, group_id)
            service_accounts.remove_project(tx, group_id)
            network_permissions.delete_all(tx, group_id)
            rows.close(tx, group_id)

        await self._db.run(work)


def _page(
    tx: Connection, caller: ApiKey, *, limit: int, offset: int, prefix: str = ""
) -> Page[CountedProject]:
    only = None
    if not caller.sees_all_projects:
        only = {held.group_id for held in caller.roles if held.group_id is not None}
    page = rows.page(tx, caller.org_id, limit=limit, offset=offset, only=only, prefix=prefix)
    counts = rows.count_instances(tx, [project.id for project in page.items])
    counted = (
        CountedProject(project=project, instances=counts.get(project.id, 0))
        for project in page.items
    )
    return Page(items=tuple(counted), total=page.total)


def _counted(tx: Connection, project: Project) -> CountedProject:
    counts = rows.count_instances(tx, [project.id])
    return CountedProject(project=project, instances=counts.get(project.id, 0))


def _make_owner(tx: Connection, caller: ApiKey, group_id: str) -> None:
    held = [RoleAssignment(role=Role.GROUP_OWNER, group_id=group_id)]
    if isinstance(caller, ServiceAccount):
        service_accounts.add_roles(tx, caller.id, held)
    else:
        api_keys.add_roles(tx, caller.id, held)


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise InvalidGroupName(name)
