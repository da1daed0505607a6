"""Rows of organizations: found, changed, closed. ``state.access`` inserts them."""

from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.model.access import Organization, OrganizationSettings
from telamon.state.moments import from_seconds
from telamon.state.tables import organization


def find(tx: Connection, org_id: str) -> Organization | None:
    """Unless it is closed."""
    row = tx.execute(
        sa.select(organization).where(organization.c.id == org_id, ~organization.c.is_closed)
    ).first()
    return None if row is None else of_row(row)


def set_name(tx: Connection, org_id: str, name: str) -> None:
    tx.execute(organization.update().where(organization.c.id == org_id).values(name=name))


def set_skips_default_alerts(tx: Connection, org_id: str, *, skips: bool) -> None:
    tx.execute(
        organization.update().where(organization.c.id == org_id).values(skips_default_alerts=skips)
    )


def set_settings(
    tx: Connection, org_id: str, settings: OrganizationSettings, *, requires_access_list: bool
) -> None:
    """All of them; only those that differ from the default are kept."""
    usual = asdict(OrganizationSettings())
    unusual = {name: value for name, value in asdict(settings).items() if value != usual[name]}
    tx.execute(
        organization.update()
        .where(organization.c.id == org_id)
        .values(settings=unusual, requires_access_list=requires_access_list)
    )


def close(tx: Connection, org_id: str) -> None:
    tx.execute(organization.update().where(organization.c.id == org_id).values(is_closed=True))


def of_row(row: "Row[tuple[object, ...]]") -> Organization:
    """From all columns of the table."""
    return Organization(
        id=row.id,
        name=row.name,
        created_at=from_seconds(row.created_at),
        requires_access_list=row.requires_access_list,
        skips_default_alerts=row.skips_default_alerts,
        is_closed=row.is_closed,
        settings=OrganizationSettings(**row.settings),
    )
