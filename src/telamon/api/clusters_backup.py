"""Snapshots and restore jobs of dedicated clusters, on v1.0 and v2."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api import backups, downloads
from telamon.api.body import read_object
from telamon.api.call import Answer, Call, Link, Reply, Route, Surface, Wire, related
from telamon.api.points_in_time import BsonTimestamp, desired_timestamp, moment_members
from telamon.api.serverless_backup import NewRestoreJobBody, wanted_restore
from telamon.model.access import PROJECT_BACKUP_MANAGERS
from telamon.model.instance import InstanceKind
from telamon.model.restore_job import RestoreJob
from telamon.model.retention import Retention, RetentionUnit
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType
from telamon.operations.kinds import SnapshotPath
from telamon.operations.snapshots import DEFAULT_RETENTION_DAYS

_KIND = InstanceKind.DEDICATED

# Answered by the server, sent back by clients that fill in whole objects.
_READ_ONLY = (
    "cloudProvider",
    "copyRegions",
    "createdAt",
    "expiresAt",
    "frequencyType",
    "id",
    "links",
    "mongodVersion",
    "policyItems",
    "replicaSetName",
    "snapshotType",
    "status",
    "storageSizeBytes",
    "type",
)


class ClusterSnapshot(Wire, kw_only=True, frozen=True):
    """Without ``cloudProvider``, since none stores it."""

    copy_regions: list[str]
    created_at: datetime | UnsetType = UNSET
    description: str | UnsetType = UNSET
    expires_at: datetime
    frequency_type: str | UnsetType = UNSET
    id: str
    links: list[Link]
    mongod_version: str | UnsetType = UNSET
    policy_items: list[str]
    replica_set_name: str
    snapshot_type: str
    status: str
    storage_size_bytes: int
    type: str


class ClusterRestoreJob(Wire, kw_only=True, frozen=True):
    """``createdAt`` and ``expiresAt`` are v1.0's, but for a download's ``expiresAt``. It has no target,
    and no ``finishedAt`` but for a failure, as recorded."""

    cancelled: bool
    created_at: datetime | UnsetType = UNSET
    delivery_type: str
    delivery_url: list[str]
    desired_timestamp: BsonTimestamp
    expired: bool
    expires_at: datetime | UnsetType = UNSET
    failed: bool
    finished_at: datetime | UnsetType = UNSET
    id: str
    links: list[Link]
    oplog_inc: int | UnsetType = UNSET
    oplog_ts: int | UnsetType = UNSET
    point_in_time_utc_seconds: int | UnsetType = field(default=UNSET, name="pointInTimeUTCSeconds")
    snapshot_id: str
    target_cluster_name: str | UnsetType = UNSET
    target_deployment_item_name: str | UnsetType = UNSET
    target_group_id: str | UnsetType = UNSET
    timestamp: datetime


class _NewSnapshot(Wire, kw_only=True, frozen=True):
    description: Annotated[str, Meta(max_length=1000)] = ""
    retention_in_days: Annotated[int, Meta(ge=1, le=3650)] = DEFAULT_RETENTION_DAYS


class _RetentionUnit(StrEnum):
    DAYS = "DAYS"
    WEEKS = "WEEKS"
    MONTHS = "MONTHS"
    YEARS = "YEARS"


class _Retention(Wire, kw_only=True, frozen=True):
    retention_unit: _RetentionUnit
    retention_value: Annotated[int, Meta(ge=1, le=3650)]


async def list_snapshots(call: Call) -> Reply:
    """Newest first."""
    return await backups.list_snapshots(call, _KIND, _snapshot)


async def take_snapshot(call: Call) -> Reply:
    """Queued when this answers."""
    await call.services.access.require(call.caller, call.group_id, PROJECT_BACKUP_MANAGERS)
    await call.services.instances.require(call.group_id, call.instance_name, _KIND)
    new = read_object(await call.read_body() or b"{}", _NewSnapshot, read_only=_READ_ONLY)
    taken = await call.services.snapshots.take(
        call.caller,
        call.group_id,
        call.instance_name,
        _KIND,
        retention_days=new.retention_in_days,
        description=new.description,
    )
    return Reply(body=_snapshot(call, taken))


async def get_snapshot(call: Call) -> Reply:
    return await backups.get_snapshot(call, _KIND, _snapshot)


async def update_snapshot(call: Call) -> Reply:
    """How long it is kept."""
    kept, path = call.services.snapshots.kept, snapshot_path(call)
    await kept.require(call.caller, path)
    body = read_object(await call.read_body(), _Retention, read_only=("links",))
    retention = Retention(
        unit=RetentionUnit(body.retention_unit.value.lower()), value=body.retention_value
    )
    return Reply(body=_snapshot(call, await kept.keep(call.caller, path, retention)))


async def delete_snapshot(call: Call) -> Reply:
    """Nobody is shown it when this answers."""
    await call.services.snapshots.kept.delete(call.caller, snapshot_path(call))
    return Reply(status=204)


async def list_restore_jobs(call: Call) -> Reply:
    """Newest first."""
    return await backups.list_restore_jobs(call, _KIND, _restore_job)


async def create_restore_job(call: Call) -> Reply:
    return await backups.create_restore_job(call, _KIND, wanted_restore, _restore_job)


async def get_restore_job(call: Call) -> Reply:
    return await backups.get_restore_job(call, _KIND, _restore_job)


async def cancel_restore_job(call: Call) -> Reply:
    """One that a worker has begun ends some seconds later; in its swap it cannot be."""
    await call.services.restore_jobs.cancel(
        call.caller, call.group_id, call.instance_name, call.path_params["restoreJobId"], _KIND
    )
    return Reply(status=204)


def snapshot_path(call: Call) -> SnapshotPath:
    return SnapshotPath(
        group_id=call.group_id,
        cluster_name=call.instance_name,
        snapshot_id=call.path_params["snapshotId"],
    )


def _snapshot(call: Call, found: Snapshot) -> ClusterSnapshot:
    here = f"{call.group_url}/clusters/{call.instance_name}"
    is_completed = found.status is SnapshotStatus.COMPLETED
    return ClusterSnapshot(
        copy_regions=[],
        created_at=found.taken_at or UNSET,
        description=found.description or UNSET,
        expires_at=found.expires_at,
        frequency_type=_frequency(found),
        id=found.id,
        links=[
            Link(href=f"{here}/backup/snapshots/{found.id}", rel="self"),
            Link(href=here, rel=related("cluster")),
        ],
        mongod_version=found.mongodb_version or UNSET,
        policy_items=list(found.policy_item_ids),
        replica_set_name=found.instance_name,
        snapshot_type=found.snapshot_type.value,
        status=found.status.value,
        storage_size_bytes=found.size_bytes if is_completed else 0,
        type="replicaSet",
    )


def _frequency(found: Snapshot) -> str | UnsetType:
    if found.snapshot_type is SnapshotType.ON_DEMAND:
        return "ondemand"
    return found.frequency.value if found.frequency else UNSET


def _restore_job(call: Call, job: RestoreJob) -> ClusterRestoreJob:
    here = f"{call.group_url}/clusters/{call.instance_name}"
    is_v1 = call.surface is Surface.V1
    return ClusterRestoreJob(
        cancelled=job.cancelled,
        created_at=job.created_at if is_v1 else UNSET,
        delivery_type=job.delivery_type.value,
        delivery_url=downloads.urls(call, job),
        desired_timestamp=desired_timestamp(job),
        expired=job.is_expired(call.now),
        expires_at=job.expires_at if job.is_ready or (is_v1 and job.has_expiry) else UNSET,
        failed=job.failed,
        finished_at=UNSET if job.is_ready else job.finished_at or UNSET,
        id=job.id,
        links=[
            Link(href=f"{here}/backup/restoreJobs/{job.id}", rel="self"),
            Link(href=f"{here}/backup/snapshots/{job.snapshot_id}", rel=related("snapshot")),
            Link(href=here, rel=related("cluster")),
            Link(href=call.group_url, rel=related("group")),
        ],
        **moment_members(job),
        snapshot_id=job.snapshot_id,
        target_cluster_name=job.target_cluster_name or UNSET,
        target_deployment_item_name=job.target_deployment_item_name or UNSET,
        target_group_id=job.target_group_id or UNSET,
        timestamp=job.snapshot_taken_at,
    )


_BACKUP = "/groups/{groupId}/clusters/{instanceName}/backup"
_SNAPSHOTS = f"{_BACKUP}/snapshots"
_SNAPSHOT = f"{_SNAPSHOTS}/{{snapshotId}}"
_RESTORE_JOBS = f"{_BACKUP}/restoreJobs"
_RESTORE_JOB = f"{_RESTORE_JOBS}/{{restoreJobId}}"

ROUTES = (
    Route(
        operation_id="listReplicaSetBackups",
        method="GET",
        path=_SNAPSHOTS,
        handler=list_snapshots,
        answer=Answer(ClusterSnapshot, is_list=True),
    ),
    Route(
        operation_id="takeSnapshots",
        method="POST",
        path=_SNAPSHOTS,
        handler=take_snapshot,
        answer=Answer(ClusterSnapshot),
        body=_NewSnapshot,
    ),
    Route(
        operation_id="getReplicaSetBackup",
        method="GET",
        path=_SNAPSHOT,
        handler=get_snapshot,
        answer=Answer(ClusterSnapshot),
    ),
    Route(
        operation_id="updateSnapshotRetention",
        method="PATCH",
        path=_SNAPSHOT,
        handler=update_snapshot,
        answer=Answer(ClusterSnapshot),
        body=_Retention,
    ),
    Route(
        operation_id="deleteReplicaSetBackup",
        method="DELETE",
        path=_SNAPSHOT,
        handler=delete_snapshot,
        answer=Answer(status=204),
    ),
    Route(
        operation_id="listBackupRestoreJobs",
        method="GET",
        path=_RESTORE_JOBS,
        handler=list_restore_jobs,
        answer=Answer(ClusterRestoreJob, is_list=True),
        listed_addresses_only=True,
    ),
    Route(
        operation_id="createBackupRestoreJob",
        method="POST",
        path=_RESTORE_JOBS,
        handler=create_restore_job,
        answer=Answer(ClusterRestoreJob),
        answer_v1=Answer(ClusterRestoreJob, status=201),
        body=NewRestoreJobBody,
        listed_addresses_only=True,
    ),
    Route(
        operation_id="getBackupRestoreJob",
        method="GET",
        path=_RESTORE_JOB,
        handler=get_restore_job,
        answer=Answer(ClusterRestoreJob),
        listed_addresses_only=True,
    ),
    Route(
        operation_id="cancelBackupRestoreJob",
        method="DELETE",
        path=_RESTORE_JOB,
        handler=cancel_restore_job,
        answer=Answer(status=204),
        listed_addresses_only=True,
    ),
)
