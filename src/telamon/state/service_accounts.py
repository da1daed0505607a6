"""Rows of service accounts, their roles, networks and secrets."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from telamon.model.access import ServiceAccount
from telamon.model.page import Page
from telamon.model.service_account import client_id_of
from telamon.state.grants import Grants
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import (
    organization,
    service_account,
    service_account_access,
    service_account_role,
)

_grants = Grants(service_account_role, service_account_access)
add_roles = _grants.add_roles
remove_roles = _grants.remove_roles
remove_project = _grants.remove_project
add_networks = _grants.add_networks
remove_network = _grants.remove_network
networks = _grants.networks

_WITH_ORGANIZATION = sa.select(service_account, organization.c.requires_access_list).join(
    organization, organization.c.id == service_account.c.org_id
)


def insert(tx: Connection, new: ServiceAccount) -> None:
    """With its roles and networks."""
    tx.execute(
        service_account.insert().values(
            id=new.id,
            org_id=new.org_id,
            name=new.name,
            description=new.description,
            created_at=to_seconds(new.created_at),
        )
    )
    add_roles(tx, new.id, new.roles)
    add_networks(tx, new.id, new.access_list, at=new.created_at)


def find(tx: Connection, account_id: str) -> ServiceAccount | None:
    rows = tx.execute(_WITH_ORGANIZATION.where(service_account.c.id == account_id)).all()
    return _accounts(tx, rows)[0] if rows else None


def page(tx: Connection, org_id: str, *, limit: int, offset: int) -> Page[ServiceAccount]:
    """Those of an organization, oldest first."""
    return _page(tx, service_account.c.org_id == org_id, limit=limit, offset=offset)


def page_of_project(
    tx: Connection, group_id: str, *, limit: int, offset: int
) -> Page[ServiceAccount]:
    """Those that hold a role in the project itself, oldest first."""
    holders = _grants.holders_in(group_id)
    return _page(tx, service_account.c.id.in_(holders), limit=limit, offset=offset)


def set_name(tx: Connection, account_id: str, name: str) -> None:
    tx.execute(service_account.update().where(service_account.c.id == account_id).values(name=name))


def set_description(tx: Connection, account_id: str, description: str) -> None:
    tx.execute(
        service_account.update()
        .where(service_account.c.id == account_id)
        .values(description=description)
    )


def delete(tx: Connection, account_id: str) -> None:
    """Its secrets must be gone by then."""
    _grants.remove_all(tx, account_id)
    tx.execute(service_account.delete().where(service_account.c.id == account_id))


def _page(
    tx: Connection, wanted: ColumnElement[bool], *, limit: int, offset: int
) -> Page[ServiceAccount]:
    rows = tx.execute(
        _WITH_ORGANIZATION.where(wanted)
        .order_by(service_account.c.created_at, service_account.c.id)
        .limit(limit)
        .offset(offset)
    ).all()
    total = tx.execute(
        sa.select(sa.func.count()).select_from(service_account).where(wanted)
    ).scalar_one()
    return Page(items=tuple(_accounts(tx, rows)), total=total)


def _accounts(tx: Connection, rows: Sequence["Row[Any]"]) -> list[ServiceAccount]:
    """With their roles and networks, in two statements."""
    held = _grants.held(tx, [row.id for row in rows])
    return [
        ServiceAccount(
            id=row.id,
            org_id=row.org_id,
            public_key=client_id_of(row.id),
            name=row.name,
            description=row.description,
            created_at=from_seconds(row.created_at),
            roles=held[row.id].roles,
            access_list=held[row.id].networks,
            org_requires_access_list=row.requires_access_list,
        )
        for row in rows
    ]
