"""Snapshots whose time is over: planned, then deleted.

What is planned for an instance and what is asked for is one transaction: nobody can begin to restore
a snapshot between the two. The deletion itself is the job that a caller's request leads to.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.ids import IdFactory
from telamon.jobs.queue import JobQueue
from telamon.model.expiry import Verdict, keep_rules, plan_expiry
from telamon.operations.kept_snapshots import ask_for_deletion
from telamon.state import drills, instances, restore_jobs, snapshots
from telamon.state.database import Database

_DELETIONS_AT_ONCE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class InstancePlan:
    """What is to become of an instance's snapshots, the oldest first."""

    group_id: str
    instance_name: str
    verdicts: tuple[Verdict, ...]


class ExpiredSnapshots:
    """Finds and deletes what need not be kept any longer."""

    def __init__(self, db: Database, queue: JobQueue, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id

    def plan(self) -> tuple[InstancePlan, ...]:
        """Of every instance that has snapshots. Changes nothing."""

        def work(tx: Connection) -> tuple[InstancePlan, ...]:
            return tuple(self._planned(tx, instance_id) for instance_id in snapshots.owners(tx))

        return self._db.look(work)

    def delete(self) -> tuple[str, ...]:
        """Ask for the deletion of what is to go; answers their ids. Nobody is shown them any more."""
        now = self._clock()
        owners = self._db.look(lambda tx: snapshots.owners(tx, expired_at=now))
        deleted: list[str] = []
        for instance_id in owners:
            while asked := self._ask(instance_id):
                deleted.extend(asked)
                if len(asked) < _DELETIONS_AT_ONCE:
                    break
        return tuple(deleted)

    def _ask(self, instance_id: str) -> tuple[str, ...]:
        def work(tx: Connection) -> tuple[str, ...]:
            verdicts = self._planned(tx, instance_id).verdicts
            expired = [each.snapshot for each in verdicts if each.is_deleted][:_DELETIONS_AT_ONCE]
            for snapshot in expired:
                ask_for_deletion(tx, self._queue, snapshot, self._new_id(self._clock()))
            return tuple(snapshot.id for snapshot in expired)

        return self._db.transact(work)

    def _planned(self, tx: Connection, instance_id: str) -> InstancePlan:
        instance = instances.by_id(tx, instance_id)
        rules = keep_rules(instance.kind, is_deleted=instances.is_deleted(tx, instance_id))
        now, found = self._clock(), snapshots.visible(tx, instance_id)
        in_use = frozenset(
            one.id
            for one in found
            if one.expires_at <= now
            and (restore_jobs.is_in_use(tx, one.id, at=now) or drills.is_drilled(tx, one.id))
        )
        verdicts = plan_expiry(found, rules, in_use=in_use, now=now)
        return InstancePlan(
            group_id=instance.group_id, instance_name=instance.name, verdicts=verdicts
        )
