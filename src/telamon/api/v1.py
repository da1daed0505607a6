"""Version 1.0's renderings of what v2 shows differently: no links on items, dates of creation."""

from datetime import datetime

from msgspec import UNSET, UnsetType, field

from telamon.api.call import Wire
from telamon.api.points_in_time import BsonTimestamp, point_members
from telamon.model import restore_job as model
from telamon.model import snapshot as snapshot_model


class ServerlessRestoreJob(Wire, kw_only=True, frozen=True):
    """The fields of the page "Return All Restore Jobs For One Serverless Instance"."""

    cancelled: bool
    created_at: datetime
    delivery_type: str
    delivery_url: list[str]
    desired_timestamp: BsonTimestamp | UnsetType = UNSET
    expired: bool
    expires_at: datetime | UnsetType = UNSET
    failed: bool
    finished_at: datetime | UnsetType = UNSET
    id: str
    oplog_inc: int | UnsetType = UNSET
    oplog_ts: int | UnsetType = UNSET
    point_in_time_utc_seconds: int | UnsetType = field(default=UNSET, name="pointInTimeUTCSeconds")
    snapshot_id: str
    target_cluster_name: str | UnsetType = UNSET
    target_deployment_item_name: str | UnsetType = UNSET
    target_group_id: str | UnsetType = UNSET
    timestamp: datetime


class ServerlessSnapshot(Wire, kw_only=True, frozen=True):
    created_at: datetime | UnsetType = UNSET
    expires_at: datetime
    id: str
    mongod_version: str | UnsetType = UNSET
    serverless_instance_name: str
    snapshot_type: str
    status: str
    storage_size_bytes: int


def restore_job(
    job: model.RestoreJob, *, is_expired: bool, delivery_url: list[str]
) -> ServerlessRestoreJob:
    return ServerlessRestoreJob(
        cancelled=job.cancelled,
        created_at=job.created_at,
        delivery_type=job.delivery_type.value,
        delivery_url=delivery_url,
        expired=is_expired,
        expires_at=job.expires_at if job.has_expiry else UNSET,
        failed=job.failed,
        finished_at=job.finished_at or UNSET,
        id=job.id,
        **point_members(job),
        snapshot_id=job.snapshot_id,
        target_cluster_name=job.target_cluster_name or UNSET,
        target_deployment_item_name=job.target_deployment_item_name or UNSET,
        target_group_id=job.target_group_id or UNSET,
        timestamp=job.snapshot_taken_at,
    )


def snapshot(found: snapshot_model.Snapshot) -> ServerlessSnapshot:
    return ServerlessSnapshot(
        created_at=found.taken_at or UNSET,
        expires_at=found.expires_at,
        id=found.id,
        mongod_version=found.mongodb_version or UNSET,
        serverless_instance_name=found.instance_name,
        snapshot_type=found.snapshot_type.value,
        status=found.status.value,
        storage_size_bytes=found.size_bytes,
    )
