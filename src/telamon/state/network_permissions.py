"""Rows of projects' access lists."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from telamon.model.network import NetworkPermission
from telamon.model.page import Page
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import network_permission


def put(tx: Connection, group_id: str, entries: Sequence[NetworkPermission]) -> None:
    """Entries that are there already are replaced."""
    for new in entries:
        delete(tx, group_id, new.entry)
        tx.execute(
            network_permission.insert().values(
                group_id=group_id,
                entry=new.entry,
                comment=new.comment,
                created_at=to_seconds(new.created_at),
                expires_at=None if new.expires_at is None else to_seconds(new.expires_at),
            )
        )


def find(tx: Connection, group_id: str, entry: str, *, now: datetime) -> NetworkPermission | None:
    """Unless it has expired."""
    row = tx.execute(
        sa.select(network_permission).where(_of(group_id, now), network_permission.c.entry == entry)
    ).first()
    return None if row is None else _permission(row)


def page(
    tx: Connection, group_id: str, *, now: datetime, limit: int, offset: int
) -> Page[NetworkPermission]:
    """A project's list without what has expired, oldest entries first."""
    of_group = _of(group_id, now)
    rows = tx.execute(
        sa.select(network_permission)
        .where(of_group)
        .order_by(network_permission.c.created_at, network_permission.c.entry)
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(
        sa.select(sa.func.count()).select_from(network_permission).where(of_group)
    ).scalar_one()
    return Page(items=tuple(_permission(row) for row in rows), total=total)


def delete(tx: Connection, group_id: str, entry: str) -> None:
    tx.execute(
        network_permission.delete().where(
            network_permission.c.group_id == group_id, network_permission.c.entry == entry
        )
    )


def delete_all(tx: Connection, group_id: str) -> None:
    """Whatever the project has."""
    tx.execute(network_permission.delete().where(network_permission.c.group_id == group_id))


def delete_expired(tx: Connection, *, now: datetime) -> None:
    """Of every project."""
    tx.execute(
        network_permission.delete().where(network_permission.c.expires_at <= to_seconds(now))
    )


def _of(group_id: str, now: datetime) -> ColumnElement[bool]:
    expires_at = network_permission.c.expires_at
    return (network_permission.c.group_id == group_id) & (
        expires_at.is_(None) | (expires_at > to_seconds(now))
    )


def _permission(row: "Row[Any]") -> NetworkPermission:
    return NetworkPermission(
        entry=row.entry,
        comment=row.comment,
        created_at=from_seconds(row.created_at),
        expires_at=from_seconds(row.expires_at),
    )
