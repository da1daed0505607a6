"""Continuous backup as callers see it: whether it is on, and to which moments one can restore."""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import ClusterIsDeleting
from telamon.model.access import PROJECT_OWNERS, PROJECT_READERS, ApiKey
from telamon.model.instance import Instance, InstanceState
from telamon.model.oplog import CaptureFailure, OplogWindow
from telamon.operations.kinds import find_of_kind
from telamon.state import instances, oplogs
from telamon.state.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """What there is of one instance. ``lag`` is how far behind now the newest window ends."""

    enabled: bool
    windows: tuple[OplogWindow, ...]
    lag: timedelta | None
    stored_bytes: int
    failure: CaptureFailure | None


class ContinuousBackup:
    """What callers can do with it, of any kind of instance."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def get(self, caller: ApiKey, group_id: str, instance_name: str) -> Coverage:
        """Raises what ``find_of_kind`` does."""

        def work(tx: Connection) -> Coverage:
            found = find_of_kind(tx, caller, group_id, instance_name, None, roles=PROJECT_READERS)
            return self._coverage(tx, found)

        return await self._db.read(work)

    async def require_owner(self, caller: ApiKey, group_id: str, instance_name: str) -> None:
        """For a caller who wants to change it and whose request has yet to be read."""
        await self._db.read(
            lambda tx: find_of_kind(tx, caller, group_id, instance_name, None, roles=PROJECT_OWNERS)
        )

    async def switch(
        self, caller: ApiKey, group_id: str, instance_name: str, *, enabled: bool
    ) -> Coverage:
        """On or off; what has been captured stays for its time. Raises ClusterIsDeleting."""

        def work(tx: Connection) -> Coverage:
            found = find_of_kind(tx, caller, group_id, instance_name, None, roles=PROJECT_OWNERS)
            if found.state is InstanceState.DELETING:
                raise ClusterIsDeleting("This cluster is currently being deleted, cannot update")
            changed = replace(found, continuous_backup=enabled)
            instances.set_options(tx, changed)
            return self._coverage(tx, changed)

        return await self._db.run(work)

    def _coverage(self, tx: Connection, instance: Instance) -> Coverage:
        windows = oplogs.windows(tx, instance.id)
        lag = None
        if windows and instance.continuous_backup:
            seconds = self._clock().timestamp() - windows[-1].until.seconds
            lag = timedelta(seconds=max(0, int(seconds)))
        return Coverage(
            enabled=instance.continuous_backup,
            windows=windows,
            lag=lag,
            stored_bytes=oplogs.stored_bytes(tx, instance.id),
            failure=oplogs.find_failure(tx, instance.id) if instance.continuous_backup else None,
        )
