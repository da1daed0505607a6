"""Dedicated clusters, as far as clients need them to reach their backups: list, get, delete.

What Telamon cannot know of a deployment that runs elsewhere, such as its hardware, is left out.
"""

from datetime import date, datetime

import msgspec
from msgspec import UNSET, UnsetType

from telamon.api.call import Answer, Call, Link, Reply, Route, Wire, related
from telamon.api.serverless_instances import Tag
from telamon.model.instance import InstanceKind
from telamon.operations.instances import VisibleInstance

_KIND = InstanceKind.DEDICATED


class ConnectionStrings(Wire, kw_only=True, frozen=True):
    standard: str | UnsetType = UNSET
    standard_srv: str | UnsetType = UNSET


class Cluster(Wire, kw_only=True, frozen=True):
    backup_enabled: bool
    cluster_type: str
    connection_strings: ConnectionStrings
    create_date: datetime
    group_id: str
    id: str
    links: list[Link]
    mongo_db_major_version: str | UnsetType = msgspec.field(
        default=UNSET, name="mongoDBMajorVersion"
    )
    mongo_db_version: str | UnsetType = msgspec.field(default=UNSET, name="mongoDBVersion")
    name: str
    paused: bool
    pit_enabled: bool
    state_name: str
    tags: list[Tag]
    termination_protection_enabled: bool


async def list_clusters(call: Call) -> Reply:
    """By name."""
    page = await call.services.instances.list(
        call.caller, call.group_id, _KIND, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_rendered(call, view) for view in page.items], page.total)


async def get_cluster(call: Call) -> Reply:
    view = await call.services.instances.get(call.caller, call.group_id, call.instance_name, _KIND)
    return Reply(body=_rendered(call, view))


async def delete_cluster(call: Call) -> Reply:
    """Its data stays where it is. DELETING for whoever reads it next, then unknown."""
    await call.services.instances.delete(call.caller, call.group_id, call.instance_name, _KIND)
    return Reply(status=202, body={})


def _rendered(call: Call, view: VisibleInstance) -> Cluster:
    instance = view.instance
    here = f"{call.group_url}/clusters/{instance.name}"
    address = view.connection_string or UNSET
    version = instance.mongodb_version
    return Cluster(
        backup_enabled=True,
        cluster_type="REPLICASET",
        connection_strings=ConnectionStrings(standard=address, standard_srv=address),
        create_date=instance.created_at,
        group_id=instance.group_id,
        id=instance.id,
        links=[
            Link(href=here, rel="self"),
            Link(href=f"{here}/backup/restoreJobs", rel=related("restoreJobs")),
            Link(href=f"{here}/backup/snapshots", rel=related("snapshots")),
        ],
        mongo_db_major_version=".".join(version.split(".")[:2]) if version else UNSET,
        mongo_db_version=version or UNSET,
        name=instance.name,
        paused=False,
        pit_enabled=False,
        state_name=instance.state.value,
        tags=[Tag(key=key, value=value) for key, value in instance.tags],
        termination_protection_enabled=instance.termination_protection,
    )


_CLUSTERS = "/groups/{groupId}/clusters"
_CLUSTER = f"{_CLUSTERS}/{{instanceName}}"
# Atlas's versions differ in how they show hardware.
_VERSIONS = (date(2023, 1, 1), date(2023, 2, 1), date(2024, 8, 5))

ROUTES = (
    Route(
        operation_id="listClusters",
        method="GET",
        path=_CLUSTERS,
        handler=list_clusters,
        answer=Answer(Cluster, is_list=True),
        versions=_VERSIONS,
    ),
    Route(
        operation_id="getCluster",
        method="GET",
        path=_CLUSTER,
        handler=get_cluster,
        answer=Answer(Cluster),
        versions=_VERSIONS,
    ),
    Route(
        operation_id="deleteCluster",
        method="DELETE",
        path=_CLUSTER,
        handler=delete_cluster,
        answer=Answer(status=202),
        versions=_VERSIONS[:2],
    ),
)
