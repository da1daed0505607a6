"""Rows of service accounts, their roles, networks and secrets."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import AddressAlreadyListed
from telamon.model.access import AccessListEntry, Role, RoleAssignment, ServiceAccount
from telamon.model.page import Page
from telamon.model.service_account import client_id_of
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import (
    organization,
    service_account,
    service_account_access,
    service_account_role,
)

_WHOLE_ORGANIZATION = ""
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
    holders = sa.select(service_account_role.c.service_account_id).where(
        service_account_role.c.group_id == group_id
    )
    return _page(tx, service_account.c.id.in_(holders), limit=limit, offset=offset)


def set_name(tx: Connection, account_id: str, name: str) -> None:
    tx.execute(service_account.update().where(service_account.c.id == account_id).values(name=name))


def set_description(tx: Connection, account_id: str, description: str) -> None:
    tx.execute(
        service_account.update()
        .where(service_account.c.id == account_id)
        .values(description=description)
    )


def add_roles(tx: Connection, account_id: str, roles: Iterable[RoleAssignment]) -> None:
    for held in roles:
        tx.execute(
            service_account_role.insert().values(
                service_account_id=account_id,
                role=held.role.value,
                group_id=held.group_id or _WHOLE_ORGANIZATION,
            )
        )


def remove_roles(tx: Connection, account_id: str, *, group_id: str | None) -> None:
    """Those that it holds in the project, or in the whole organization."""
    tx.execute(
        service_account_role.delete().where(
            service_account_role.c.service_account_id == account_id,
            service_account_role.c.group_id == (group_id or _WHOLE_ORGANIZATION),
        )
    )


def remove_project(tx: Connection, group_id: str) -> None:
    """No service account holds a role in it any more."""
    tx.execute(service_account_role.delete().where(service_account_role.c.group_id == group_id))


def delete(tx: Connection, account_id: str) -> None:
    """Its secrets must be gone by then."""
    for table in (service_account_access, service_account_role):
        tx.execute(table.delete().where(table.c.service_account_id == account_id))
    tx.execute(service_account.delete().where(service_account.c.id == account_id))


def add_networks(tx: Connection, account_id: str, networks: Iterable[str], *, at: datetime) -> None:
    """Raises AddressAlreadyListed."""
    for cidr_block in networks:
        try:
            tx.execute(
                service_account_access.insert().values(
                    service_account_id=account_id, cidr_block=cidr_block, created_at=to_seconds(at)
                )
            )
        except IntegrityError as error:
            raise AddressAlreadyListed(cidr_block) from error


def remove_network(tx: Connection, account_id: str, cidr_block: str) -> None:
    tx.execute(
        service_account_access.delete().where(
            service_account_access.c.service_account_id == account_id,
            service_account_access.c.cidr_block == cidr_block,
        )
    )


def networks(tx: Connection, account_id: str, *, limit: int, offset: int) -> Page[AccessListEntry]:
    """Its access list, oldest entries first."""
    of_account = service_account_access.c.service_account_id == account_id
    rows = tx.execute(
        sa.select(service_account_access)
        .where(of_account)
        .order_by(service_account_access.c.created_at, service_account_access.c.cidr_block)
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(
        sa.select(sa.func.count()).select_from(service_account_access).where(of_account)
    ).scalar_one()
    entries = (
        AccessListEntry(cidr_block=row.cidr_block, created_at=from_seconds(row.created_at))
        for row in rows
    )
    return Page(items=tuple(entries), total=total)


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


def _accounts(tx: Connection, rows: "Sequence[Row[Any]]") -> list[ServiceAccount]:
    """With their roles and networks, in two statements."""
    ids = [row.id for row in rows]
    roles: defaultdict[str, list[RoleAssignment]] = defaultdict(list)
    for found in tx.execute(
        sa.select(service_account_role)
        .where(service_account_role.c.service_account_id.in_(ids))
        .order_by(service_account_role.c.role, service_account_role.c.group_id)
    ):
        held = RoleAssignment(role=Role(found.role), group_id=found.group_id or None)
        roles[found.service_account_id].append(held)
    listed: defaultdict[str, list[str]] = defaultdict(list)
    for found in tx.execute(
        sa.select(service_account_access)
        .where(service_account_access.c.service_account_id.in_(ids))
        .order_by(service_account_access.c.cidr_block)
    ):
        listed[found.service_account_id].append(found.cidr_block)
    return [
        ServiceAccount(
            id=row.id,
            org_id=row.org_id,
            public_key=client_id_of(row.id),
            name=row.name,
            description=row.description,
            created_at=from_seconds(row.created_at),
            roles=tuple(roles[row.id]),
            access_list=tuple(listed[row.id]),
            org_requires_access_list=row.requires_access_list,
        )
        for row in rows
    ]
