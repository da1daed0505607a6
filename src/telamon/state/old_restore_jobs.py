"""Rows of restore jobs that are to be forgotten."""

import itertools
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.state import instances
from telamon.state.moments import to_seconds
from telamon.state.tables import instance, restore_job


def owners_of_old(tx: Connection, made_before: datetime) -> tuple[str, ...]:
    """Ids of the instances whose first restore job was made before, and has ended."""
    rows = tx.execute(
        sa.select(instance.c.id)
        .join(
            restore_job,
            (restore_job.c.instance_id == instance.c.id)
            & (restore_job.c.sequence == instance.c.first_restore_job),
        )
        .where(
            restore_job.c.finished_at.is_not(None),
            restore_job.c.created_at <= to_seconds(made_before),
        )
        .order_by(instance.c.id)
    )
    return tuple(instance_id for (instance_id,) in rows)


def prune(tx: Connection, instance_id: str, made_before: datetime, *, limit: int) -> int:
    """Forget the first of the instance's restore jobs, up to one that is to be kept, so many at most.

    Kept is one that was made later, or has not ended. Answers how many went.
    """
    first, _last = instances.restore_job_bounds(tx, instance_id)
    oldest = tx.execute(
        sa.select(restore_job.c.finished_at, restore_job.c.created_at)
        .where(
            restore_job.c.instance_id == instance_id,
            restore_job.c.sequence.between(first, first + limit - 1),
        )
        .order_by(restore_job.c.sequence)
    )
    before = to_seconds(made_before)
    over = (row.finished_at is not None and row.created_at <= before for row in oldest)
    count = sum(1 for _ in itertools.takewhile(bool, over))
    if count:
        tx.execute(
            restore_job.delete().where(
                restore_job.c.instance_id == instance_id,
                restore_job.c.sequence.between(first, first + count - 1),
            )
        )
        instances.set_first_restore_job(tx, instance_id, first + count)
    return count
