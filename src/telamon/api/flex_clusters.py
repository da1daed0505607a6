"""Flex clusters: list, create, get, change, delete. On v2 only, since Atlas has them there only."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.api.serverless_instances import (
    BackingProvider,
    InstanceName,
    Tag,
    Word,
    pairs,
    unless_unset,
)
from telamon.model.access import PROJECT_OWNERS
from telamon.model.instance import InstanceChanges, InstanceKind, NewInstance, Provider
from telamon.operations.instances import VisibleInstance

_KIND = InstanceKind.FLEX

# Answered by the server, sent back by clients that change what they have read.
_READ_ONLY = (
    "backupSettings",
    "clusterType",
    "connectionStrings",
    "createDate",
    "groupId",
    "id",
    "links",
    "mongoDBVersion",
    "stateName",
    "versionReleaseSystem",
)
_READ_ONLY_LATER = (*_READ_ONLY, "name", "providerSettings")


class _ProviderName(StrEnum):
    FLEX = "FLEX"


class BackupSettings(Wire, kw_only=True, frozen=True):
    enabled: bool


class ConnectionStrings(Wire, kw_only=True, frozen=True):
    """Both absent until the cluster can be used."""

    standard: str | UnsetType = UNSET
    standard_srv: str | UnsetType = UNSET


class ProviderSettings(Wire, kw_only=True, frozen=True):
    backing_provider_name: str
    provider_name: str
    region_name: str


class FlexCluster(Wire, kw_only=True, frozen=True):
    backup_settings: BackupSettings
    cluster_type: str
    connection_strings: ConnectionStrings
    create_date: datetime
    group_id: str
    id: str
    mongo_db_version: str | UnsetType = msgspec.field(default=UNSET, name="mongoDBVersion")
    name: str
    provider_settings: ProviderSettings
    state_name: str
    tags: list[Tag] | UnsetType = UNSET
    termination_protection_enabled: bool
    version_release_system: str


class _NewProviderSettings(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    backing_provider_name: BackingProvider
    region_name: Word
    provider_name: _ProviderName = _ProviderName.FLEX
    # Read-only; taken from clients that send back what they have read.
    disk_size_gb: Any = msgspec.field(default=None, name="diskSizeGB")


class _NewCluster(Wire, kw_only=True, frozen=True):
    name: InstanceName
    provider_settings: _NewProviderSettings
    tags: list[Tag] = msgspec.field(default_factory=list)
    termination_protection_enabled: bool = False


class _Changes(Wire, kw_only=True, frozen=True):
    tags: list[Tag] | UnsetType = UNSET
    termination_protection_enabled: bool | UnsetType = UNSET


async def list_flex_clusters(call: Call) -> Reply:
    """By name."""
    page = await call.services.instances.list(
        call.caller, call.group_id, _KIND, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_rendered(view) for view in page.items], page.total)


async def create_flex_cluster(call: Call) -> Reply:
    """CREATING; IDLE once its connection strings work. As recorded, without ``tags`` if it has none."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    body = read_object(await call.read_body(), _NewCluster, read_only=_READ_ONLY)
    new = NewInstance(
        name=body.name,
        kind=_KIND,
        provider=Provider(
            backing_provider_name=body.provider_settings.backing_provider_name.value,
            region_name=body.provider_settings.region_name,
        ),
        tags=pairs(body.tags),
        termination_protection=body.termination_protection_enabled,
    )
    view = await call.services.instances.create(call.caller, call.group_id, new)
    return Reply(status=201, body=_rendered(view, has_tags=bool(new.tags)))


async def get_flex_cluster(call: Call) -> Reply:
    view = await call.services.instances.get(call.caller, call.group_id, call.instance_name, _KIND)
    return Reply(body=_rendered(view))


async def update_flex_cluster(call: Call) -> Reply:
    """UPDATING in this answer, done when it arrives."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    await call.services.instances.require(call.group_id, call.instance_name, _KIND)
    body = read_object(await call.read_body(), _Changes, read_only=_READ_ONLY_LATER)
    changes = InstanceChanges(
        tags=None if body.tags is UNSET else pairs(body.tags),
        termination_protection=unless_unset(body.termination_protection_enabled),
    )
    view = await call.services.instances.update(
        call.caller, call.group_id, call.instance_name, _KIND, changes
    )
    return Reply(body=_rendered(view))


async def delete_flex_cluster(call: Call) -> Reply:
    """DELETING for whoever reads it next, then unknown."""
    await call.services.instances.delete(call.caller, call.group_id, call.instance_name, _KIND)
    return Reply(status=204)


def _rendered(view: VisibleInstance, *, has_tags: bool = True) -> FlexCluster:
    instance = view.instance
    address = view.connection_string or UNSET
    tags = [Tag(key=key, value=value) for key, value in instance.tags]
    return FlexCluster(
        backup_settings=BackupSettings(enabled=True),
        cluster_type="REPLICASET",
        connection_strings=ConnectionStrings(standard=address, standard_srv=address),
        create_date=instance.created_at,
        group_id=instance.group_id,
        id=instance.id,
        mongo_db_version=instance.mongodb_version or UNSET,
        name=instance.name,
        provider_settings=ProviderSettings(
            backing_provider_name=instance.provider.backing_provider_name,
            provider_name=_ProviderName.FLEX.value,
            region_name=instance.provider.region_name,
        ),
        state_name=instance.state.value,
        tags=tags if has_tags else UNSET,
        termination_protection_enabled=instance.termination_protection,
        version_release_system="LTS",
    )


_V2 = (Surface.V2,)
_VERSIONS = (date(2024, 11, 13),)
_CLUSTERS = "/groups/{groupId}/flexClusters"
_CLUSTER = f"{_CLUSTERS}/{{instanceName}}"

ROUTES = (
    Route(
        operation_id="listFlexClusters",
        method="GET",
        path=_CLUSTERS,
        handler=list_flex_clusters,
        answer=Answer(FlexCluster, is_list=True),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="createFlexCluster",
        method="POST",
        path=_CLUSTERS,
        handler=create_flex_cluster,
        answer=Answer(FlexCluster, status=201),
        body=_NewCluster,
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="getFlexCluster",
        method="GET",
        path=_CLUSTER,
        handler=get_flex_cluster,
        answer=Answer(FlexCluster),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="updateFlexCluster",
        method="PATCH",
        path=_CLUSTER,
        handler=update_flex_cluster,
        answer=Answer(FlexCluster),
        body=_Changes,
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="deleteFlexCluster",
        method="DELETE",
        path=_CLUSTER,
        handler=delete_flex_cluster,
        answer=Answer(status=204),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
)
