"""Restore jobs for a point in time: what differs from those for a snapshot."""

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.model.manifest import ClusterTime
from telamon.state.tables import restore_job


def to_columns(point: ClusterTime | None) -> dict[str, int | None]:
    return {
        "point_seconds": None if point is None else point.seconds,
        "point_increment": None if point is None else point.increment,
    }


def from_row(row: "Row[tuple[object, ...]]") -> ClusterTime | None:
    if row.point_seconds is None:
        return None
    return ClusterTime(seconds=row.point_seconds, increment=row.point_increment)


def in_work(tx: Connection, instance_id: str) -> tuple[tuple[str, ClusterTime], ...]:
    """Of the jobs that have not ended and restore an instance to a moment: snapshot, moment."""
    rows = tx.execute(
        sa.select(restore_job).where(
            restore_job.c.instance_id == instance_id,
            restore_job.c.finished_at.is_(None),
            restore_job.c.point_seconds.is_not(None),
        )
    )
    found = ((row.snapshot_id, from_row(row)) for row in rows)
    return tuple((snapshot_id, point) for snapshot_id, point in found if point is not None)


def set_totals(
    tx: Connection, restore_job_id: str, *, documents: int, size_bytes: int, namespaces: int
) -> None:
    """How much there is to restore, which nobody knew when the job was asked for."""
    tx.execute(
        restore_job.update()
        .where(restore_job.c.id == restore_job_id, restore_job.c.finished_at.is_(None))
        .values(documents_total=documents, size_bytes_total=size_bytes, namespaces_total=namespaces)
    )
