"""Serverless instances: list, create, get, change, delete. One rendering serves v1.0 and v2."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Link, Reply, Route, Wire, related
from telamon.model.access import PROJECT_OWNERS
from telamon.model.instance import (
    NAME_PATTERN,
    InstanceChanges,
    InstanceKind,
    NewInstance,
    Provider,
)
from telamon.operations.instances import VisibleInstance

_KIND = InstanceKind.SERVERLESS

# Answered by the server, sent back by clients that change what they have read.
_READ_ONLY = (
    "connectionStrings",
    "createDate",
    "groupId",
    "id",
    "links",
    "mongoDBVersion",
    "stateName",
)
_READ_ONLY_LATER = (*_READ_ONLY, "name", "providerSettings")

Value = TypeVar("Value")
Word = Annotated[str, Meta(min_length=1, max_length=255)]
# The operation checks the pattern, since it has an error of its own.
InstanceName = Annotated[
    str, Meta(min_length=1, extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})
]


class BackingProvider(StrEnum):
    AWS = "AWS"
    AZURE = "AZURE"
    GCP = "GCP"


class _ProviderName(StrEnum):
    SERVERLESS = "SERVERLESS"


class ConnectionStrings(Wire, kw_only=True, frozen=True):
    standard_srv: str | UnsetType = UNSET


class ProviderSettings(Wire, kw_only=True, frozen=True):
    backing_provider_name: str
    provider_name: str
    region_name: str


class BackupOptions(Wire, kw_only=True, frozen=True):
    serverless_continuous_backup_enabled: bool = False


class Tag(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    key: Word
    value: Word


class ServerlessInstance(Wire, kw_only=True, frozen=True):
    connection_strings: ConnectionStrings
    create_date: datetime
    group_id: str
    id: str
    links: list[Link]
    mongo_db_version: str | UnsetType = msgspec.field(default=UNSET, name="mongoDBVersion")
    name: str
    provider_settings: ProviderSettings
    serverless_backup_options: BackupOptions
    state_name: str
    tags: list[Tag]
    termination_protection_enabled: bool


class _NewProviderSettings(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    backing_provider_name: BackingProvider
    region_name: Word
    provider_name: _ProviderName = _ProviderName.SERVERLESS
    # Read-only; taken from clients that send back what they have read.
    effective_disk_size_gb_limit: Any = msgspec.field(default=None, name="effectiveDiskSizeGBLimit")
    effective_instance_size_name: Any = None
    effective_provider_name: Any = None


class _NewBackupOptions(BackupOptions, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Kept and shown; nothing depends on it before there are continuous backups."""


class _NewInstance(Wire, kw_only=True, frozen=True):
    name: InstanceName
    provider_settings: _NewProviderSettings
    serverless_backup_options: _NewBackupOptions = _NewBackupOptions()
    tags: list[Tag] = msgspec.field(default_factory=list)
    termination_protection_enabled: bool = False


class _ChangedBackupOptions(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    serverless_continuous_backup_enabled: bool | UnsetType = UNSET


class _Changes(Wire, kw_only=True, frozen=True):
    serverless_backup_options: _ChangedBackupOptions = _ChangedBackupOptions()
    tags: list[Tag] | UnsetType = UNSET
    termination_protection_enabled: bool | UnsetType = UNSET


async def list_serverless_instances(call: Call) -> Reply:
    """By name."""
    page = await call.services.instances.list(
        call.caller, call.group_id, _KIND, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_rendered(call, view) for view in page.items], page.total)


async def create_serverless_instance(call: Call) -> Reply:
    """CREATING; IDLE once its connection string works."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    new = read_object(await call.read_body(), _NewInstance, read_only=_READ_ONLY)
    view = await call.services.instances.create(
        call.caller,
        call.group_id,
        NewInstance(
            name=new.name,
            kind=_KIND,
            provider=Provider(
                backing_provider_name=new.provider_settings.backing_provider_name.value,
                region_name=new.provider_settings.region_name,
            ),
            tags=pairs(new.tags),
            termination_protection=new.termination_protection_enabled,
            continuous_backup=new.serverless_backup_options.serverless_continuous_backup_enabled,
        ),
    )
    return Reply(status=201, body=_rendered(call, view))


async def get_serverless_instance(call: Call) -> Reply:
    view = await call.services.instances.get(call.caller, call.group_id, call.instance_name, _KIND)
    return Reply(body=_rendered(call, view))


async def update_serverless_instance(call: Call) -> Reply:
    """UPDATING in this answer, done when it arrives."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    await call.services.instances.require(call.group_id, call.instance_name, _KIND)
    body = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY_LATER)
    continuous = body.serverless_backup_options.serverless_continuous_backup_enabled
    changes = InstanceChanges(
        tags=None if body.tags is UNSET else pairs(body.tags),
        termination_protection=unless_unset(body.termination_protection_enabled),
        continuous_backup=unless_unset(continuous),
    )
    view = await call.services.instances.update(
        call.caller, call.group_id, call.instance_name, _KIND, changes
    )
    return Reply(body=_rendered(call, view))


async def delete_serverless_instance(call: Call) -> Reply:
    """DELETING for whoever reads it next, then unknown."""
    await call.services.instances.delete(call.caller, call.group_id, call.instance_name, _KIND)
    return Reply(status=202, body={})


def pairs(tags: Sequence[Tag]) -> tuple[tuple[str, str], ...]:
    """Keys and values, in the caller's order."""
    return tuple((tag.key, tag.value) for tag in tags)


def unless_unset(value: Value | UnsetType) -> Value | None:
    return None if value is UNSET else value


def _rendered(call: Call, view: VisibleInstance) -> ServerlessInstance:
    instance = view.instance
    here = f"{call.group_url}/serverless/{instance.name}"
    return ServerlessInstance(
        connection_strings=ConnectionStrings(standard_srv=view.connection_string or UNSET),
        create_date=instance.created_at,
        group_id=instance.group_id,
        id=instance.id,
        links=[
            Link(href=here, rel="self"),
            Link(href=f"{here}/backup/restoreJobs", rel=related("restoreJobs")),
            Link(href=f"{here}/backup/snapshots", rel=related("snapshots")),
        ],
        mongo_db_version=instance.mongodb_version or UNSET,
        name=instance.name,
        provider_settings=ProviderSettings(
            backing_provider_name=instance.provider.backing_provider_name,
            provider_name=_ProviderName.SERVERLESS.value,
            region_name=instance.provider.region_name,
        ),
        serverless_backup_options=BackupOptions(
            serverless_continuous_backup_enabled=instance.continuous_backup
        ),
        state_name=instance.state.value,
        tags=[Tag(key=key, value=value) for key, value in instance.tags],
        termination_protection_enabled=instance.termination_protection,
    )


_INSTANCES = "/groups/{groupId}/serverless"
_INSTANCE = f"{_INSTANCES}/{{instanceName}}"
_READ_SUNSET = date(2027, 1, 18)
_WRITE_SUNSET = date(2026, 1, 22)

ROUTES = (
    Route(
        operation_id="listServerlessInstances",
        method="GET",
        path=_INSTANCES,
        handler=list_serverless_instances,
        answer=Answer(ServerlessInstance, is_list=True),
        sunset=_READ_SUNSET,
    ),
    Route(
        operation_id="createServerlessInstance",
        method="POST",
        path=_INSTANCES,
        handler=create_serverless_instance,
        answer=Answer(ServerlessInstance, status=201),
        body=_NewInstance,
        sunset=_WRITE_SUNSET,
    ),
    Route(
        operation_id="getServerlessInstance",
        method="GET",
        path=_INSTANCE,
        handler=get_serverless_instance,
        answer=Answer(ServerlessInstance),
        sunset=_READ_SUNSET,
    ),
    Route(
        operation_id="updateServerlessInstance",
        method="PATCH",
        path=_INSTANCE,
        handler=update_serverless_instance,
        answer=Answer(ServerlessInstance),
        body=_Changes,
        sunset=_WRITE_SUNSET,
    ),
    Route(
        operation_id="deleteServerlessInstance",
        method="DELETE",
        path=_INSTANCE,
        handler=delete_serverless_instance,
        answer=Answer(status=202),
        sunset=_WRITE_SUNSET,
    ),
)
