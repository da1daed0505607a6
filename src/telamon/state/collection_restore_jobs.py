"""Restore jobs that Atlas keeps apart: those of a part of a dedicated cluster's snapshot.

They are rows like all restore jobs, but numbered from -1 downwards, so that the numbers of neither
list have gaps: the newest has the smallest number, and the oldest, which is pruned first, the
greatest.
"""

import itertools
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, ScalarSelect

from telamon.model.page import Page
from telamon.model.restore_job import RestoreJob
from telamon.state import instances
from telamon.state.moments import to_seconds
from telamon.state.restore_jobs import listed
from telamon.state.tables import instance, restore_job

_ARE_PARTS = restore_job.c.sequence < 0


def next_number(tx: Connection, instance_id: str) -> int:
    """The number of the next one. Until the end of the transaction nobody else gets one."""
    instances.hold(tx, instance_id)
    newest, _oldest = _bounds(tx, instance_id)
    return newest - 1


def page(tx: Connection, instance_id: str, *, limit: int, offset: int) -> Page[RestoreJob]:
    """A part of an instance's jobs of this kind, newest first, at the same cost at any depth."""
    newest, oldest = _bounds(tx, instance_id)
    first = newest + offset
    of_page = sa.and_(
        restore_job.c.instance_id == instance_id,
        _ARE_PARTS,
        restore_job.c.sequence.between(first, first + limit - 1),
    )
    total = oldest - newest + 1 if newest else 0
    return Page(items=listed(tx, of_page, restore_job.c.sequence), total=total)


def owners_of_old(tx: Connection, made_before: datetime) -> tuple[str, ...]:
    """Ids of the instances whose oldest job of this kind was made before, and has ended."""
    rows = tx.execute(
        sa.select(instance.c.id)
        .select_from(instance)
        .join(
            restore_job,
            (restore_job.c.instance_id == instance.c.id)
            & (restore_job.c.sequence == _oldest_of(instance.c.id)),
        )
        .where(
            restore_job.c.finished_at.is_not(None),
            restore_job.c.created_at <= to_seconds(made_before),
        )
        .order_by(instance.c.id)
    )
    return tuple(instance_id for (instance_id,) in rows)


def prune(tx: Connection, instance_id: str, made_before: datetime, *, limit: int) -> int:
    """Forget the oldest, up to one that is to be kept, so many at most. Answers how many went.

    Kept is one that was made later, or has not ended.
    """
    oldest_first = tx.execute(
        sa.select(restore_job.c.id, restore_job.c.finished_at, restore_job.c.created_at)
        .where(restore_job.c.instance_id == instance_id, _ARE_PARTS)
        .order_by(restore_job.c.sequence.desc())
        .limit(limit)
    )
    before = to_seconds(made_before)
    over = itertools.takewhile(
        lambda row: row.finished_at is not None and row.created_at <= before, oldest_first
    )
    ids = [row.id for row in over]
    if ids:
        tx.execute(restore_job.delete().where(restore_job.c.id.in_(ids)))
    return len(ids)


def _bounds(tx: Connection, instance_id: str) -> tuple[int, int]:
    """The numbers of the newest and the oldest; two zeros where there is none."""
    newest, oldest = tx.execute(
        sa.select(
            sa.select(sa.func.min(restore_job.c.sequence))
            .where(restore_job.c.instance_id == instance_id, _ARE_PARTS)
            .scalar_subquery(),
            _oldest_of(instance_id),
        )
    ).one()
    return newest or 0, oldest or 0


def _oldest_of(instance_id: "str | sa.Column[str]") -> "ScalarSelect[int]":
    other = restore_job.alias()
    return (
        sa.select(sa.func.max(other.c.sequence))
        .where(other.c.instance_id == instance_id, other.c.sequence < 0)
        .correlate(instance)
        .scalar_subquery()
    )
