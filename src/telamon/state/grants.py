"""What callers hold: roles, and the networks that they may come from. Alike for every kind of caller."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import AddressAlreadyListed
from telamon.model.access import AccessListEntry, Role, RoleAssignment
from telamon.model.page import Page
from telamon.state.moments import from_seconds, to_seconds

WHOLE_ORGANIZATION = ""
"""In the place of a project's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """By one caller; roles and networks in their order."""

    roles: tuple[RoleAssignment, ...]
    networks: tuple[str, ...]


class Grants:
    """Rows of one kind of caller, whose id both tables have as their first column."""

    def __init__(self, roles: sa.Table, access: sa.Table) -> None:
        self._roles = roles
        self._access = access
        self._role_holder = roles.columns[0]
        self._access_holder = access.columns[0]

    def add_roles(self, tx: Connection, holder_id: str, roles: Iterable[RoleAssignment]) -> None:
        for held in roles:
            tx.execute(
                self._roles.insert().values(
                    {
                        self._role_holder: holder_id,
                        self._roles.c.role: held.role.value,
                        self._roles.c.group_id: held.group_id or WHOLE_ORGANIZATION,
                    }
                )
            )

    def remove_roles(self, tx: Connection, holder_id: str, *, group_id: str | None) -> None:
        """Those that it holds in the project, or in the whole organization."""
        tx.execute(
            self._roles.delete().where(
                self._role_holder == holder_id,
                self._roles.c.group_id == (group_id or WHOLE_ORGANIZATION),
            )
        )

    def remove_project(self, tx: Connection, group_id: str) -> None:
        """Nobody holds a role in it any more."""
        tx.execute(self._roles.delete().where(self._roles.c.group_id == group_id))

    def holders_in(self, group_id: str) -> sa.Select[tuple[str]]:
        """Ids of those that hold a role in the project itself."""
        return sa.select(self._role_holder).where(self._roles.c.group_id == group_id)

    def remove_all(self, tx: Connection, holder_id: str) -> None:
        """Before the holder's own row goes."""
        tx.execute(self._access.delete().where(self._access_holder == holder_id))
        tx.execute(self._roles.delete().where(self._role_holder == holder_id))

    def add_networks(
        self, tx: Connection, holder_id: str, networks: Iterable[str], *, at: datetime
    ) -> None:
        """Raises AddressAlreadyListed."""
        for cidr_block in networks:
            try:
                tx.execute(
                    self._access.insert().values(
                        {
                            self._access_holder: holder_id,
                            self._access.c.cidr_block: cidr_block,
                            self._access.c.created_at: to_seconds(at),
                        }
                    )
                )
            except IntegrityError as error:
                raise AddressAlreadyListed(cidr_block) from error

    def remove_network(self, tx: Connection, holder_id: str, cidr_block: str) -> None:
        tx.execute(self._access.delete().where(*self._entry(holder_id, cidr_block)))

    def find_network(
        self, tx: Connection, holder_id: str, cidr_block: str
    ) -> AccessListEntry | None:
        row = tx.execute(sa.select(self._access).where(*self._entry(holder_id, cidr_block))).first()
        return None if row is None else _entry(row)

    def networks(
        self, tx: Connection, holder_id: str, *, limit: int, offset: int
    ) -> Page[AccessListEntry]:
        """Its access list, oldest entries first."""
        of_holder = self._access_holder == holder_id
        rows = tx.execute(
            sa.select(self._access)
            .where(of_holder)
            .order_by(self._access.c.created_at, self._access.c.cidr_block)
            .limit(limit)
            .offset(offset)
        )
        total = tx.execute(
            sa.select(sa.func.count()).select_from(self._access).where(of_holder)
        ).scalar_one()
        return Page(items=tuple(_entry(row) for row in rows), total=total)

    def held(self, tx: Connection, holder_ids: Sequence[str]) -> dict[str, Held]:
        """What each holds, in two statements."""
        roles: defaultdict[str, list[RoleAssignment]] = defaultdict(list)
        for holder_id, role, group_id in tx.execute(
            sa.select(self._role_holder, self._roles.c.role, self._roles.c.group_id)
            .where(self._role_holder.in_(holder_ids))
            .order_by(self._roles.c.role, self._roles.c.group_id)
        ):
            roles[holder_id].append(RoleAssignment(role=Role(role), group_id=group_id or None))
        listed: defaultdict[str, list[str]] = defaultdict(list)
        for holder_id, cidr_block in tx.execute(
            sa.select(self._access_holder, self._access.c.cidr_block)
            .where(self._access_holder.in_(holder_ids))
            .order_by(self._access.c.cidr_block)
        ):
            listed[holder_id].append(cidr_block)
        return {
            holder_id: Held(roles=tuple(roles[holder_id]), networks=tuple(listed[holder_id]))
            for holder_id in holder_ids
        }

    def _entry(self, holder_id: str, cidr_block: str) -> Sequence[ColumnElement[bool]]:
        return (self._access_holder == holder_id, self._access.c.cidr_block == cidr_block)


def _entry(row: "Row[Any]") -> AccessListEntry:
    return AccessListEntry(cidr_block=row.cidr_block, created_at=from_seconds(row.created_at))
