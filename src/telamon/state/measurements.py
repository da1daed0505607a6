"""Reading what is measured. None of it costs more where more has happened."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.model.drill import DrillState
from telamon.model.measurements import GoodSnapshot, MeasuredInstance, RepositorySize
from telamon.model.snapshot import SnapshotStatus
from telamon.state.drill_tables import drill
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import instance, repository_size, snapshot

_THE_ROW = 1


def measured_instances(tx: Connection) -> tuple[MeasuredInstance, ...]:
    """Every instance that has not been deleted."""
    good = snapshot.alias("good")
    newest = (
        sa.select(good.c.id)
        .where(
            good.c.instance_id == instance.c.id,
            good.c.status == SnapshotStatus.COMPLETED.value,
            good.c.deletion_id.is_(None),
        )
        .order_by(good.c.requested_at.desc(), good.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    drilled_at = (
        sa.select(sa.func.max(drill.c.finished_at))
        .where(drill.c.instance_id == instance.c.id, drill.c.state == DrillState.PASSED.value)
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(
            instance.c.id,
            instance.c.group_id,
            instance.c.name,
            instance.c.created_at,
            snapshot.c.cluster_seconds,
            snapshot.c.size_bytes,
            snapshot.c.new_bytes,
            snapshot.c.started_at,
            snapshot.c.finished_at,
            drilled_at.label("drilled_at"),
        )
        .select_from(instance)
        .outerjoin(snapshot, snapshot.c.id == newest)
        .where(instance.c.deleted_at.is_(None))
        .order_by(instance.c.id)
    )
    return tuple(_instance(row) for row in rows)


def find_repository_size(tx: Connection) -> RepositorySize | None:
    """What ``put_repository_size`` was given last."""
    row = tx.execute(sa.select(repository_size)).first()
    if row is None:
        return None
    return RepositorySize(
        measured_at=from_seconds(row.measured_at),
        packs=row.packs,
        stored_bytes=row.stored_bytes,
        snapshots=row.snapshots,
        logical_bytes=row.logical_bytes,
    )


def put_repository_size(
    tx: Connection, *, measured_at: datetime, packs: int, stored_bytes: int
) -> None:
    """In place of what is there; the snapshots are counted here, which reads all of their rows."""
    completed = sa.select(
        sa.func.count().label("snapshots"),
        sa.func.coalesce(sa.func.sum(snapshot.c.size_bytes), 0).label("logical_bytes"),
    ).where(snapshot.c.status == SnapshotStatus.COMPLETED.value, snapshot.c.deletion_id.is_(None))
    counted = tx.execute(completed).one()
    tx.execute(repository_size.delete())
    tx.execute(
        repository_size.insert().values(
            number=_THE_ROW,
            measured_at=to_seconds(measured_at),
            packs=packs,
            stored_bytes=stored_bytes,
            snapshots=counted.snapshots,
            logical_bytes=int(counted.logical_bytes),
        )
    )


def _instance(row: Any) -> MeasuredInstance:
    newest = None
    if row.cluster_seconds is not None:
        seconds = None if row.started_at is None else max(0, row.finished_at - row.started_at)
        newest = GoodSnapshot(
            taken_at=from_seconds(row.cluster_seconds),
            size_bytes=row.size_bytes,
            new_bytes=row.new_bytes,
            seconds=seconds,
        )
    return MeasuredInstance(
        instance_id=row.id,
        group_id=row.group_id,
        name=row.name,
        created_at=from_seconds(row.created_at),
        newest=newest,
        drilled_at=from_seconds(row.drilled_at),
    )
