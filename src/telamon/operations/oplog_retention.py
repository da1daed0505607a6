"""Slices of oplogs whose time is over: planned, then deleted.

    1  the rows go, and the window begins where they end, in one transaction
    2  the blobs go

So no job can begin to count on a slice that is about to go. Killed between the two, the next run finds
the blobs that have no row: they are behind what the newest window covers, where a slice that is just
being captured is not.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice, OplogWindow
from telamon.model.oplog_retention import KEPT, plan_slices
from telamon.repository.oplog_slice import instance_prefix, last_of_key, slice_key
from telamon.repository.repository import Repository
from telamon.state import oplogs, restore_points, snapshots
from telamon.state.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What an instance has after the rows have gone."""

    keys: frozenset[str]
    covered: ClusterTime | None


class OplogRetention:
    """Deletes what need not be kept any longer."""

    def __init__(self, db: Database, repository: Repository, *, clock: Clock) -> None:
        self._db = db
        self._repository = repository
        self._clock = clock

    def delete(self) -> int:
        """Answers how many slices went."""
        return sum(self._delete(each) for each in self._db.look(oplogs.owners))

    def _delete(self, instance_id: str) -> int:
        # Listed first: what is put from here on is not looked at.
        present = [info.key for info in self._repository.slices(instance_prefix(instance_id))]
        kept = self._db.transact(lambda tx: self._forget(tx, instance_id))
        gone = [
            key
            for key in present
            if key not in kept.keys and (kept.covered is None or last_of_key(key) <= kept.covered)
        ]
        for key in gone:
            self._repository.delete_slice(key)
        return len(gone)

    def _forget(self, tx: Connection, instance_id: str) -> _Kept:
        windows = oplogs.windows(tx, instance_id)
        keys: set[str] = set()
        for window in windows:
            left = self._forget_slices(tx, window)
            keys.update(map(slice_key, left))
            if not left and window is not windows[-1] and self._is_over(window):
                oplogs.delete_window(tx, window)
        covered = windows[-1].until if windows else None
        return _Kept(keys=frozenset(keys), covered=covered)

    def _forget_slices(self, tx: Connection, window: OplogWindow) -> tuple[OplogSlice, ...]:
        """Answers those that are left."""
        instance_id = window.instance_id
        found = snapshots.consistent(tx, instance_id)
        times = {one.id: one.cluster_time for one in found if one.cluster_time is not None}
        ways = [
            (times.get(snapshot_id, window.start), until)
            for snapshot_id, until in restore_points.in_work(tx, instance_id)
        ]
        verdicts = plan_slices(
            oplogs.slices(tx, instance_id, window.number),
            snapshots=times.values(),
            in_use=ways,
            now=self._clock(),
        )
        oplogs.delete_slices(tx, window, [one.slice for one in verdicts if one.is_deleted])
        return tuple(one.slice for one in verdicts if not one.is_deleted)

    def _is_over(self, window: OplogWindow) -> bool:
        return window.until.seconds < (self._clock() - KEPT).timestamp()
