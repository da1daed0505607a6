"""Rows of snapshots: the catalogue of what the repository holds, and of what failed."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.errors import SnapshotNotFound
from telamon.model.manifest import ClusterTime, Consistency, Manifest
from telamon.model.page import Page
from telamon.model.schedule import Frequency
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType
from telamon.state import ended_jobs, snapshot_collections
from telamon.state.ended_jobs import Counted, Outcome
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import instance, snapshot

_UNFINISHED = [SnapshotStatus.QUEUED.value, SnapshotStatus.IN_PROGRESS.value]
_SELECT = sa.select(snapshot, instance.c.group_id, instance.c.name.label("instance_name")).join(
    instance, instance.c.id == snapshot.c.instance_id
)
_VISIBLE = snapshot.c.deletion_id.is_(None)


def insert(tx: Connection, new: Snapshot) -> None:
    """A snapshot that has been asked for."""
    tx.execute(
        snapshot.insert().values(
            id=new.id,
            instance_id=new.instance_id,
            status=new.status.value,
            snapshot_type=new.snapshot_type.value,
            requested_at=to_seconds(new.requested_at),
            expires_at=to_seconds(new.expires_at),
            description=new.description,
            frequency=new.frequency.value if new.frequency else None,
            policy_items=list(new.policy_item_ids),
        )
    )


def insert_completed(tx: Connection, found: Snapshot) -> bool:
    """A snapshot that the repository has; answers False, and does nothing, if there is a row of it.

    ``found`` has the time when it was taken, and a consistency.
    """
    assert found.taken_at is not None
    assert found.finished_at is not None
    assert found.consistency is not None
    if tx.execute(sa.select(snapshot.c.id).where(snapshot.c.id == found.id)).first() is not None:
        return False
    tx.execute(
        snapshot.insert().values(
            id=found.id,
            instance_id=found.instance_id,
            status=SnapshotStatus.COMPLETED.value,
            snapshot_type=found.snapshot_type.value,
            requested_at=to_seconds(found.requested_at),
            finished_at=to_seconds(found.finished_at),
            expires_at=to_seconds(found.expires_at),
            **_time_columns(found.taken_at, found.cluster_time),
            consistency=found.consistency.value,
            mongodb_version=found.mongodb_version,
            documents=found.documents,
            size_bytes=found.size_bytes,
            expected_bytes=found.expected_bytes,
            new_bytes=found.new_bytes,
            namespaces=found.namespaces,
            namespaces_total=found.namespaces_total,
        )
    )
    return True


def completed_ids(tx: Connection) -> tuple[str, ...]:
    """Every snapshot whose manifest should be in the repository, by id."""
    rows = tx.execute(
        sa.select(snapshot.c.id)
        .where(snapshot.c.status == SnapshotStatus.COMPLETED.value, _VISIBLE)
        .order_by(snapshot.c.id)
    )
    return tuple(snapshot_id for (snapshot_id,) in rows)


def by_id(tx: Connection, snapshot_id: str) -> Snapshot:
    """Raises SnapshotNotFound."""
    row = tx.execute(_SELECT.where(snapshot.c.id == snapshot_id)).first()
    if row is None:
        raise SnapshotNotFound(snapshot_id, "")
    return _snapshot(row)


def of_instance(tx: Connection, instance_id: str, instance_name: str, snapshot_id: str) -> Snapshot:
    """One of an instance's snapshots. Raises SnapshotNotFound, also for one that is being deleted."""
    row = tx.execute(
        _SELECT.where(snapshot.c.id == snapshot_id, snapshot.c.instance_id == instance_id, _VISIBLE)
    ).first()
    if row is None:
        raise SnapshotNotFound(snapshot_id, instance_name)
    return _snapshot(row)


def page(
    tx: Connection, instance_id: str, *, limit: int, offset: int, oldest_first: bool = False
) -> Page[Snapshot]:
    """A part of an instance's snapshots, newest first unless told otherwise."""
    listed = (snapshot.c.instance_id == instance_id) & _VISIBLE
    order: tuple[sa.ColumnElement[Any], ...] = (snapshot.c.requested_at, snapshot.c.id)
    if not oldest_first:
        order = tuple(column.desc() for column in order)
    rows = tx.execute(_SELECT.where(listed).order_by(*order).limit(limit).offset(offset))
    total = tx.execute(sa.select(sa.func.count()).select_from(snapshot).where(listed)).scalar_one()
    return Page(items=tuple(_snapshot(row) for row in rows), total=total)


def visible(tx: Connection, instance_id: str) -> tuple[Snapshot, ...]:
    """All of an instance's snapshots, the oldest first."""
    rows = tx.execute(
        _SELECT.where(snapshot.c.instance_id == instance_id, _VISIBLE).order_by(
            snapshot.c.requested_at, snapshot.c.id
        )
    )
    return tuple(_snapshot(row) for row in rows)


def owners(tx: Connection, *, expired_at: datetime | None = None) -> tuple[str, ...]:
    """Ids of instances that have snapshots; only of those with one whose time is over by then."""
    owned = (snapshot.c.instance_id == instance.c.id) & _VISIBLE
    if expired_at is not None:
        owned &= snapshot.c.expires_at <= to_seconds(expired_at)
    # An index search for each instance, however many snapshots there are.
    found = tx.execute(
        sa.select(instance.c.id)
        .where(sa.exists().where(owned).correlate(instance))
        .order_by(instance.c.id)
    )
    return tuple(instance_id for (instance_id,) in found)


def is_being_taken(tx: Connection, instance_id: str) -> bool:
    """Whether a snapshot of the instance has been asked for and has not ended."""
    # All of these, which are few: SQLite would not choose their own index if it knew the instance.
    unfinished = sa.select(snapshot.c.instance_id).where(snapshot.c.finished_at.is_(None))
    return instance_id in tx.execute(unfinished).scalars().all()


def start(tx: Connection, snapshot_id: str, *, mongodb_version: str | None, at: datetime) -> int:
    """A worker begins, or begins anew; returns how many times one has begun.

    A snapshot that has ended stays as it is.
    """
    tx.execute(
        _unfinished(snapshot_id).values(
            status=SnapshotStatus.IN_PROGRESS.value,
            mongodb_version=mongodb_version,
            started_at=to_seconds(at),
            attempts=snapshot.c.attempts + 1,
        )
    )
    attempts = sa.select(snapshot.c.attempts).where(snapshot.c.id == snapshot_id)
    return int(tx.execute(attempts).scalar_one())


def hand_back(tx: Connection, snapshot_id: str) -> None:
    """The worker stops, and another one goes on: its begin does not count."""
    tx.execute(
        _unfinished(snapshot_id)
        .where(snapshot.c.attempts > 0)
        .values(attempts=snapshot.c.attempts - 1)
    )


def progress(
    tx: Connection,
    snapshot_id: str,
    *,
    documents: int,
    size_bytes: int,
    expected_bytes: int,
    new_bytes: int,
    namespaces: int,
    namespaces_total: int,
) -> None:
    """How far the worker is. A snapshot that has ended stays as it is."""
    tx.execute(
        _unfinished(snapshot_id).values(
            documents=documents,
            size_bytes=size_bytes,
            expected_bytes=expected_bytes,
            new_bytes=new_bytes,
            namespaces=namespaces,
            namespaces_total=namespaces_total,
        )
    )


def newest_completed(tx: Connection, instance_id: str) -> str | None:
    """The id of the instance's latest snapshot that is in the repository."""
    found = tx.execute(
        sa.select(snapshot.c.id)
        .where(
            snapshot.c.instance_id == instance_id,
            snapshot.c.status == SnapshotStatus.COMPLETED.value,
            _VISIBLE,
        )
        .order_by(snapshot.c.requested_at.desc(), snapshot.c.id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def consistent(tx: Connection, instance_id: str) -> tuple[Snapshot, ...]:
    """Those of an instance that can be restored and are as of one cluster time, the latest first."""
    rows = tx.execute(
        _SELECT.where(
            snapshot.c.instance_id == instance_id,
            snapshot.c.status == SnapshotStatus.COMPLETED.value,
            snapshot.c.consistency == Consistency.SNAPSHOT.value,
            snapshot.c.cluster_increment.is_not(None),
            _VISIBLE,
        ).order_by(snapshot.c.cluster_seconds.desc(), snapshot.c.cluster_increment.desc())
    )
    return tuple(_snapshot(row) for row in rows)


def complete(tx: Connection, manifest: Manifest, *, new_bytes: int, at: datetime) -> None:
    """The manifest is in the repository."""
    completed = tx.execute(
        _unfinished(manifest.snapshot_id).values(
            status=SnapshotStatus.COMPLETED.value,
            finished_at=to_seconds(at),
            **_time_columns(manifest.taken_at, manifest.cluster_time),
            consistency=manifest.consistency.value,
            mongodb_version=manifest.mongodb_version,
            documents=manifest.documents,
            size_bytes=manifest.size_bytes,
            expected_bytes=manifest.size_bytes,
            new_bytes=new_bytes,
            namespaces=len(manifest.collections),
            namespaces_total=len(manifest.collections),
        )
    )
    if completed.rowcount:
        snapshot_collections.insert(tx, manifest)
    ended_jobs.count(tx, Counted.TAKE_SNAPSHOT, Outcome.FINISHED, jobs=completed.rowcount)


def set_expiry(tx: Connection, snapshot_id: str, expires_at: datetime) -> None:
    tx.execute(
        snapshot.update()
        .where(snapshot.c.id == snapshot_id)
        .values(expires_at=to_seconds(expires_at))
    )


def hide(tx: Connection, snapshot_id: str, *, deletion_id: str) -> None:
    """It is being deleted by the job on ``deletion_id``: nobody is shown it any more."""
    tx.execute(
        snapshot.update().where(snapshot.c.id == snapshot_id).values(deletion_id=deletion_id)
    )


def show_again(tx: Connection, deletion_id: str) -> None:
    """It could not be deleted."""
    kept = tx.execute(
        snapshot.update().where(snapshot.c.deletion_id == deletion_id).values(deletion_id=None)
    )
    ended_jobs.count(tx, Counted.DELETE_SNAPSHOT, Outcome.FAILED, jobs=kept.rowcount)


def being_deleted(tx: Connection, deletion_id: str) -> str | None:
    """The id of the snapshot that this job deletes; None once it is gone."""
    found = tx.execute(
        sa.select(snapshot.c.id).where(snapshot.c.deletion_id == deletion_id)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def delete(tx: Connection, snapshot_id: str) -> None:
    """Its manifest is gone, and so is it, with the rows of what it consists of."""
    gone = tx.execute(snapshot.delete().where(snapshot.c.id == snapshot_id))
    ended_jobs.count(tx, Counted.DELETE_SNAPSHOT, Outcome.FINISHED, jobs=gone.rowcount)


def fail(tx: Connection, snapshot_id: str, *, failure: str, at: datetime) -> None:
    """It ended without a manifest. A completed snapshot stays completed."""
    failed = tx.execute(
        _unfinished(snapshot_id).values(
            status=SnapshotStatus.FAILED.value, finished_at=to_seconds(at), failure=failure
        )
    )
    ended_jobs.count(tx, Counted.TAKE_SNAPSHOT, Outcome.FAILED, jobs=failed.rowcount)


def _time_columns(taken_at: datetime, cluster_time: ClusterTime | None) -> dict[str, int | None]:
    """A snapshot without a cluster time has no increment, and the second when it was begun."""
    if cluster_time is None:
        return {"cluster_seconds": to_seconds(taken_at), "cluster_increment": None}
    return {
        "cluster_seconds": cluster_time.seconds,
        "cluster_increment": cluster_time.increment,
    }


def _unfinished(snapshot_id: str) -> sa.Update:
    return snapshot.update().where(snapshot.c.id == snapshot_id, snapshot.c.status.in_(_UNFINISHED))


def _snapshot(row: "Row[tuple[object, ...]]") -> Snapshot:
    cluster_time = (
        None
        if row.cluster_increment is None
        else ClusterTime(seconds=row.cluster_seconds, increment=row.cluster_increment)
    )
    return Snapshot(
        id=row.id,
        group_id=row.group_id,
        instance_id=row.instance_id,
        instance_name=row.instance_name,
        status=SnapshotStatus(row.status),
        snapshot_type=SnapshotType(row.snapshot_type),
        requested_at=from_seconds(row.requested_at),
        finished_at=from_seconds(row.finished_at),
        expires_at=from_seconds(row.expires_at),
        taken_at=from_seconds(row.cluster_seconds),
        cluster_time=cluster_time,
        consistency=None if row.consistency is None else Consistency(row.consistency),
        mongodb_version=row.mongodb_version,
        documents=row.documents,
        size_bytes=row.size_bytes,
        expected_bytes=row.expected_bytes,
        new_bytes=row.new_bytes,
        namespaces=row.namespaces,
        namespaces_total=row.namespaces_total,
        failure=row.failure,
        description=row.description,
        frequency=None if row.frequency is None else Frequency(row.frequency),
        policy_item_ids=tuple(row.policy_items or ()),
    )
