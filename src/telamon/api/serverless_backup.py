"""Snapshots and restore jobs of serverless instances, on v1.0 and v2."""

from datetime import date
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api import backups, downloads, v1, v2
from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.errors import (
    InvalidAttribute,
    InvalidClusterName,
    InvalidGroupId,
    InvalidPointInTime,
    MissingAttribute,
)
from telamon.ids import is_id
from telamon.model.instance import InstanceKind, is_instance_name
from telamon.model.manifest import ClusterTime
from telamon.model.restore_job import DeliveryType, RestoreJob
from telamon.model.snapshot import Snapshot
from telamon.operations.restore_jobs import NewRestoreJob

_KIND = InstanceKind.SERVERLESS

# Answered by the server, sent back by clients that fill in whole objects.
_READ_ONLY = (
    "cancelled",
    "components",
    "createdAt",
    "deliveryUrl",
    "desiredTimestamp",
    "expired",
    "expiresAt",
    "failed",
    "finishedAt",
    "id",
    "instanceName",
    "links",
    "privateDownloadDeliveryUrls",
    "targetDeploymentItemName",
    "timestamp",
)


class _DeliveryType(StrEnum):
    AUTOMATED = "automated"
    DOWNLOAD = "download"
    POINT_IN_TIME = "pointInTime"


# From 2008 on, as Atlas has it, and as long as a BSON timestamp's seconds go.
PointSeconds = Annotated[int, Meta(ge=1_199_145_600, le=2**32 - 1)]
OplogIncrement = Annotated[int, Meta(ge=1, le=2**32 - 1)]


class NewRestoreJobBody(Wire, kw_only=True, frozen=True):
    delivery_type: _DeliveryType
    oplog_inc: OplogIncrement | UnsetType = UNSET
    oplog_ts: PointSeconds | UnsetType = UNSET
    point_in_time_utc_seconds: PointSeconds | UnsetType = field(
        default=UNSET, name="pointInTimeUTCSeconds"
    )
    snapshot_id: str | UnsetType = UNSET
    target_cluster_name: str | UnsetType = UNSET
    target_group_id: str | UnsetType = UNSET


async def list_restore_jobs(call: Call) -> Reply:
    """Newest first."""
    return await backups.list_restore_jobs(call, _KIND, _rendered_job)


async def get_restore_job(call: Call) -> Reply:
    return await backups.get_restore_job(call, _KIND, _rendered_job)


async def create_restore_job(call: Call) -> Reply:
    return await backups.create_restore_job(call, _KIND, wanted_restore, _rendered_job)


async def list_snapshots(call: Call) -> Reply:
    """Newest first."""
    return await backups.list_snapshots(call, _KIND, _rendered_snapshot)


async def get_snapshot(call: Call) -> Reply:
    return await backups.get_snapshot(call, _KIND, _rendered_snapshot)


def wanted_restore(data: bytes) -> NewRestoreJob:
    """The body of a request for a restore job, of a serverless instance or a dedicated cluster."""
    body = read_object(data, NewRestoreJobBody, read_only=_READ_ONLY)
    delivery_type = DeliveryType(body.delivery_type.value)
    snapshot_id = body.snapshot_id or ""
    target_cluster_name = body.target_cluster_name or ""
    target_group_id = body.target_group_id or ""
    required = []
    if delivery_type is not DeliveryType.POINT_IN_TIME:
        required.append(("snapshotId", snapshot_id))
    if delivery_type is not DeliveryType.DOWNLOAD:
        required.append(("targetClusterName", target_cluster_name))
        required.append(("targetGroupId", target_group_id))
    for name, value in required:
        if not value:
            raise MissingAttribute(name)
    if snapshot_id and not is_id(snapshot_id):
        raise InvalidAttribute("snapshotId")
    # A download has no target, and official clients send empty ones; what is there is checked.
    if target_group_id and not is_id(target_group_id):
        raise InvalidGroupId(target_group_id)
    if target_cluster_name and not is_instance_name(target_cluster_name):
        raise InvalidClusterName(target_cluster_name)
    point_in_time = None
    if delivery_type is DeliveryType.POINT_IN_TIME:
        point_in_time = wanted_point(body.point_in_time_utc_seconds, body.oplog_ts, body.oplog_inc)
    return NewRestoreJob(
        delivery_type=delivery_type,
        snapshot_id=snapshot_id,
        target_group_id=target_group_id,
        target_cluster_name=target_cluster_name,
        point_in_time=point_in_time,
    )


def wanted_point(
    utc_seconds: int | UnsetType, oplog_ts: int | UnsetType, oplog_inc: int | UnsetType
) -> ClusterTime:
    """A moment that is given as a second or as the time of an entry of the oplog.

    A second is its beginning. Raises InvalidPointInTime unless it is one of the two.
    """
    if utc_seconds is not UNSET:
        if oplog_ts is not UNSET or oplog_inc is not UNSET:
            raise InvalidPointInTime
        return ClusterTime(seconds=utc_seconds, increment=0)
    if oplog_ts is UNSET or oplog_inc is UNSET:
        raise InvalidPointInTime
    return ClusterTime(seconds=oplog_ts, increment=oplog_inc)


def _rendered_job(call: Call, job: RestoreJob) -> Wire:
    is_expired = job.is_expired(call.now)
    delivery_url = downloads.urls(call, job)
    if call.surface is Surface.V1:
        return v1.restore_job(job, is_expired=is_expired, delivery_url=delivery_url)
    here = f"{call.group_url}/serverless/{call.instance_name}"
    return v2.restore_job(
        job,
        is_expired=is_expired,
        delivery_url=delivery_url,
        group_url=call.group_url,
        instance_url=here,
    )


def _rendered_snapshot(call: Call, snapshot: Snapshot) -> Wire:
    if call.surface is Surface.V1:
        return v1.snapshot(snapshot)
    here = f"{call.group_url}/serverless/{call.instance_name}"
    return v2.snapshot(snapshot, instance_url=here)


_BACKUP = "/groups/{groupId}/serverless/{instanceName}/backup"
_SUNSET = date(2026, 1, 22)

ROUTES = (
    Route(
        operation_id="listServerlessBackupRestoreJobs",
        method="GET",
        path=f"{_BACKUP}/restoreJobs",
        handler=list_restore_jobs,
        answer=Answer(v2.ServerlessRestoreJob, is_list=True),
        answer_v1=Answer(v1.ServerlessRestoreJob, is_list=True),
        listed_addresses_only=True,
        sunset=_SUNSET,
    ),
    Route(
        operation_id="createServerlessBackupRestoreJob",
        method="POST",
        path=f"{_BACKUP}/restoreJobs",
        handler=create_restore_job,
        answer=Answer(v2.ServerlessRestoreJob),
        answer_v1=Answer(v1.ServerlessRestoreJob, status=201),
        body=NewRestoreJobBody,
        listed_addresses_only=True,
        sunset=_SUNSET,
    ),
    Route(
        operation_id="getServerlessBackupRestoreJob",
        method="GET",
        path=f"{_BACKUP}/restoreJobs/{{restoreJobId}}",
        handler=get_restore_job,
        answer=Answer(v2.ServerlessRestoreJob),
        answer_v1=Answer(v1.ServerlessRestoreJob),
        listed_addresses_only=True,
        sunset=_SUNSET,
    ),
    Route(
        operation_id="listServerlessBackups",
        method="GET",
        path=f"{_BACKUP}/snapshots",
        handler=list_snapshots,
        answer=Answer(v2.ServerlessSnapshot, is_list=True),
        answer_v1=Answer(v1.ServerlessSnapshot, is_list=True),
        sunset=_SUNSET,
    ),
    Route(
        operation_id="getServerlessBackup",
        method="GET",
        path=f"{_BACKUP}/snapshots/{{snapshotId}}",
        handler=get_snapshot,
        answer=Answer(v2.ServerlessSnapshot),
        answer_v1=Answer(v1.ServerlessSnapshot),
        sunset=_SUNSET,
    ),
)
