"""Restore jobs whose delivery is a download: what differs from those that have a target."""

import struct
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from telamon.model.restore_job import DeliveryType, RestoreStage
from telamon.state import ended_jobs
from telamon.state.ended_jobs import Counted, Outcome
from telamon.state.moments import to_seconds
from telamon.state.tables import download, instance, restore_job

_CHECKSUM = struct.Struct("<Q")
_is_download = restore_job.c.delivery_type == DeliveryType.DOWNLOAD.value
_is_unfinished = restore_job.c.finished_at.is_(None)


def finish(
    tx: Connection,
    restore_job_id: str,
    *,
    checksums: Sequence[int],
    at: datetime,
    expires_at: datetime,
) -> None:
    """It can be fetched. A job that has ended, by a cancellation it may be, stays as it is."""
    finished = tx.execute(
        restore_job.update()
        .where(restore_job.c.id == restore_job_id, _is_unfinished)
        .values(
            stage=RestoreStage.FINISHED.value,
            finished_at=to_seconds(at),
            expires_at=to_seconds(expires_at),
            documents=restore_job.c.documents_total,
            size_bytes=restore_job.c.size_bytes_total,
            namespaces=restore_job.c.namespaces_total,
        )
    )
    ended_jobs.count(tx, Counted.RESTORE, Outcome.FINISHED, jobs=finished.rowcount)
    if finished.rowcount:
        packed = b"".join(map(_CHECKSUM.pack, checksums))
        tx.execute(download.insert().values(restore_job_id=restore_job_id, checksums=packed))


def checksums(tx: Connection, restore_job_id: str) -> tuple[int, ...]:
    """CRC-64 of each collection of the snapshot, in the manifest's order. Of a job that is ready."""
    packed = tx.execute(
        sa.select(download.c.checksums).where(download.c.restore_job_id == restore_job_id)
    ).scalar_one()
    return tuple(value for (value,) in _CHECKSUM.iter_unpack(packed))


def cancel(tx: Connection, restore_job_id: str, *, failure: str, at: datetime) -> bool:
    """End a download, whether it is ready or not; answers False if it has failed already."""
    is_counted = not _exists(tx, restore_job.c.id == restore_job_id, _is_unfinished)
    cancelled = tx.execute(
        restore_job.update()
        .where(
            restore_job.c.id == restore_job_id,
            _is_download,
            restore_job.c.stage != RestoreStage.FAILED.value,
        )
        .values(
            stage=RestoreStage.FAILED.value,
            cancelled=True,
            finished_at=to_seconds(at),
            failure=failure,
        )
    )
    if cancelled.rowcount and not is_counted:
        ended_jobs.count(tx, Counted.RESTORE, Outcome.CANCELLED)
    return bool(cancelled.rowcount)


def is_being_prepared(tx: Connection, snapshot_id: str) -> bool:
    """Whether a download of the snapshot is neither ready nor failed."""
    return _exists(tx, restore_job.c.snapshot_id == snapshot_id, _is_download, _is_unfinished)


def count_being_prepared(tx: Connection, group_id: str) -> int:
    """Downloads of a project's snapshots that are neither ready nor failed."""
    counted = (
        sa.select(sa.func.count())
        .select_from(restore_job.join(instance, instance.c.id == restore_job.c.instance_id))
        .where(instance.c.group_id == group_id, _is_download, _is_unfinished)
    )
    return int(tx.execute(counted).scalar_one())


def _exists(tx: Connection, *conditions: ColumnElement[bool]) -> bool:
    return tx.execute(sa.select(restore_job.c.id).where(*conditions).limit(1)).first() is not None
