"""Rows of what schedules asked for: one an instance and due moment, whoever notes it."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.model.instance import InstanceKind
from telamon.model.schedule import BackupSchedule, first_schedule
from telamon.model.snapshot import SnapshotStatus
from telamon.state import backup_schedules
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import backup_schedule, instance, schedule_run, snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """An instance's schedule. What has become due after ``since`` is still to be done."""

    instance_id: str
    group_id: str
    instance_name: str
    schedule: BackupSchedule
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRun:
    """``skipped`` is the reason why there is no snapshot; None where there is one."""

    instance_id: str
    due_at: datetime
    noted_at: datetime
    snapshot_id: str | None
    skipped: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """An instance's last run, whose snapshot failed, the last one if there were several."""

    instance_id: str
    due_at: datetime
    snapshot_id: str
    failed_at: datetime
    tries: int


def scheduled(
    tx: Connection, now: datetime, *, instance_id: str | None = None
) -> tuple[Scheduled, ...]:
    """Every instance that has not been deleted, or the one that is named."""
    # A moment that a clock once showed too early does not stand in the way of those before it.
    last_due = (
        sa.select(sa.func.max(schedule_run.c.due_at))
        .where(
            schedule_run.c.instance_id == instance.c.id,
            schedule_run.c.due_at <= to_seconds(now),
        )
        .scalar_subquery()
    )
    query = (
        sa.select(
            instance.c.id,
            instance.c.group_id,
            instance.c.name,
            instance.c.kind,
            instance.c.created_at,
            backup_schedule,
            last_due.label("last_due"),
        )
        .outerjoin(backup_schedule, backup_schedule.c.instance_id == instance.c.id)
        .where(instance.c.deleted_at.is_(None))
        .order_by(instance.c.id)
    )
    if instance_id is not None:
        query = query.where(instance.c.id == instance_id)
    return tuple(_scheduled(row) for row in tx.execute(query))


def note(
    tx: Connection,
    instance_id: str,
    due_at: datetime,
    *,
    noted_at: datetime,
    snapshot_id: str | None,
    skipped: str | None,
) -> None:
    """The run has been made, or is not going to be. Raises sqlalchemy's IntegrityError if it has."""
    tx.execute(
        schedule_run.insert().values(
            instance_id=instance_id,
            due_at=to_seconds(due_at),
            noted_at=to_seconds(noted_at),
            snapshot_id=snapshot_id,
            skipped=skipped,
        )
    )


def failed(tx: Connection, *, tries: int) -> tuple[FailedRun, ...]:
    """Of instances that have not been deleted; those that were tried at most so many times."""
    last = schedule_run.alias("last")
    last_due = (
        sa.select(sa.func.max(last.c.due_at))
        .where(last.c.instance_id == instance.c.id)
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(schedule_run, snapshot.c.finished_at)
        .select_from(instance)
        .join(
            schedule_run,
            (schedule_run.c.instance_id == instance.c.id) & (schedule_run.c.due_at == last_due),
        )
        .join(snapshot, snapshot.c.id == schedule_run.c.snapshot_id)
        .where(
            instance.c.deleted_at.is_(None),
            schedule_run.c.tries <= tries,
            snapshot.c.status == SnapshotStatus.FAILED.value,
        )
        .order_by(instance.c.id)
    )
    return tuple(
        FailedRun(
            instance_id=row.instance_id,
            due_at=from_seconds(row.due_at),
            snapshot_id=row.snapshot_id,
            failed_at=from_seconds(row.finished_at),
            tries=row.tries,
        )
        for row in rows
    )


def try_again(tx: Connection, run: FailedRun, *, snapshot_id: str) -> bool:
    """The run has another snapshot now; False, and nothing is done, if it had one more already."""
    changed = tx.execute(
        schedule_run.update()
        .where(
            schedule_run.c.instance_id == run.instance_id,
            schedule_run.c.due_at == to_seconds(run.due_at),
            schedule_run.c.tries == run.tries,
        )
        .values(snapshot_id=snapshot_id, tries=run.tries + 1)
    )
    return bool(changed.rowcount)


def of_instance(tx: Connection, instance_id: str) -> tuple[ScheduleRun, ...]:
    """The oldest first."""
    rows = tx.execute(
        sa.select(schedule_run)
        .where(schedule_run.c.instance_id == instance_id)
        .order_by(schedule_run.c.due_at)
    )
    return tuple(
        ScheduleRun(
            instance_id=row.instance_id,
            due_at=from_seconds(row.due_at),
            noted_at=from_seconds(row.noted_at),
            snapshot_id=row.snapshot_id,
            skipped=row.skipped,
        )
        for row in rows
    )


def prune(tx: Connection, before: datetime, *, limit: int) -> int:
    """Forget some of the runs from before; an instance's last one stays. Answers how many went."""
    later = schedule_run.alias("later")
    old = (
        sa.select(schedule_run.c.instance_id, schedule_run.c.due_at)
        .where(
            schedule_run.c.due_at < to_seconds(before),
            sa.exists().where(
                later.c.instance_id == schedule_run.c.instance_id,
                later.c.due_at > schedule_run.c.due_at,
            ),
        )
        .order_by(schedule_run.c.due_at)
        .limit(limit)
    )
    keys = [(row.instance_id, row.due_at) for row in tx.execute(old)]
    if keys:
        key = sa.tuple_(schedule_run.c.instance_id, schedule_run.c.due_at)
        tx.execute(schedule_run.delete().where(key.in_(keys)))
    return len(keys)


def _scheduled(row: "Row[tuple[object, ...]]") -> Scheduled:
    created_at = from_seconds(row.created_at)
    schedule = (
        first_schedule(row.id, InstanceKind(row.kind), policy_id="", since=created_at)
        if row.instance_id is None or row.kind != InstanceKind.DEDICATED.value
        else backup_schedules.from_row(row)
    )
    since = max(created_at, schedule.changed_at)
    if row.last_due is not None:
        since = max(since, from_seconds(row.last_due))
    return Scheduled(
        instance_id=row.id,
        group_id=row.group_id,
        instance_name=row.name,
        schedule=schedule,
        since=since,
    )
