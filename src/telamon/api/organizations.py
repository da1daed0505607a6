"""Organizations and their settings, on v1.0 and v2."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api.api_keys import ApiKeyView, Description, new_key
from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Link, Reply, Route, Wire, related
from telamon.errors import InvalidEnumValue
from telamon.model import access
from telamon.model.access import ORG_OWNERS, Role
from telamon.model.service_account import SECRET_HOURS_MAX, SECRET_HOURS_MIN
from telamon.operations.organizations import NewOrganization

Name = Annotated[str, Meta(pattern=r"\A[\w\-.(),:&@+' ]{1,64}\Z")]
_Hours = Annotated[int, Meta(ge=SECRET_HOURS_MIN, le=SECRET_HOURS_MAX)]
_READ_ONLY = ("id", "isDeleted", "links")


class OrganizationView(Wire, kw_only=True, frozen=True):
    id: str
    is_deleted: bool
    links: list[Link]
    name: str
    skip_default_alerts_settings: bool


class NewOrganizationView(Wire, kw_only=True, frozen=True):
    api_key: ApiKeyView
    org_owner_id: str | UnsetType = UNSET
    organization: OrganizationView
    skip_default_alerts_settings: bool


class SettingsView(Wire, kw_only=True, frozen=True):
    api_access_list_required: bool
    gen_ai_features_enabled: bool = field(name="genAIFeaturesEnabled")
    max_service_account_secret_validity_in_hours: int
    multi_factor_auth_required: bool
    restrict_employee_access: bool
    security_contact: str | UnsetType = UNSET
    streams_cross_group_enabled: bool


class _NewKey(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    desc: Description
    roles: list[Role]


class _NewOrganization(Wire, kw_only=True, frozen=True):
    api_key: _NewKey
    name: Name
    federation_settings_id: str | UnsetType = UNSET
    org_owner_id: str | UnsetType = UNSET
    skip_default_alerts_settings: bool = False


class _Changes(Wire, kw_only=True, frozen=True):
    name: Name | UnsetType = UNSET
    skip_default_alerts_settings: bool | UnsetType = UNSET


class _SettingsChanges(Wire, kw_only=True, frozen=True):
    api_access_list_required: bool | UnsetType = UNSET
    gen_ai_features_enabled: bool | UnsetType = field(default=UNSET, name="genAIFeaturesEnabled")
    max_service_account_secret_validity_in_hours: _Hours | UnsetType = UNSET
    multi_factor_auth_required: bool | UnsetType = UNSET
    restrict_employee_access: bool | UnsetType = UNSET
    security_contact: str | UnsetType = UNSET
    streams_cross_group_enabled: bool | UnsetType = UNSET


async def list_organizations(call: Call) -> Reply:
    """The caller's own, which is all that it can see."""
    page = await call.administration.organizations.list(
        call.caller,
        prefix=call.value("name"),
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_rendered(call, each, is_item=True) for each in page.items], page.total)


async def create_organization(call: Call) -> Reply:
    """With a key, without which nobody could act on it."""
    await call.services.access.require_in_org(call.caller, call.caller.org_id, ORG_OWNERS)
    new = read_object(await call.read_body(), _NewOrganization)
    for role in new.api_key.roles:
        if role.is_of_project:
            raise InvalidEnumValue(role.value)
    made = await call.administration.organizations.create(
        call.caller,
        NewOrganization(
            name=new.name,
            skips_default_alerts=new.skip_default_alerts_settings,
            key_description=new.api_key.desc,
            key_roles=tuple(new.api_key.roles),
        ),
    )
    return Reply(
        status=201,
        body=NewOrganizationView(
            api_key=new_key(call, made.key),
            org_owner_id=new.org_owner_id or UNSET,
            organization=_rendered(call, made.organization),
            skip_default_alerts_settings=made.organization.skips_default_alerts,
        ),
    )


async def get_organization(call: Call) -> Reply:
    found = await call.administration.organizations.get(call.caller, call.org_id)
    return Reply(body=_rendered(call, found))


async def update_organization(call: Call) -> Reply:
    await call.services.access.require_in_org(call.caller, call.org_id, ORG_OWNERS)
    changes = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY)
    skips = changes.skip_default_alerts_settings
    changed = await call.administration.organizations.update(
        call.caller,
        call.org_id,
        name=changes.name or None,
        skips_default_alerts=None if skips is UNSET else skips,
    )
    return Reply(body=_rendered(call, changed))


async def delete_organization(call: Call) -> Reply:
    """Refused while it has projects."""
    await call.administration.organizations.delete(call.caller, call.org_id)
    return Reply(status=204)


async def get_settings(call: Call) -> Reply:
    found = await call.administration.organizations.get(call.caller, call.org_id)
    return Reply(body=_settings(found))


async def update_settings(call: Call) -> Reply:
    """What the body does not name stays as it is."""
    await call.services.access.require_in_org(call.caller, call.org_id, ORG_OWNERS)
    new = read_object(await call.read_body(), _SettingsChanges)
    given = {
        "secret_hours_max": new.max_service_account_secret_validity_in_hours,
        "generative_ai_enabled": new.gen_ai_features_enabled,
        "multi_factor_required": new.multi_factor_auth_required,
        "employee_access_restricted": new.restrict_employee_access,
        "security_contact": new.security_contact,
        "streams_cross_group_enabled": new.streams_cross_group_enabled,
    }
    required = new.api_access_list_required
    changed = await call.administration.organizations.update_settings(
        call.caller,
        call.org_id,
        {name: value for name, value in given.items() if value is not UNSET},
        requires_access_list=None if required is UNSET else required,
    )
    return Reply(body=_settings(changed))


def _settings(organization: access.Organization) -> SettingsView:
    settings = organization.settings
    return SettingsView(
        api_access_list_required=organization.requires_access_list,
        gen_ai_features_enabled=settings.generative_ai_enabled,
        max_service_account_secret_validity_in_hours=settings.secret_hours_max or SECRET_HOURS_MAX,
        multi_factor_auth_required=settings.multi_factor_required,
        restrict_employee_access=settings.employee_access_restricted,
        security_contact=settings.security_contact or UNSET,
        streams_cross_group_enabled=settings.streams_cross_group_enabled,
    )


def _rendered(
    call: Call, organization: access.Organization, *, is_item: bool = False
) -> OrganizationView:
    """An item of a list has a link to itself and no others."""
    here = f"{call.base_url}/orgs/{organization.id}"
    links = [Link(href=here, rel="self")]
    if not is_item:
        links += [
            Link(href=f"{here}/{resource}", rel=related(resource))
            for resource in ("groups", "teams", "users")
        ]
    return OrganizationView(
        id=organization.id,
        is_deleted=organization.is_closed,
        links=links,
        name=organization.name,
        skip_default_alerts_settings=organization.skips_default_alerts,
    )


_ORGS = "/orgs"
_ORG = f"{_ORGS}/{{orgId}}"

ROUTES = (
    Route(
        operation_id="listOrganizations",
        method="GET",
        path=_ORGS,
        handler=list_organizations,
        answer=Answer(OrganizationView, is_list=True),
        query=("name",),
    ),
    Route(
        operation_id="createOrganization",
        method="POST",
        path=_ORGS,
        handler=create_organization,
        answer=Answer(NewOrganizationView, status=201),
        body=_NewOrganization,
    ),
    Route(
        operation_id="getOrganization",
        method="GET",
        path=_ORG,
        handler=get_organization,
        answer=Answer(OrganizationView),
    ),
    Route(
        operation_id="updateOrganization",
        method="PATCH",
        path=_ORG,
        handler=update_organization,
        answer=Answer(OrganizationView),
        body=_Changes,
    ),
    Route(
        operation_id="deleteOrganization",
        method="DELETE",
        path=_ORG,
        handler=delete_organization,
        answer=Answer(status=204),
    ),
    Route(
        operation_id="getOrganizationSettings",
        method="GET",
        path=f"{_ORG}/settings",
        handler=get_settings,
        answer=Answer(SettingsView),
    ),
    Route(
        operation_id="updateOrganizationSettings",
        method="PATCH",
        path=f"{_ORG}/settings",
        handler=update_settings,
        answer=Answer(SettingsView),
        body=_SettingsChanges,
    ),
)
