"""Snapshots and restore jobs of flex clusters, on v2. No item has links, as recorded."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from msgspec import UNSET, UnsetType, field

from telamon.api import backups, downloads
from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Reply, Route, Surface, Wire
from telamon.errors import (
    InvalidAttribute,
    InvalidClusterName,
    InvalidGroupId,
    MissingAttribute,
)
from telamon.ids import is_id
from telamon.model.instance import InstanceKind, is_instance_name
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.model.snapshot import Snapshot, SnapshotStatus
from telamon.operations.downloads import OFFERED_FOR
from telamon.operations.restore_jobs import NewRestoreJob

_KIND = InstanceKind.FLEX
_EXPIRES_AFTER = timedelta(hours=6)

# Answered by the server, sent back by clients that fill in whole objects.
_READ_ONLY = (
    "deliveryType",
    "expirationDate",
    "id",
    "instanceName",
    "links",
    "projectId",
    "restoreFinishedDate",
    "restoreScheduledDate",
    "snapshotFinishedDate",
    "snapshotUrl",
    "status",
)

_SNAPSHOT_STATUS: Mapping[SnapshotStatus, str] = {
    SnapshotStatus.QUEUED: "QUEUED",
    SnapshotStatus.IN_PROGRESS: "RUNNING",
    SnapshotStatus.COMPLETED: "COMPLETED",
    SnapshotStatus.FAILED: "FAILED",
}
_RESTORE_STATUS: Mapping[RestoreStage, str] = {
    RestoreStage.QUEUED: "PENDING",
    RestoreStage.LOADING: "RUNNING",
    RestoreStage.SWAPPING: "RUNNING",
    RestoreStage.FINISHED: "COMPLETED",
    RestoreStage.FAILED: "FAILED",
}


class FlexSnapshot(Wire, kw_only=True, frozen=True):
    expiration: datetime
    finish_time: datetime | UnsetType = UNSET
    id: str
    mongo_db_version: str | UnsetType = field(default=UNSET, name="mongoDBVersion")
    scheduled_time: datetime
    start_time: datetime | UnsetType = UNSET
    status: str


class FlexRestoreJob(Wire, kw_only=True, frozen=True):
    delivery_type: str
    expiration_date: datetime
    id: str
    instance_name: str
    project_id: str
    restore_finished_date: datetime | UnsetType = UNSET
    restore_scheduled_date: datetime
    snapshot_finished_date: datetime
    snapshot_id: str
    snapshot_url: str | UnsetType = UNSET
    status: str
    target_deployment_item_name: str | UnsetType = UNSET
    target_project_id: str | UnsetType = UNSET


class _NewRestoreJob(Wire, kw_only=True, frozen=True):
    snapshot_id: str
    target_deployment_item_name: str
    target_project_id: str | UnsetType = UNSET


class _NewDownload(Wire, kw_only=True, frozen=True):
    snapshot_id: str


async def list_snapshots(call: Call) -> Reply:
    """Oldest first."""
    return await backups.list_snapshots(call, _KIND, _snapshot)


async def get_snapshot(call: Call) -> Reply:
    return await backups.get_snapshot(call, _KIND, _snapshot)


async def list_restore_jobs(call: Call) -> Reply:
    """Newest first."""
    return await backups.list_restore_jobs(call, _KIND, _restore_job)


async def get_restore_job(call: Call) -> Reply:
    return await backups.get_restore_job(call, _KIND, _restore_job)


async def create_restore_job(call: Call) -> Reply:
    """The target is named as a cluster is. Without a project of its own it is in the path's."""
    return await backups.create_restore_job(
        call, _KIND, lambda data: _wanted(data, call.group_id), _restore_job
    )


async def download(call: Call) -> Reply:
    """Answers the restore job, as a restore does."""
    return await backups.create_restore_job(call, _KIND, _wanted_download, _restore_job)


def _wanted_download(data: bytes) -> NewRestoreJob:
    body = read_object(data, _NewDownload, read_only=("links",))
    if not is_id(body.snapshot_id):
        raise InvalidAttribute("snapshotId")
    return _download_of(body.snapshot_id)


def _download_of(snapshot_id: str) -> NewRestoreJob:
    return NewRestoreJob(
        delivery_type=DeliveryType.DOWNLOAD,
        snapshot_id=snapshot_id,
        target_group_id="",
        target_cluster_name="",
    )


def _wanted(data: bytes, group_id: str) -> NewRestoreJob:
    body = read_object(data, _NewRestoreJob, read_only=_READ_ONLY)
    if not body.snapshot_id:
        raise MissingAttribute("snapshotId")
    target_group_id = body.target_project_id or group_id
    if not is_id(body.snapshot_id):
        raise InvalidAttribute("snapshotId")
    if not body.target_deployment_item_name:  # so the Atlas CLI asks for a download
        return _download_of(body.snapshot_id)
    if not is_id(target_group_id):
        raise InvalidGroupId(target_group_id)
    if not is_instance_name(body.target_deployment_item_name):
        raise InvalidClusterName(body.target_deployment_item_name)
    return NewRestoreJob(
        delivery_type=DeliveryType.AUTOMATED,
        snapshot_id=body.snapshot_id,
        target_group_id=target_group_id,
        target_cluster_name=body.target_deployment_item_name,
    )


def _snapshot(_call: Call, found: Snapshot) -> FlexSnapshot:
    return FlexSnapshot(
        expiration=found.expires_at,
        finish_time=found.finished_at or UNSET,
        id=found.id,
        mongo_db_version=found.mongodb_version or UNSET,
        scheduled_time=found.requested_at,
        start_time=found.taken_at or UNSET,
        status=_SNAPSHOT_STATUS[found.status],
    )


def _restore_job(call: Call, job: RestoreJob) -> FlexRestoreJob:
    is_download = job.delivery_type is DeliveryType.DOWNLOAD
    expires_at = job.created_at + (OFFERED_FOR if is_download else _EXPIRES_AFTER)
    urls = downloads.urls(call, job)
    return FlexRestoreJob(
        delivery_type="DOWNLOAD" if is_download else "RESTORE",
        expiration_date=job.expires_at if job.is_ready else expires_at,
        id=job.id,
        instance_name=call.instance_name,
        project_id=job.group_id,
        restore_finished_date=job.finished_at or UNSET,
        restore_scheduled_date=job.created_at,
        snapshot_finished_date=job.snapshot_finished_at or job.snapshot_taken_at,
        snapshot_id=job.snapshot_id,
        snapshot_url=urls[0] if urls else UNSET,
        status=_RESTORE_STATUS[job.stage],
        target_deployment_item_name=job.target_cluster_name or UNSET,
        target_project_id=job.target_group_id or UNSET,
    )


_V2 = (Surface.V2,)
_VERSIONS = (date(2024, 11, 13),)
_BACKUP = "/groups/{groupId}/flexClusters/{instanceName}/backup"

ROUTES = (
    Route(
        operation_id="listFlexBackups",
        method="GET",
        path=f"{_BACKUP}/snapshots",
        handler=list_snapshots,
        answer=Answer(FlexSnapshot, is_list=True),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="getFlexBackup",
        method="GET",
        path=f"{_BACKUP}/snapshots/{{snapshotId}}",
        handler=get_snapshot,
        answer=Answer(FlexSnapshot),
        surfaces=_V2,
        versions=_VERSIONS,
    ),
    Route(
        operation_id="listFlexBackupRestoreJobs",
        method="GET",
        path=f"{_BACKUP}/restoreJobs",
        handler=list_restore_jobs,
        answer=Answer(FlexRestoreJob, is_list=True),
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="createFlexBackupRestoreJob",
        method="POST",
        path=f"{_BACKUP}/restoreJobs",
        handler=create_restore_job,
        answer=Answer(FlexRestoreJob),
        body=_NewRestoreJob,
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="getFlexBackupRestoreJob",
        method="GET",
        path=f"{_BACKUP}/restoreJobs/{{restoreJobId}}",
        handler=get_restore_job,
        answer=Answer(FlexRestoreJob),
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="downloadFlexBackup",
        method="POST",
        path=f"{_BACKUP}/download",
        handler=download,
        answer=Answer(FlexRestoreJob),
        body=_NewDownload,
        surfaces=_V2,
        versions=_VERSIONS,
        listed_addresses_only=True,
    ),
)
