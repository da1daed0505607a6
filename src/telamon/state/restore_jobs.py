"""Rows of restore jobs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import RestoreInProgress, RestoreJobNotFound
from telamon.model.manifest import Namespace
from telamon.model.page import Page
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.state import ended_jobs, instances, restore_options, restore_points
from telamon.state.ended_jobs import Counted, Outcome
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import instance, restore_job

# With what ``restore_job_of`` reads.
SELECT = sa.select(restore_job, instance.c.group_id).join(
    instance, instance.c.id == restore_job.c.instance_id
)

Listing = Callable[[Connection, ColumnElement[bool], ColumnElement[Any]], tuple[RestoreJob, ...]]
"""Reads the jobs that a condition tells, in an order."""


def insert(tx: Connection, new: RestoreJob) -> None:
    """Raises RestoreInProgress if another job for the target has not ended."""
    try:
        tx.execute(
            restore_job.insert().values(
                id=new.id,
                instance_id=new.instance_id,
                sequence=new.sequence,
                delivery_type=new.delivery_type.value,
                snapshot_id=new.snapshot_id,
                snapshot_taken_at=to_seconds(new.snapshot_taken_at),
                snapshot_finished_at=_seconds(new.snapshot_finished_at),
                target_group_id=new.target_group_id,
                target_instance_id=new.target_instance_id,
                target_cluster_name=new.target_cluster_name,
                target_deployment_item_name=new.target_deployment_item_name,
                created_at=to_seconds(new.created_at),
                expires_at=to_seconds(new.expires_at),
                stage=new.stage.value,
                documents_total=new.documents_total,
                size_bytes_total=new.size_bytes_total,
                namespaces_total=new.namespaces_total,
                **restore_points.to_columns(new.point_in_time),
                options=restore_options.to_json(new.options),
            )
        )
    except IntegrityError as error:
        raise RestoreInProgress from error


def by_id(tx: Connection, restore_job_id: str) -> RestoreJob:
    """Raises RestoreJobNotFound."""
    row = tx.execute(SELECT.where(restore_job.c.id == restore_job_id)).first()
    if row is None:
        raise RestoreJobNotFound(restore_job_id, "")
    return restore_job_of(row)


def of_instance(
    tx: Connection, instance_id: str, instance_name: str, restore_job_id: str
) -> RestoreJob:
    """One of the jobs that restore an instance's snapshots. Raises RestoreJobNotFound."""
    row = tx.execute(
        SELECT.where(restore_job.c.id == restore_job_id, restore_job.c.instance_id == instance_id)
    ).first()
    if row is None:
        raise RestoreJobNotFound(restore_job_id, instance_name)
    return restore_job_of(row)


def listed(
    tx: Connection, where: ColumnElement[bool], order: ColumnElement[Any]
) -> tuple[RestoreJob, ...]:
    """The jobs whose rows are ``where``, by ``order``."""
    return tuple(restore_job_of(row) for row in tx.execute(SELECT.where(where).order_by(order)))


def page(
    tx: Connection, instance_id: str, *, limit: int, offset: int, read: Listing = listed
) -> Page[RestoreJob]:
    """A part of an instance's restore jobs, newest first.

    Their numbers have no gaps, so that a page is a range of them at any depth and their total is
    a difference.
    """
    first, last = instances.restore_job_bounds(tx, instance_id)
    newest = last - offset
    oldest = max(first, newest - limit + 1)
    total = last - first + 1
    if newest < first:
        return Page(items=(), total=total)
    of_page = sa.and_(
        restore_job.c.instance_id == instance_id, restore_job.c.sequence.between(oldest, newest)
    )
    return Page(items=read(tx, of_page, restore_job.c.sequence.desc()), total=total)


def start(tx: Connection, restore_job_id: str) -> int:
    """A worker begins, or begins anew; returns how many times one has begun.

    A job that has ended stays as it is. One that has begun to swap is swapping also when it begins
    anew: what it says of the target stays true.
    """
    swapping = RestoreStage.SWAPPING.value
    tx.execute(
        _unfinished(restore_job_id).values(
            stage=sa.case(
                (restore_job.c.stage == swapping, swapping), else_=RestoreStage.LOADING.value
            ),
            documents=0,
            size_bytes=0,
            namespaces=0,
            attempts=restore_job.c.attempts + 1,
        )
    )
    attempts = sa.select(restore_job.c.attempts).where(restore_job.c.id == restore_job_id)
    return int(tx.execute(attempts).scalar_one())


def note_kept(tx: Connection, restore_job_id: str, kept: int) -> int:
    """How much the attempt found done; returns how many attempts had no more than the one before.

    ``kept`` counts anything that grows with what has been done.
    """
    grown = (restore_job.c.id == restore_job_id) & (restore_job.c.kept < kept)
    tx.execute(restore_job.update().where(grown).values(kept=kept, attempts=1))
    attempts = sa.select(restore_job.c.attempts).where(restore_job.c.id == restore_job_id)
    return int(tx.execute(attempts).scalar_one())


def hand_back(tx: Connection, restore_job_id: str) -> None:
    """The worker stops, and another one goes on: its begin does not count."""
    tx.execute(
        _unfinished(restore_job_id)
        .where(restore_job.c.stage == RestoreStage.LOADING.value, restore_job.c.attempts > 0)
        .values(attempts=restore_job.c.attempts - 1)
    )


def set_progress(
    tx: Connection, restore_job_id: str, *, documents: int, size_bytes: int, namespaces: int
) -> bool:
    """How much has been restored so far; answers False of a job that has ended."""
    noted = tx.execute(
        _unfinished(restore_job_id).values(
            documents=documents, size_bytes=size_bytes, namespaces=namespaces
        )
    )
    return bool(noted.rowcount)


def set_swapping(tx: Connection, restore_job_id: str) -> bool:
    """From here on it cannot be cancelled. Answers False, and does nothing, if it has been."""
    begun = tx.execute(
        _unfinished(restore_job_id)
        .where(restore_job.c.cancel_requested_at.is_(None))
        .values(stage=RestoreStage.SWAPPING.value)
    )
    return bool(begun.rowcount)


def set_documents_total(tx: Connection, restore_job_id: str, documents: int) -> None:
    """A filter has shown how many there are to restore."""
    tx.execute(_unfinished(restore_job_id).values(documents_total=documents))


def set_moved(
    tx: Connection, restore_job_id: str, moved: tuple[tuple[Namespace, Namespace], ...]
) -> None:
    """Names that the target had, and so others were taken."""
    options = replace(by_id(tx, restore_job_id).options, moved=moved)
    tx.execute(_unfinished(restore_job_id).values(options=restore_options.to_json(options)))


def finish(tx: Connection, restore_job_id: str, *, at: datetime) -> None:
    """The target holds the snapshot."""
    finished = tx.execute(
        _unfinished(restore_job_id).values(
            stage=RestoreStage.FINISHED.value,
            finished_at=to_seconds(at),
            documents=restore_job.c.documents_total,
            size_bytes=restore_job.c.size_bytes_total,
            namespaces=restore_job.c.namespaces_total,
        )
    )
    ended_jobs.count(tx, Counted.RESTORE, Outcome.FINISHED, jobs=finished.rowcount)


def fail(tx: Connection, restore_job_id: str, *, failure: str, at: datetime) -> None:
    """It ended without. A finished job stays finished."""
    failed = tx.execute(
        _unfinished(restore_job_id).values(
            stage=RestoreStage.FAILED.value, finished_at=to_seconds(at), failure=failure
        )
    )
    ended_jobs.count(tx, Counted.RESTORE, Outcome.FAILED, jobs=failed.rowcount)


def cancel(tx: Connection, restore_job_id: str, *, failure: str, at: datetime) -> bool:
    """End a job that no worker has begun; answers False, and does nothing, if one has."""
    cancelled = tx.execute(
        _unfinished(restore_job_id)
        .where(restore_job.c.stage == RestoreStage.QUEUED.value)
        .values(
            stage=RestoreStage.FAILED.value,
            cancelled=True,
            finished_at=to_seconds(at),
            failure=failure,
        )
    )
    ended_jobs.count(tx, Counted.RESTORE, Outcome.CANCELLED, jobs=cancelled.rowcount)
    return bool(cancelled.rowcount)


def request_cancel(tx: Connection, restore_job_id: str, *, at: datetime) -> bool:
    """Ask the worker to end a job; answers False, and does nothing, where it is not loading.

    From then on ``set_swapping`` refuses: of the two, one comes first in this row.
    """
    asked = tx.execute(
        _unfinished(restore_job_id)
        .where(restore_job.c.stage == RestoreStage.LOADING.value)
        .values(
            cancel_requested_at=sa.func.coalesce(restore_job.c.cancel_requested_at, to_seconds(at))
        )
    )
    return bool(asked.rowcount)


def is_cancel_requested(tx: Connection, restore_job_id: str) -> bool:
    """Whether its worker is to end it, or somebody has."""
    row = tx.execute(
        sa.select(restore_job.c.cancel_requested_at, restore_job.c.finished_at).where(
            restore_job.c.id == restore_job_id
        )
    ).one()
    return row.cancel_requested_at is not None or row.finished_at is not None


def end_cancelled(tx: Connection, restore_job_id: str, *, failure: str, at: datetime) -> None:
    """Its worker has ended what ``request_cancel`` asked for."""
    ended = tx.execute(
        _unfinished(restore_job_id)
        .where(restore_job.c.cancel_requested_at.is_not(None))
        .values(
            stage=RestoreStage.FAILED.value,
            cancelled=True,
            finished_at=to_seconds(at),
            failure=failure,
        )
    )
    ended_jobs.count(tx, Counted.RESTORE, Outcome.CANCELLED, jobs=ended.rowcount)


def is_restored(tx: Connection, snapshot_id: str) -> bool:
    """Whether a job that has not ended restores the snapshot."""
    unfinished = sa.select(restore_job.c.id).where(
        restore_job.c.snapshot_id == snapshot_id, restore_job.c.finished_at.is_(None)
    )
    return tx.execute(unfinished.limit(1)).first() is not None


def is_in_use(tx: Connection, snapshot_id: str, *, at: datetime) -> bool:
    """Whether a job that has not ended restores the snapshot, or a download of it is offered."""
    is_offered = (
        (restore_job.c.delivery_type == DeliveryType.DOWNLOAD.value)
        & (restore_job.c.stage == RestoreStage.FINISHED.value)
        & (restore_job.c.expires_at > to_seconds(at))
    )
    users = sa.select(restore_job.c.id).where(
        restore_job.c.snapshot_id == snapshot_id,
        restore_job.c.finished_at.is_(None) | is_offered,
    )
    return tx.execute(users.limit(1)).first() is not None


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else to_seconds(moment)


def _unfinished(restore_job_id: str) -> sa.Update:
    return restore_job.update().where(
        restore_job.c.id == restore_job_id, restore_job.c.finished_at.is_(None)
    )


def restore_job_of(row: "Row[tuple[object, ...]]") -> RestoreJob:
    return RestoreJob(
        id=row.id,
        group_id=row.group_id,
        instance_id=row.instance_id,
        sequence=row.sequence,
        delivery_type=DeliveryType(row.delivery_type),
        snapshot_id=row.snapshot_id,
        snapshot_taken_at=from_seconds(row.snapshot_taken_at),
        target_group_id=row.target_group_id,
        target_instance_id=row.target_instance_id,
        target_cluster_name=row.target_cluster_name,
        target_deployment_item_name=row.target_deployment_item_name,
        created_at=from_seconds(row.created_at),
        expires_at=from_seconds(row.expires_at),
        finished_at=from_seconds(row.finished_at),
        stage=RestoreStage(row.stage),
        cancelled=row.cancelled,
        failure=row.failure,
        documents=row.documents,
        documents_total=row.documents_total,
        size_bytes=row.size_bytes,
        size_bytes_total=row.size_bytes_total,
        namespaces=row.namespaces,
        namespaces_total=row.namespaces_total,
        snapshot_finished_at=from_seconds(row.snapshot_finished_at),
        point_in_time=restore_points.from_row(row),
        options=restore_options.from_json(row.options),
        cancel_requested_at=from_seconds(row.cancel_requested_at),
    )
