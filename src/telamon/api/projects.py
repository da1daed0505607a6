"""Projects, on the wire ``groups``, on v1.0 and v2."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Link, Reply, Route, Surface, Wire, related
from telamon.errors import InvalidQueryParameter
from telamon.ids import is_id
from telamon.model.access import PROJECT_OWNERS, Project
from telamon.operations.projects import NAME_PATTERN, CountedProject, NewProject

_Word = Annotated[str, Meta(min_length=1, max_length=255)]
_Name = Annotated[str, Meta(extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})]
_READ_ONLY = ("clusterCount", "created", "id", "links")
_READ_ONLY_LATER = (
    *_READ_ONLY,
    "orgId",
    "regionUsageRestrictions",
    "withDefaultAlertsSettings",
)
_RELATED = ("containers", "clusters", "databaseUsers", "peers", "processes", "whitelist")


class _Regions(StrEnum):
    COMMERCIAL = "COMMERCIAL_FEDRAMP_REGIONS_ONLY"
    GOV = "GOV_REGIONS_ONLY"


class Tag(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    key: _Word
    value: _Word


class GroupView(Wire, kw_only=True, frozen=True):
    cluster_count: int
    created: datetime
    id: str
    links: list[Link]
    name: str
    org_id: str
    tags: list[Tag] | UnsetType = UNSET
    with_default_alerts_settings: bool


class _NewGroup(Wire, kw_only=True, frozen=True):
    name: _Name
    org_id: str
    region_usage_restrictions: _Regions = _Regions.COMMERCIAL
    tags: list[Tag] = field(default_factory=list)
    with_default_alerts_settings: bool = True


class _Changes(Wire, kw_only=True, frozen=True):
    name: _Name | UnsetType = UNSET
    tags: list[Tag] | UnsetType = UNSET


async def list_projects(call: Call) -> Reply:
    """Those that the caller may read, by name."""
    page = await call.administration.projects.list(
        call.caller, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_item(call, each) for each in page.items], page.total)


async def list_organization_projects(call: Call) -> Reply:
    page = await call.administration.projects.list_of_org(
        call.caller,
        call.org_id,
        prefix=call.value("name"),
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_item(call, each) for each in page.items], page.total)


async def create_project(call: Call) -> Reply:
    owner_id = call.value("projectOwnerId")
    if owner_id and not is_id(owner_id):  # there are no users here that it could name
        raise InvalidQueryParameter("projectOwnerId")
    projects = call.administration.projects
    await projects.require_creator(call.caller)
    new = read_object(await call.read_body(), _NewGroup, read_only=_READ_ONLY)
    made = await projects.create(
        call.caller,
        NewProject(
            org_id=new.org_id,
            name=new.name,
            tags=tuple((tag.key, tag.value) for tag in new.tags),
            has_default_alerts=new.with_default_alerts_settings,
        ),
    )
    root = call.base_url.removesuffix(call.surface.value)
    return Reply(
        status=201,
        body=_rendered(call, made, instances=0, has_tags=bool(made.tags)),
        # Two slashes, and not where the project is: as recorded.
        headers=(("Location", f"{root}/{Surface.V1.value}"),),
    )


async def get_project(call: Call) -> Reply:
    found = await call.administration.projects.get(call.caller, call.group_id)
    return Reply(body=_rendered(call, found.project, instances=found.instances))


async def get_project_by_name(call: Call) -> Reply:
    found = await call.administration.projects.get_by_name(
        call.caller, call.path_params["groupName"]
    )
    return Reply(body=_rendered(call, found.project, instances=found.instances))


async def update_project(call: Call) -> Reply:
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    changes = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY_LATER)
    tags = None
    if changes.tags is not UNSET:
        tags = [(tag.key, tag.value) for tag in changes.tags]
    changed = await call.administration.projects.update(
        call.caller,
        call.group_id,
        name=None if changes.name is UNSET else changes.name,
        tags=tags,
    )
    return Reply(body=_rendered(call, changed.project, instances=changed.instances))


async def delete_project(call: Call) -> Reply:
    """Refused while it has instances."""
    await call.administration.projects.delete(call.caller, call.group_id)
    return Reply(status=202, body={})


def _item(call: Call, found: CountedProject) -> GroupView:
    return _rendered(call, found.project, instances=found.instances, is_item=True)


def _rendered(
    call: Call, project: Project, *, instances: int, has_tags: bool = True, is_item: bool = False
) -> GroupView:
    """An item of a list has a link to itself and no others."""
    here = f"{call.base_url}/groups/{project.id}"
    links = [Link(href=here, rel="self")]
    if not is_item:
        links += [Link(href=f"{here}/{resource}", rel=related(resource)) for resource in _RELATED]
    return GroupView(
        cluster_count=instances,
        created=project.created_at,
        id=project.id,
        links=links,
        name=project.name,
        org_id=project.org_id,
        tags=[Tag(key=key, value=value) for key, value in project.tags] if has_tags else UNSET,
        with_default_alerts_settings=project.has_default_alerts,
    )


_GROUPS = "/groups"
_GROUP = f"{_GROUPS}/{{groupId}}"

ROUTES = (
    Route(
        operation_id="listProjects",
        method="GET",
        path=_GROUPS,
        handler=list_projects,
        answer=Answer(GroupView, is_list=True),
    ),
    Route(
        operation_id="createProject",
        method="POST",
        path=_GROUPS,
        handler=create_project,
        answer=Answer(GroupView, status=201),
        body=_NewGroup,
        query=("projectOwnerId",),
    ),
    Route(
        operation_id="getProjectByName",
        method="GET",
        path=f"{_GROUPS}/byName/{{groupName}}",
        handler=get_project_by_name,
        answer=Answer(GroupView),
    ),
    Route(
        operation_id="getProject",
        method="GET",
        path=_GROUP,
        handler=get_project,
        answer=Answer(GroupView),
    ),
    Route(
        operation_id="updateProject",
        method="PATCH",
        path=_GROUP,
        handler=update_project,
        answer=Answer(GroupView),
        body=_Changes,
    ),
    Route(
        operation_id="deleteProject",
        method="DELETE",
        path=_GROUP,
        handler=delete_project,
        answer=Answer(status=202),
    ),
    Route(
        operation_id="listOrganizationProjects",
        method="GET",
        path="/orgs/{orgId}/groups",
        handler=list_organization_projects,
        answer=Answer(GroupView, is_list=True),
        query=("name",),
    ),
)
