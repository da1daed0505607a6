"""Projects' access lists: kept for clients that manage them.

They are about the ways into deployments that Atlas runs. Telamon runs no firewall, so that an entry
opens and closes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import ExpirationInPast, InvalidNetwork, NetworkPermissionNotFound
from telamon.model.access import PROJECT_OWNERS, PROJECT_READERS, ApiKey
from telamon.model.network import NetworkPermission, is_security_group, network
from telamon.model.page import Page
from telamon.operations.access import authorize
from telamon.state import network_permissions as rows
from telamon.state.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPermission:
    """``entry`` is a network in CIDR notation or the id of a security group."""

    entry: str
    comment: str = ""
    expires_at: datetime | None = None


class NetworkPermissions:
    """What callers can do with a project's access list."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def list(
        self, caller: ApiKey, group_id: str, *, limit: int, offset: int
    ) -> Page[NetworkPermission]:
        """Oldest entries first."""
        now = self._clock()

        def work(tx: Connection) -> Page[NetworkPermission]:
            authorize(tx, caller, group_id, PROJECT_READERS)
            return rows.page(tx, group_id, now=now, limit=limit, offset=offset)

        return await self._db.read(work)

    async def get(self, caller: ApiKey, group_id: str, text: str) -> NetworkPermission:
        """The entry for an address, a network or a group. Raises NetworkPermissionNotFound."""

        def work(tx: Connection) -> NetworkPermission:
            authorize(tx, caller, group_id, PROJECT_READERS)
            return self._find(tx, group_id, text)

        return await self._db.read(work)

    async def put(self, caller: ApiKey, group_id: str, entries: Sequence[NewPermission]) -> None:
        """Add entries, or replace those that are there. Raises ExpirationInPast."""
        now = self._clock()
        for new in entries:
            if new.expires_at is not None and new.expires_at <= now:
                raise ExpirationInPast
        permissions = [
            NetworkPermission(
                entry=new.entry, comment=new.comment, created_at=now, expires_at=new.expires_at
            )
            for new in entries
        ]

        def work(tx: Connection) -> None:
            authorize(tx, caller, group_id, PROJECT_OWNERS)
            rows.delete_expired(tx, now=now)
            rows.put(tx, group_id, permissions)

        await self._db.run(work)

    async def delete(self, caller: ApiKey, group_id: str, text: str) -> None:
        """Raises NetworkPermissionNotFound."""

        def work(tx: Connection) -> None:
            authorize(tx, caller, group_id, PROJECT_OWNERS)
            rows.delete(tx, group_id, self._find(tx, group_id, text).entry)

        await self._db.run(work)

    def _find(self, tx: Connection, group_id: str, text: str) -> NetworkPermission:
        try:
            entry = text if is_security_group(text) else network(text)
        except InvalidNetwork as error:
            raise NetworkPermissionNotFound(text, group_id) from error
        found = rows.find(tx, group_id, entry, now=self._clock())
        if found is None:
            raise NetworkPermissionNotFound(text, group_id)
        return found
