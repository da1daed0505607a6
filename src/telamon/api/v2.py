"""Version 2's renderings of what v1.0 shows differently: links on every item."""

from datetime import datetime

from msgspec import UNSET, UnsetType, field

from telamon.api.call import Link, Wire, related
from telamon.api.points_in_time import BsonTimestamp, point_members
from telamon.model import restore_job as model
from telamon.model import snapshot as snapshot_model


class ServerlessRestoreJob(Wire, kw_only=True, frozen=True):
    cancelled: bool
    delivery_type: str
    delivery_url: list[str]
    desired_timestamp: BsonTimestamp | UnsetType = UNSET
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


class ServerlessSnapshot(Wire, kw_only=True, frozen=True):
    created_at: datetime | UnsetType = UNSET
    expires_at: datetime
    frequency_type: str | UnsetType = UNSET
    id: str
    links: list[Link]
    mongod_version: str | UnsetType = UNSET
    serverless_instance_name: str
    snapshot_type: str
    status: str
    storage_size_bytes: int


def restore_job(
    job: model.RestoreJob,
    *,
    is_expired: bool,
    delivery_url: list[str],
    group_url: str,
    instance_url: str,
) -> ServerlessRestoreJob:
    return ServerlessRestoreJob(
        cancelled=job.cancelled,
        delivery_type=job.delivery_type.value,
        delivery_url=delivery_url,
        expired=is_expired,
        expires_at=job.expires_at if job.has_expiry else UNSET,
        failed=job.failed,
        finished_at=job.finished_at or UNSET,
        id=job.id,
        links=[
            Link(href=f"{instance_url}/backup/restoreJobs/{job.id}", rel="self"),
            Link(
                href=f"{instance_url}/backup/snapshots/{job.snapshot_id}", rel=related("snapshot")
            ),
            Link(href=instance_url, rel=related("cluster")),
            Link(href=group_url, rel=related("group")),
        ],
        **point_members(job),
        snapshot_id=job.snapshot_id,
        target_cluster_name=job.target_cluster_name or UNSET,
        target_deployment_item_name=job.target_deployment_item_name or UNSET,
        target_group_id=job.target_group_id or UNSET,
        timestamp=job.snapshot_taken_at,
    )


def snapshot(found: snapshot_model.Snapshot, *, instance_url: str) -> ServerlessSnapshot:
    return ServerlessSnapshot(
        created_at=found.taken_at or UNSET,
        expires_at=found.expires_at,
        frequency_type=found.frequency.value if found.frequency else UNSET,
        id=found.id,
        links=[
            Link(href=f"{instance_url}/backup/snapshots/{found.id}", rel="self"),
            Link(href=instance_url, rel=related("cluster")),
        ],
        mongod_version=found.mongodb_version or UNSET,
        serverless_instance_name=found.instance_name,
        snapshot_type=found.snapshot_type.value,
        status=found.status.value,
        storage_size_bytes=found.size_bytes,
    )
