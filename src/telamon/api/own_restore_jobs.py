"""Restore jobs on Telamon's own paths: with options that Atlas has no word for, of any kind of instance."""

from datetime import datetime
from enum import StrEnum

from msgspec import UNSET, UnsetType, field

from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.api.selections import (
    NewSelection,
    SelectionView,
    shown_selection,
    wanted_selection,
)
from telamon.api.serverless_backup import OplogIncrement, PointSeconds, wanted_point
from telamon.errors import InvalidAttribute, InvalidClusterName, InvalidGroupId, MissingAttribute
from telamon.ids import is_id
from telamon.model.instance import is_instance_name
from telamon.model.manifest import ClusterTime
from telamon.model.restore_evidence import NamespaceEvidence
from telamon.model.restore_job import DeliveryType, RestoreJob
from telamon.model.restore_options import IndexFailures, RestoreOptions
from telamon.operations.restore_jobs import NewRestoreJob


class _IndexFailures(StrEnum):
    FAIL = "fail"
    SKIP = "skip"


class _NewRestoreJob(Wire, kw_only=True, frozen=True):
    """Without a target, back into the instance itself. Without a snapshot, to a moment. Without a
    selection, the whole."""

    index_failures: _IndexFailures = _IndexFailures.FAIL
    oplog_inc: OplogIncrement | UnsetType = UNSET
    oplog_ts: PointSeconds | UnsetType = UNSET
    point_in_time_utc_seconds: PointSeconds | UnsetType = field(
        default=UNSET, name="pointInTimeUTCSeconds"
    )
    selection: NewSelection | UnsetType = UNSET
    snapshot_id: str | UnsetType = UNSET
    target_cluster_name: str | UnsetType = UNSET
    target_group_id: str | UnsetType = UNSET


class RestoreJobView(Wire, kw_only=True, frozen=True):
    created_at: datetime
    documents_restored: int
    documents_total: int
    failure: str | UnsetType = UNSET
    finished_at: datetime | UnsetType = UNSET
    id: str
    namespaces_restored: int
    namespaces_total: int
    point_in_time: str | UnsetType = UNSET
    selection: SelectionView | UnsetType = UNSET
    size_bytes_restored: int
    size_bytes_total: int
    snapshot_id: str
    stage: str
    target_cluster_name: str | UnsetType = UNSET
    target_group_id: str | UnsetType = UNSET


class SkippedIndexView(Wire, kw_only=True, frozen=True):
    definition: str
    name: str
    reason: str


class RestoredNamespaceView(Wire, kw_only=True, frozen=True):
    """``skippedIndexes`` only where there are any, ``contentHash`` not of a view."""

    content_hash: str | UnsetType = UNSET
    documents: int
    indexes: int
    kind: str
    namespace: str
    seconds: float
    size_bytes: int
    skipped_indexes: list[SkippedIndexView] | UnsetType = UNSET


async def create_restore_job(call: Call) -> Reply:
    """Queued when this answers."""
    restore_jobs = call.services.restore_jobs
    await restore_jobs.require_creator(call.caller, call.group_id, call.instance_name, None)
    new = _wanted(call, await call.read_body())
    job = await restore_jobs.create(call.caller, call.group_id, call.instance_name, new)
    return Reply(status=201, body=_restore_job(job))


async def get_restore_job(call: Call) -> Reply:
    """With progress, and the reason of a failure."""
    job = await call.services.restore_jobs.get(
        call.caller, call.group_id, call.instance_name, call.path_params["restoreJobId"]
    )
    return Reply(body=_restore_job(job))


async def cancel_restore_job(call: Call) -> Reply:
    """One that a worker has begun ends some seconds later."""
    await call.services.restore_jobs.cancel(
        call.caller, call.group_id, call.instance_name, call.path_params["restoreJobId"]
    )
    return Reply(status=204)


async def list_namespaces(call: Call) -> Reply:
    """What has been proven of each namespace so far, by name."""
    page = await call.services.restore_jobs.namespaces(
        call.caller,
        call.group_id,
        call.instance_name,
        call.path_params["restoreJobId"],
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([_namespace(found) for found in page.items], page.total)


def _wanted(call: Call, data: bytes) -> NewRestoreJob:
    body = read_object(data, _NewRestoreJob)
    target_group_id = body.target_group_id or call.group_id
    target_cluster_name = body.target_cluster_name or call.instance_name
    point_in_time = None
    snapshot_id = body.snapshot_id or ""
    if not snapshot_id:
        point_in_time = _point(body)
    elif not is_id(snapshot_id):
        raise InvalidAttribute("snapshotId")
    if not is_id(target_group_id):
        raise InvalidGroupId(target_group_id)
    if not is_instance_name(target_cluster_name):
        raise InvalidClusterName(target_cluster_name)
    return NewRestoreJob(
        delivery_type=DeliveryType.POINT_IN_TIME if point_in_time else DeliveryType.AUTOMATED,
        snapshot_id=snapshot_id,
        point_in_time=point_in_time,
        target_group_id=target_group_id,
        target_cluster_name=target_cluster_name,
        options=_options(body),
    )


def _point(body: _NewRestoreJob) -> ClusterTime:
    given = (body.point_in_time_utc_seconds, body.oplog_ts, body.oplog_inc)
    if all(value is UNSET for value in given):
        raise MissingAttribute("snapshotId")
    return wanted_point(*given)


def _options(body: _NewRestoreJob) -> RestoreOptions:
    return RestoreOptions(
        index_failures=IndexFailures(body.index_failures.value),
        selection=None if body.selection is UNSET else wanted_selection(body.selection),
    )


def _restore_job(job: RestoreJob) -> RestoreJobView:
    return RestoreJobView(
        created_at=job.created_at,
        documents_restored=job.documents,
        documents_total=job.documents_total,
        failure=job.failure or UNSET,
        finished_at=job.finished_at or UNSET,
        id=job.id,
        namespaces_restored=job.namespaces,
        namespaces_total=job.namespaces_total,
        point_in_time=str(job.point_in_time) if job.point_in_time else UNSET,
        selection=shown_selection(job.options),
        size_bytes_restored=job.size_bytes,
        size_bytes_total=job.size_bytes_total,
        snapshot_id=job.snapshot_id,
        stage=job.stage.value,
        target_cluster_name=job.target_cluster_name or UNSET,
        target_group_id=job.target_group_id or UNSET,
    )


def _namespace(found: NamespaceEvidence) -> RestoredNamespaceView:
    skipped = [
        SkippedIndexView(definition=each.definition, name=each.name, reason=each.reason)
        for each in found.skipped_indexes
    ]
    return RestoredNamespaceView(
        content_hash=found.content_hash or UNSET,
        documents=found.documents,
        indexes=found.indexes,
        kind=found.kind.value,
        namespace=str(found.namespace),
        seconds=found.seconds,
        size_bytes=found.size_bytes,
        skipped_indexes=skipped or UNSET,
    )


_OWN = (Surface.OWN,)
_RESTORE_JOBS = "/groups/{groupId}/instances/{instanceName}/restoreJobs"

ROUTES = (
    Route(
        operation_id="startRestoreJob",
        method="POST",
        path=_RESTORE_JOBS,
        handler=create_restore_job,
        answer=Answer(RestoreJobView, status=201),
        body=_NewRestoreJob,
        surfaces=_OWN,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="getRestoreJobDetails",
        method="GET",
        path=f"{_RESTORE_JOBS}/{{restoreJobId}}",
        handler=get_restore_job,
        answer=Answer(RestoreJobView),
        surfaces=_OWN,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="cancelRestoreJob",
        method="DELETE",
        path=f"{_RESTORE_JOBS}/{{restoreJobId}}",
        handler=cancel_restore_job,
        answer=Answer(status=204),
        surfaces=_OWN,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="listRestoredNamespaces",
        method="GET",
        path=f"{_RESTORE_JOBS}/{{restoreJobId}}/namespaces",
        handler=list_namespaces,
        answer=Answer(RestoredNamespaceView, is_list=True),
        surfaces=_OWN,
        listed_addresses_only=True,
    ),
)
