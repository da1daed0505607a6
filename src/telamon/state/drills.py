"""Rows of drills, each with its signed report once it has ended."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from telamon.errors import DrillInProgress, DrillNotFound
from telamon.model.drill import Drill, DrillState
from telamon.model.page import Page
from telamon.model.snapshot import SnapshotStatus
from telamon.state import ended_jobs
from telamon.state.drill_tables import drill
from telamon.state.ended_jobs import Counted, Outcome
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import instance, snapshot

_SELECT = sa.select(
    drill.c.id,
    drill.c.instance_id,
    drill.c.snapshot_id,
    drill.c.state,
    drill.c.requested_at,
    drill.c.started_at,
    drill.c.finished_at,
    drill.c.failure,
    instance.c.group_id,
    instance.c.name.label("instance_name"),
).join(instance, instance.c.id == drill.c.instance_id)


def insert(tx: Connection, new: Drill) -> None:
    """Raises DrillInProgress if another one of the instance has not ended."""
    try:
        tx.execute(
            drill.insert().values(
                id=new.id,
                instance_id=new.instance_id,
                snapshot_id=new.snapshot_id,
                state=new.state.value,
                requested_at=to_seconds(new.requested_at),
            )
        )
    except IntegrityError as error:
        raise DrillInProgress(new.instance_name) from error


def by_id(tx: Connection, drill_id: str) -> Drill:
    """Raises DrillNotFound."""
    row = tx.execute(_SELECT.where(drill.c.id == drill_id)).first()
    if row is None:
        raise DrillNotFound(drill_id, "")
    return _drill(row)


def of_instance(tx: Connection, instance_id: str, instance_name: str, drill_id: str) -> Drill:
    """Raises DrillNotFound."""
    row = tx.execute(
        _SELECT.where(drill.c.id == drill_id, drill.c.instance_id == instance_id)
    ).first()
    if row is None:
        raise DrillNotFound(drill_id, instance_name)
    return _drill(row)


def page(tx: Connection, instance_id: str, *, limit: int, offset: int) -> Page[Drill]:
    """A part of an instance's drills, newest first."""
    listed = drill.c.instance_id == instance_id
    rows = tx.execute(
        _SELECT.where(listed)
        .order_by(drill.c.requested_at.desc(), drill.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(sa.select(sa.func.count()).select_from(drill).where(listed)).scalar_one()
    return Page(items=tuple(_drill(row) for row in rows), total=total)


def report(tx: Connection, drill_id: str) -> bytes | None:
    """As it was signed; None of a drill that has not ended."""
    found = tx.execute(sa.select(drill.c.report).where(drill.c.id == drill_id)).scalar_one()
    return None if found is None else str(found).encode()


def start(tx: Connection, drill_id: str, *, at: datetime) -> int:
    """A worker begins, or begins anew; returns how many times one has begun.

    A drill that has ended stays as it is.
    """
    tx.execute(
        _unfinished(drill_id).values(
            state=DrillState.RUNNING.value,
            started_at=to_seconds(at),
            attempts=drill.c.attempts + 1,
        )
    )
    attempts = sa.select(drill.c.attempts).where(drill.c.id == drill_id)
    return int(tx.execute(attempts).scalar_one())


def hand_back(tx: Connection, drill_id: str) -> None:
    """The worker stops, and another one goes on: its begin does not count."""
    tx.execute(
        _unfinished(drill_id).where(drill.c.attempts > 0).values(attempts=drill.c.attempts - 1)
    )


def finish(
    tx: Connection, drill_id: str, *, failure: str | None, report: bytes, at: datetime
) -> None:
    """It ended; ``failure`` is None if it passed. One that has ended stays as it did."""
    state = DrillState.PASSED if failure is None else DrillState.FAILED
    ended = tx.execute(
        _unfinished(drill_id).values(
            state=state.value,
            finished_at=to_seconds(at),
            failure=failure,
            report=report.decode(),
        )
    )
    outcome = Outcome.FINISHED if failure is None else Outcome.FAILED
    ended_jobs.count(tx, Counted.DRILL, outcome, jobs=ended.rowcount)


def is_drilled(tx: Connection, snapshot_id: str) -> bool:
    """Whether a drill of the snapshot has not ended."""
    # All of these, which are few, by their own index.
    unfinished = sa.select(drill.c.snapshot_id).where(drill.c.finished_at.is_(None))
    return snapshot_id in tx.execute(unfinished).scalars().all()


def is_any_unfinished(tx: Connection) -> bool:
    unfinished = sa.select(drill.c.id).where(drill.c.finished_at.is_(None))
    return tx.execute(unfinished.limit(1)).first() is not None


def longest_undrilled(tx: Connection, *, since: datetime) -> str | None:
    """Of the instances with a good snapshot and no drill since then, the id of the one to be next.

    That is one that was never drilled, else the one whose last drill was asked for first.
    """
    last = (
        sa.select(sa.func.max(drill.c.requested_at))
        .where(drill.c.instance_id == instance.c.id)
        .scalar_subquery()
    )
    is_good = (
        (snapshot.c.instance_id == instance.c.id)
        & (snapshot.c.status == SnapshotStatus.COMPLETED.value)
        & snapshot.c.deletion_id.is_(None)
    )
    found = tx.execute(
        sa.select(instance.c.id)
        .where(
            instance.c.deleted_at.is_(None),
            sa.exists().where(is_good).correlate(instance),
            sa.func.coalesce(last, 0) <= to_seconds(since),
        )
        .order_by(sa.func.coalesce(last, 0), instance.c.id)
        .limit(1)
    ).scalar_one_or_none()
    return None if found is None else str(found)


def prune(tx: Connection, before: datetime, *, limit: int) -> int:
    """Forget some of those that were asked for before and have ended. Answers how many went."""
    old = (
        sa.select(drill.c.id)
        .where(drill.c.requested_at <= to_seconds(before), drill.c.finished_at.is_not(None))
        .order_by(drill.c.requested_at)
        .limit(limit)
    )
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(drill.delete().where(drill.c.id.in_(ids)))
    return len(ids)


def _unfinished(drill_id: str) -> sa.Update:
    return drill.update().where(drill.c.id == drill_id, drill.c.finished_at.is_(None))


def _drill(row: Any) -> Drill:
    return Drill(
        id=row.id,
        group_id=row.group_id,
        instance_id=row.instance_id,
        instance_name=row.instance_name,
        snapshot_id=row.snapshot_id,
        state=DrillState(row.state),
        requested_at=from_seconds(row.requested_at),
        started_at=from_seconds(row.started_at),
        finished_at=from_seconds(row.finished_at),
        failure=row.failure,
    )
