"""Rows of API keys: listed, changed, deleted. ``state.access`` inserts and finds them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import AddressAlreadyListed
from telamon.model.access import AccessListEntry, ApiKey, ListedKey, Role, RoleAssignment
from telamon.model.page import Page
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import api_key, api_key_access, api_key_role, organization

WHOLE_ORGANIZATION = ""

_WITH_ORGANIZATION = sa.select(api_key, organization.c.requires_access_list).join(
    organization, organization.c.id == api_key.c.org_id
)


def find(tx: Connection, org_id: str, api_key_id: str) -> ListedKey | None:
    """The key of that id, if it is the organization's."""
    found = tx.execute(
        _WITH_ORGANIZATION.where(api_key.c.id == api_key_id, api_key.c.org_id == org_id)
    ).all()
    return _listed(tx, found)[0] if found else None


def page(tx: Connection, org_id: str, *, limit: int, offset: int) -> Page[ListedKey]:
    """Keys of an organization, oldest first."""
    return _page(tx, api_key.c.org_id == org_id, limit=limit, offset=offset)


def page_of_project(tx: Connection, group_id: str, *, limit: int, offset: int) -> Page[ListedKey]:
    """Keys that hold a role in the project itself, oldest first."""
    holders = sa.select(api_key_role.c.api_key_id).where(api_key_role.c.group_id == group_id)
    return _page(tx, api_key.c.id.in_(holders), limit=limit, offset=offset)


def set_description(tx: Connection, api_key_id: str, description: str) -> None:
    tx.execute(api_key.update().where(api_key.c.id == api_key_id).values(description=description))


def add_roles(tx: Connection, api_key_id: str, roles: Iterable[RoleAssignment]) -> None:
    for held in roles:
        tx.execute(
            api_key_role.insert().values(
                api_key_id=api_key_id,
                role=held.role.value,
                group_id=held.group_id or WHOLE_ORGANIZATION,
            )
        )


def remove_roles(tx: Connection, api_key_id: str, *, group_id: str | None) -> None:
    """Those that it holds in the project, or in the whole organization."""
    tx.execute(
        api_key_role.delete().where(
            api_key_role.c.api_key_id == api_key_id,
            api_key_role.c.group_id == (group_id or WHOLE_ORGANIZATION),
        )
    )


def remove_project(tx: Connection, group_id: str) -> None:
    """No key holds a role in it any more."""
    tx.execute(api_key_role.delete().where(api_key_role.c.group_id == group_id))


def delete(tx: Connection, api_key_id: str) -> None:
    tx.execute(api_key_access.delete().where(api_key_access.c.api_key_id == api_key_id))
    tx.execute(api_key_role.delete().where(api_key_role.c.api_key_id == api_key_id))
    tx.execute(api_key.delete().where(api_key.c.id == api_key_id))


def add_networks(tx: Connection, api_key_id: str, networks: Iterable[str], *, at: datetime) -> None:
    """Raises AddressAlreadyListed."""
    for cidr_block in networks:
        try:
            tx.execute(
                api_key_access.insert().values(
                    api_key_id=api_key_id, cidr_block=cidr_block, created_at=to_seconds(at)
                )
            )
        except IntegrityError as error:
            raise AddressAlreadyListed(cidr_block) from error


def remove_network(tx: Connection, api_key_id: str, cidr_block: str) -> None:
    tx.execute(
        api_key_access.delete().where(
            api_key_access.c.api_key_id == api_key_id, api_key_access.c.cidr_block == cidr_block
        )
    )


def find_network(tx: Connection, api_key_id: str, cidr_block: str) -> AccessListEntry | None:
    row = tx.execute(
        sa.select(api_key_access).where(
            api_key_access.c.api_key_id == api_key_id, api_key_access.c.cidr_block == cidr_block
        )
    ).first()
    return None if row is None else _entry(row)


def networks(tx: Connection, api_key_id: str, *, limit: int, offset: int) -> Page[AccessListEntry]:
    """Its access list, oldest entries first."""
    of_key = api_key_access.c.api_key_id == api_key_id
    rows = tx.execute(
        sa.select(api_key_access)
        .where(of_key)
        .order_by(api_key_access.c.created_at, api_key_access.c.cidr_block)
        .limit(limit)
        .offset(offset)
    )
    total = tx.execute(
        sa.select(sa.func.count()).select_from(api_key_access).where(of_key)
    ).scalar_one()
    return Page(items=tuple(_entry(row) for row in rows), total=total)


def of_rows(tx: Connection, rows: "Sequence[Row[Any]]") -> list[ApiKey]:
    """Keys from rows with ``requires_access_list``, their roles and networks in two statements."""
    ids = [row.id for row in rows]
    roles: defaultdict[str, list[RoleAssignment]] = defaultdict(list)
    for found in tx.execute(
        sa.select(api_key_role)
        .where(api_key_role.c.api_key_id.in_(ids))
        .order_by(api_key_role.c.role, api_key_role.c.group_id)
    ):
        held = RoleAssignment(role=Role(found.role), group_id=found.group_id or None)
        roles[found.api_key_id].append(held)
    listed: defaultdict[str, list[str]] = defaultdict(list)
    for found in tx.execute(
        sa.select(api_key_access)
        .where(api_key_access.c.api_key_id.in_(ids))
        .order_by(api_key_access.c.cidr_block)
    ):
        listed[found.api_key_id].append(found.cidr_block)
    return [
        ApiKey(
            id=row.id,
            org_id=row.org_id,
            public_key=row.public_key,
            description=row.description,
            created_at=from_seconds(row.created_at),
            roles=tuple(roles[row.id]),
            access_list=tuple(listed[row.id]),
            org_requires_access_list=row.requires_access_list,
        )
        for row in rows
    ]


def _page(
    tx: Connection, wanted: ColumnElement[bool], *, limit: int, offset: int
) -> Page[ListedKey]:
    found = tx.execute(
        _WITH_ORGANIZATION.where(wanted)
        .order_by(api_key.c.created_at, api_key.c.id)
        .limit(limit)
        .offset(offset)
    ).all()
    total = tx.execute(sa.select(sa.func.count()).select_from(api_key).where(wanted)).scalar_one()
    return Page(items=tuple(_listed(tx, found)), total=total)


def _listed(tx: Connection, rows: "Sequence[Row[Any]]") -> list[ListedKey]:
    return [
        ListedKey(key=key, private_key_tail=row.private_key_tail)
        for row, key in zip(rows, of_rows(tx, rows), strict=True)
    ]


def _entry(row: "Row[Any]") -> AccessListEntry:
    return AccessListEntry(cidr_block=row.cidr_block, created_at=from_seconds(row.created_at))
