"""Telamon's own paths, for what Atlas has none for: snapshots on demand, attaching, reasons."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.api.serverless_instances import InstanceName
from telamon.model.access import PROJECT_BACKUP_MANAGERS, PROJECT_OWNERS
from telamon.model.instance import InstanceKind
from telamon.model.snapshot import Snapshot
from telamon.operations.instances import VisibleInstance
from telamon.operations.snapshots import DEFAULT_RETENTION_DAYS


class _NewSnapshot(Wire, kw_only=True, frozen=True):
    retention_in_days: Annotated[int, Meta(ge=1, le=3650)] = DEFAULT_RETENTION_DAYS


class _Kind(StrEnum):
    SERVERLESS = "serverless"
    FLEX = "flex"
    DEDICATED = "dedicated"


class _NewAttachment(Wire, kw_only=True, frozen=True):
    kind: _Kind = _Kind.SERVERLESS
    name: InstanceName
    uri: Annotated[str, Meta(min_length=1, max_length=4096)]


class InstanceView(Wire, kw_only=True, frozen=True):
    address: str | UnsetType = UNSET
    id: str
    kind: str
    managed: bool
    mongo_db_version: str | UnsetType = field(default=UNSET, name="mongoDBVersion")
    name: str
    state_name: str


class SnapshotView(Wire, kw_only=True, frozen=True):
    cluster_time: str | UnsetType = UNSET
    consistency: str | UnsetType = UNSET
    created_at: datetime | UnsetType = UNSET
    documents: int
    expected_bytes: int
    expires_at: datetime
    failure: str | UnsetType = UNSET
    finished_at: datetime | UnsetType = UNSET
    id: str
    instance_name: str
    mongod_version: str | UnsetType = UNSET
    namespaces: int
    namespaces_total: int
    new_bytes: int
    requested_at: datetime
    size_bytes: int
    snapshot_type: str
    status: str


async def attach_instance(call: Call) -> Reply:
    """Protect a deployment that already runs."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_OWNERS)
    new = read_object(await call.read_body(), _NewAttachment)
    view = await call.services.instances.attach(
        call.caller, call.group_id, new.name, new.uri, InstanceKind(new.kind.value)
    )
    return Reply(status=201, body=_instance(view))


async def list_instances(call: Call) -> Reply:
    """Of every kind, by name."""
    page = await call.services.instances.list(
        call.caller, call.group_id, None, limit=call.page.items_per_page, offset=call.page.offset
    )
    return call.listed([_instance(view) for view in page.items], page.total)


async def take_snapshot(call: Call) -> Reply:
    """Queued when this answers."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_BACKUP_MANAGERS)
    await call.services.instances.require(call.group_id, call.instance_name)
    new = read_object(await call.read_body() or b"{}", _NewSnapshot)
    taken = await call.services.snapshots.take(
        call.caller, call.group_id, call.instance_name, retention_days=new.retention_in_days
    )
    return Reply(status=201, body=_snapshot(taken))


async def list_snapshots(call: Call) -> Reply:
    """Newest first, with what Atlas's list has no field for."""
    page = await call.services.snapshots.list(
        call.caller,
        call.group_id,
        call.instance_name,
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_snapshot(found) for found in page.items], page.total)


async def get_snapshot(call: Call) -> Reply:
    """With the reason of a failure."""
    found = await call.services.snapshots.get(
        call.caller, call.group_id, call.instance_name, call.path_params["snapshotId"]
    )
    return Reply(body=_snapshot(found))


def _instance(view: VisibleInstance) -> InstanceView:
    return InstanceView(
        address=view.instance.address or UNSET,
        id=view.instance.id,
        kind=view.instance.kind.value,
        managed=view.instance.managed,
        mongo_db_version=view.instance.mongodb_version or UNSET,
        name=view.instance.name,
        state_name=view.instance.state.value,
    )


def _snapshot(found: Snapshot) -> SnapshotView:
    return SnapshotView(
        cluster_time=str(found.cluster_time) if found.cluster_time else UNSET,
        consistency=found.consistency.value if found.consistency else UNSET,
        created_at=found.taken_at or UNSET,
        documents=found.documents,
        expected_bytes=found.expected_bytes,
        expires_at=found.expires_at,
        failure=found.failure or UNSET,
        finished_at=found.finished_at or UNSET,
        id=found.id,
        instance_name=found.instance_name,
        mongod_version=found.mongodb_version or UNSET,
        namespaces=found.namespaces,
        namespaces_total=found.namespaces_total,
        new_bytes=found.new_bytes,
        requested_at=found.requested_at,
        size_bytes=found.size_bytes,
        snapshot_type=found.snapshot_type.value,
        status=found.status.value,
    )


_OWN = (Surface.OWN,)
_INSTANCE = "/groups/{groupId}/instances/{instanceName}"

ROUTES = (
    Route(
        operation_id="attachInstance",
        method="POST",
        path="/groups/{groupId}/instances",
        handler=attach_instance,
        answer=Answer(InstanceView, status=201),
        body=_NewAttachment,
        surfaces=_OWN,
    ),
    Route(
        operation_id="listInstances",
        method="GET",
        path="/groups/{groupId}/instances",
        handler=list_instances,
        answer=Answer(InstanceView, is_list=True),
        surfaces=_OWN,
    ),
    Route(
        operation_id="takeSnapshot",
        method="POST",
        path=f"{_INSTANCE}/snapshots",
        handler=take_snapshot,
        answer=Answer(SnapshotView, status=201),
        body=_NewSnapshot,
        surfaces=_OWN,
    ),
    Route(
        operation_id="listSnapshotDetails",
        method="GET",
        path=f"{_INSTANCE}/snapshots",
        handler=list_snapshots,
        answer=Answer(SnapshotView, is_list=True),
        surfaces=_OWN,
    ),
    Route(
        operation_id="getSnapshotDetails",
        method="GET",
        path=f"{_INSTANCE}/snapshots/{{snapshotId}}",
        handler=get_snapshot,
        answer=Answer(SnapshotView),
        surfaces=_OWN,
    ),
)
