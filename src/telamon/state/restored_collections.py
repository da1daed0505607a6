"""Rows of what restores of a part of a moment consist of."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.model.contents import SnapshotCollection
from telamon.state.restore_tables import restored_collection as table
from telamon.state.snapshot_collections import from_row, to_columns


def put(tx: Connection, restore_job_id: str, contents: Sequence[SnapshotCollection]) -> None:
    """In place of what was there of the job, if anything was."""
    tx.execute(table.delete().where(table.c.restore_job_id == restore_job_id))
    if contents:
        rows = [{"restore_job_id": restore_job_id, **to_columns(each)} for each in contents]
        tx.execute(table.insert(), rows)


def whole(tx: Connection, restore_job_id: str) -> tuple[SnapshotCollection, ...]:
    """By namespace."""
    rows = tx.execute(
        sa.select(table)
        .where(table.c.restore_job_id == restore_job_id)
        .order_by(table.c.database, table.c.name)
    )
    return tuple(from_row(row) for row in rows)
