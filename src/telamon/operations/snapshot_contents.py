"""The databases and collections of a snapshot, as written down when it was completed."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from telamon.errors import FeatureUnsupported, NamespaceNotFound
from telamon.model.access import ApiKey
from telamon.model.contents import SnapshotCollection
from telamon.model.manifest import Namespace
from telamon.model.page import Page
from telamon.model.snapshot import Snapshot
from telamon.operations.kinds import SnapshotPath, managed_snapshot
from telamon.state import snapshot_collections as rows
from telamon.state.database import Database

T = TypeVar("T")


class SnapshotContents:
    """What callers can ask. All raise SnapshotNotFound, and FeatureUnsupported for a snapshot from
    before its contents were written down."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def databases(
        self, caller: ApiKey, path: SnapshotPath, *, limit: int, offset: int
    ) -> Page[str]:
        """By name. A snapshot that is not completed has none."""
        return await self._read(
            caller,
            path,
            lambda tx: rows.databases(tx, path.snapshot_id, limit=limit, offset=offset),
        )

    async def require_database(self, caller: ApiKey, path: SnapshotPath, database: str) -> None:
        """Raises NamespaceNotFound."""
        await self._read(caller, path, lambda tx: _require(tx, path, database))

    async def collections(
        self, caller: ApiKey, path: SnapshotPath, database: str, *, limit: int, offset: int
    ) -> Page[SnapshotCollection]:
        """By name. Raises NamespaceNotFound."""

        def work(tx: Connection) -> Page[SnapshotCollection]:
            _require(tx, path, database)
            return rows.page(tx, path.snapshot_id, database, limit=limit, offset=offset)

        return await self._read(caller, path, work)

    async def collection(
        self, caller: ApiKey, path: SnapshotPath, namespace: Namespace
    ) -> SnapshotCollection:
        """Raises NamespaceNotFound."""

        def work(tx: Connection) -> SnapshotCollection:
            _require(tx, path, namespace.database)
            found = rows.find(tx, path.snapshot_id, namespace)
            if found is None:
                raise NamespaceNotFound(f"collection {namespace}", path.snapshot_id)
            return found

        return await self._read(caller, path, work)

    async def _read(self, caller: ApiKey, path: SnapshotPath, work: Callable[[Connection], T]) -> T:
        def whole(tx: Connection) -> T:
            found = managed_snapshot(tx, caller, path)
            if found.taken_at is not None:
                require_known(tx, found)
            return work(tx)

        return await self._db.read(whole)


def require_known(tx: Connection, found: Snapshot) -> None:
    """Raises FeatureUnsupported for a snapshot from before its contents were written down."""
    if not rows.are_known(tx, found.id):
        raise FeatureUnsupported(
            f"the collections of snapshot {found.id} are not in the catalogue "
            "(telamon repository rescan puts them there)"
        )


def _require(tx: Connection, path: SnapshotPath, database: str) -> None:
    if not rows.has_database(tx, path.snapshot_id, database):
        raise NamespaceNotFound(f"database {database}", path.snapshot_id)
