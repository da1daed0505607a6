"""Rows of what is captured of oplogs."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.model.instance import InstanceState
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import CaptureFailure, OplogSlice, OplogWindow
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.oplog_tables import oplog_capture, oplog_slice, oplog_window
from telamon.state.tables import instance, worker


def to_capture(tx: Connection, machine: str | None) -> tuple[str, ...]:
    """Ids of the instances that a worker on ``machine`` can reach and whose backup is continuous."""
    rows = tx.execute(
        sa.select(instance.c.id)
        .where(
            instance.c.continuous_backup,
            instance.c.deleted_at.is_(None),
            instance.c.state == InstanceState.IDLE.value,
            instance.c.address.is_not(None),
            instance.c.machine.is_(None) | instance.c.machine.is_not_distinct_from(machine),
        )
        .order_by(instance.c.id)
    )
    return tuple(instance_id for (instance_id,) in rows)


def is_claimed_by(tx: Connection, instance_id: str, worker_id: str) -> bool:
    row = tx.execute(
        sa.select(oplog_capture.c.worker_id).where(oplog_capture.c.instance_id == instance_id)
    ).first()
    return row is not None and row.worker_id == worker_id


def claim(tx: Connection, instance_id: str, worker_id: str) -> bool:
    """Be the one who captures, unless a living worker is.

    Raises sqlalchemy's IntegrityError where another one is faster.
    """
    known = sa.select(oplog_capture.c.instance_id).where(oplog_capture.c.instance_id == instance_id)
    if tx.execute(known).first() is None:
        tx.execute(oplog_capture.insert().values(instance_id=instance_id, worker_id=worker_id))
        return True
    held = oplog_capture.c.worker_id
    is_free = held.is_(None) | (held == worker_id) | held.not_in(sa.select(worker.c.id))
    taken = tx.execute(
        oplog_capture.update()
        .where(oplog_capture.c.instance_id == instance_id, is_free)
        .values(worker_id=worker_id)
    )
    return bool(taken.rowcount)


def set_failure(tx: Connection, instance_id: str, failure: CaptureFailure | None) -> None:
    """How the last pass ended."""
    tx.execute(
        oplog_capture.update()
        .where(oplog_capture.c.instance_id == instance_id)
        .values(failure=failure and failure.reason, failed_at=failure and to_seconds(failure.at))
    )


def find_failure(tx: Connection, instance_id: str) -> CaptureFailure | None:
    row = tx.execute(
        sa.select(oplog_capture).where(oplog_capture.c.instance_id == instance_id)
    ).first()
    if row is None or row.failure is None:
        return None
    return CaptureFailure(reason=row.failure, at=from_seconds(row.failed_at))


def windows(tx: Connection, instance_id: str) -> tuple[OplogWindow, ...]:
    """The oldest first."""
    rows = tx.execute(
        sa.select(oplog_window)
        .where(oplog_window.c.instance_id == instance_id)
        .order_by(oplog_window.c.number)
    )
    return tuple(_window(row) for row in rows)


def newest_windows(tx: Connection) -> tuple[OplogWindow, ...]:
    """Of each instance whose backup is continuous the window that may still grow, if it has any."""
    newest = sa.select(
        oplog_window.c.instance_id, sa.func.max(oplog_window.c.number).label("number")
    ).group_by(oplog_window.c.instance_id)
    found = newest.subquery()
    rows = tx.execute(
        sa.select(oplog_window)
        .join(
            found,
            (found.c.instance_id == oplog_window.c.instance_id)
            & (found.c.number == oplog_window.c.number),
        )
        .join(instance, instance.c.id == oplog_window.c.instance_id)
        .where(instance.c.continuous_backup, instance.c.deleted_at.is_(None))
    )
    return tuple(_window(row) for row in rows)


def insert_window(tx: Connection, new: OplogWindow) -> None:
    """Raises sqlalchemy's IntegrityError if the instance has one of that number."""
    tx.execute(
        oplog_window.insert().values(
            instance_id=new.instance_id,
            number=new.number,
            **_time("start", new.start),
            **_time("stored", new.stored_until),
            **_time("until", new.until),
            digest=new.digest,
            gap=new.gap,
        )
    )


def advance(tx: Connection, before: OplogWindow, after: OplogWindow, worker_id: str) -> bool:
    """Let a window grow; False, and nothing changes, if it did already or is another worker's."""
    if not is_claimed_by(tx, before.instance_id, worker_id):
        return False
    grown = tx.execute(
        oplog_window.update()
        .where(
            _is(before),
            oplog_window.c.until_seconds == before.until.seconds,
            oplog_window.c.until_increment == before.until.increment,
        )
        .values(
            **_time("stored", after.stored_until),
            **_time("until", after.until),
            digest=after.digest,
        )
    )
    return bool(grown.rowcount)


def insert_slice(tx: Connection, window: int, new: OplogSlice, *, stored_bytes: int) -> None:
    tx.execute(
        oplog_slice.insert().values(
            instance_id=new.instance_id,
            window_number=window,
            **_time("after", new.after),
            **_time("first", new.first),
            **_time("last", new.last),
            stored_bytes=stored_bytes,
        )
    )


def slices(tx: Connection, instance_id: str, window: int | None = None) -> tuple[OplogSlice, ...]:
    """Of one window, or of all, the oldest first."""
    columns = oplog_slice.c
    wanted = columns.instance_id == instance_id
    if window is not None:
        wanted &= columns.window_number == window
    rows = tx.execute(
        sa.select(oplog_slice)
        .where(wanted)
        .order_by(columns.window_number, columns.first_seconds, columns.first_increment)
    )
    return tuple(_slice(row) for row in rows)


def delete_slices(tx: Connection, window: OplogWindow, gone: Iterable[OplogSlice]) -> None:
    """The first slices of a window, which from now on begins where they end."""
    columns = oplog_slice.c
    for one in gone:
        tx.execute(
            oplog_slice.delete().where(
                columns.instance_id == one.instance_id,
                columns.window_number == window.number,
                columns.first_seconds == one.first.seconds,
                columns.first_increment == one.first.increment,
            )
        )
        tx.execute(oplog_window.update().where(_is(window)).values(**_time("start", one.last)))


def delete_window(tx: Connection, window: OplogWindow) -> None:
    """One without slices."""
    tx.execute(oplog_window.delete().where(_is(window)))


def owners(tx: Connection) -> tuple[str, ...]:
    """Ids of the instances of which there are windows."""
    rows = tx.execute(
        sa.select(oplog_window.c.instance_id).distinct().order_by(oplog_window.c.instance_id)
    )
    return tuple(instance_id for (instance_id,) in rows)


def stored_bytes(tx: Connection, instance_id: str) -> int:
    """Of all slices of an instance."""
    total = sa.select(sa.func.coalesce(sa.func.sum(oplog_slice.c.stored_bytes), 0))
    return int(tx.execute(total.where(oplog_slice.c.instance_id == instance_id)).scalar_one())


def _is(window: OplogWindow) -> sa.ColumnElement[bool]:
    return (oplog_window.c.instance_id == window.instance_id) & (
        oplog_window.c.number == window.number
    )


def _time(name: str, time: ClusterTime) -> dict[str, int]:
    return {f"{name}_seconds": time.seconds, f"{name}_increment": time.increment}


def _window(row: Any) -> OplogWindow:
    return OplogWindow(
        instance_id=row.instance_id,
        number=row.number,
        start=ClusterTime(seconds=row.start_seconds, increment=row.start_increment),
        stored_until=ClusterTime(seconds=row.stored_seconds, increment=row.stored_increment),
        until=ClusterTime(seconds=row.until_seconds, increment=row.until_increment),
        digest=bytes(row.digest),
        gap=row.gap,
    )


def _slice(row: Any) -> OplogSlice:
    return OplogSlice(
        instance_id=row.instance_id,
        after=ClusterTime(seconds=row.after_seconds, increment=row.after_increment),
        first=ClusterTime(seconds=row.first_seconds, increment=row.first_increment),
        last=ClusterTime(seconds=row.last_seconds, increment=row.last_increment),
    )
