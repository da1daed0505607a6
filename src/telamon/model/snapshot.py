"""Snapshots as the catalogue knows them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telamon.model.instance import Instance
from telamon.model.manifest import ClusterTime, Consistency
from telamon.model.schedule import Frequency


class SnapshotStatus(StrEnum):
    """Words of the wire."""

    QUEUED = "queued"
    """Asked for."""
    IN_PROGRESS = "inProgress"
    """A worker reads the deployment."""
    COMPLETED = "completed"
    """Its manifest is in the repository: it can be restored."""
    FAILED = "failed"
    """It could not be taken; ``failure`` says why."""


class SnapshotType(StrEnum):
    """Why it was taken; words of the wire."""

    ON_DEMAND = "onDemand"
    SCHEDULED = "scheduled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """``taken_at`` is the wall-clock second of ``cluster_time``; both None until it is completed. A
    snapshot of a standalone server has no cluster time, and was begun at ``taken_at``.

    ``size_bytes`` counts documents before compression, of ``expected_bytes`` or about as many while
    it is in progress; ``new_bytes`` is what this snapshot added to the repository. Of
    ``namespaces_total`` collections and views, as far as they are known, ``namespaces`` are read.
    """

    id: str
    group_id: str
    instance_id: str
    instance_name: str
    status: SnapshotStatus
    snapshot_type: SnapshotType
    requested_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    taken_at: datetime | None
    cluster_time: ClusterTime | None
    consistency: Consistency | None
    mongodb_version: str | None
    documents: int
    size_bytes: int
    expected_bytes: int
    new_bytes: int
    failure: str | None
    namespaces: int = 0
    namespaces_total: int = 0
    description: str = ""
    """The caller's own words for it."""
    frequency: Frequency | None = None
    """Of the rarest rule that asked for a scheduled one."""
    policy_item_ids: tuple[str, ...] = ()
    """The rules of a cluster's schedule that asked for it."""


def queued_snapshot(
    snapshot_id: str,
    instance: Instance,
    *,
    snapshot_type: SnapshotType,
    requested_at: datetime,
    expires_at: datetime,
    description: str = "",
    frequency: Frequency | None = None,
    policy_item_ids: tuple[str, ...] = (),
) -> Snapshot:
    """One that is asked for, and of which there is nothing yet."""
    return Snapshot(
        id=snapshot_id,
        group_id=instance.group_id,
        instance_id=instance.id,
        instance_name=instance.name,
        status=SnapshotStatus.QUEUED,
        snapshot_type=snapshot_type,
        requested_at=requested_at,
        finished_at=None,
        expires_at=expires_at,
        taken_at=None,
        cluster_time=None,
        consistency=None,
        mongodb_version=None,
        documents=0,
        size_bytes=0,
        expected_bytes=0,
        new_bytes=0,
        failure=None,
        description=description,
        frequency=frequency,
        policy_item_ids=policy_item_ids,
    )
