"""Rows of API keys: listed, changed, deleted. ``state.access`` inserts and finds them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row

from telamon.model.access import ApiKey, ListedKey
from telamon.model.page import Page
from telamon.state.grants import Grants
from telamon.state.moments import from_seconds
from telamon.state.tables import api_key, api_key_access, api_key_role, organization

_grants = Grants(api_key_role, api_key_access)
add_roles = _grants.add_roles
remove_roles = _grants.remove_roles
remove_project = _grants.remove_project
add_networks = _grants.add_networks
remove_network = _grants.remove_network
find_network = _grants.find_network
networks = _grants.networks

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
    return _page(tx, api_key.c.id.in_(_grants.holders_in(group_id)), limit=limit, offset=offset)


def set_description(tx: Connection, api_key_id: str, description: str) -> None:
    tx.execute(api_key.update().where(api_key.c.id == api_key_id).values(description=description))


def delete(tx: Connection, api_key_id: str) -> None:
    _grants.remove_all(tx, api_key_id)
    tx.execute(api_key.delete().where(api_key.c.id == api_key_id))


def of_rows(tx: Connection, rows: Sequence["Row[Any]"]) -> list[ApiKey]:
    """Keys from rows with ``requires_access_list``, their roles and networks in two statements."""
    held = _grants.held(tx, [row.id for row in rows])
    return [
        ApiKey(
            id=row.id,
            org_id=row.org_id,
            public_key=row.public_key,
            description=row.description,
            created_at=from_seconds(row.created_at),
            roles=held[row.id].roles,
            access_list=held[row.id].networks,
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


def _listed(tx: Connection, rows: Sequence["Row[Any]"]) -> list[ListedKey]:
    return [
        ListedKey(key=key, private_key_tail=row.private_key_tail)
        for row, key in zip(rows, of_rows(tx, rows), strict=True)
    ]
