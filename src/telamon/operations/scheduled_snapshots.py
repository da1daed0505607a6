"""Snapshots that schedules ask for.

A run (one transaction)::

    1  what has become due since the instance's last run?
    2  the snapshot's row and its job, as for one that a caller asks for
    3  the run's row, of which there can be one for each due moment

So a run is made whole or not at all, and once, by however many workers. What became due while
nobody ran is made up for by one snapshot. If a run's snapshot fails, the run gets another one after a
pause, some times, unless the next run is due before.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from telamon.clock import Clock
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.model.due import DueRun, due_run
from telamon.model.instance import Instance, InstanceState
from telamon.model.snapshot import Snapshot, SnapshotType, queued_snapshot
from telamon.state import instances, schedule_runs, snapshots
from telamon.state.database import Database
from telamon.state.schedule_runs import FailedRun

_PAUSES = (timedelta(minutes=5), timedelta(minutes=15), timedelta(minutes=45))
"""After the first failure of a run, the second, the third; not tried again after the fourth."""

_log = structlog.get_logger()


class Skipped(StrEnum):
    """Why a run makes no snapshot."""

    CREATING = "the instance is being created"
    DELETING = "the instance is being deleted"
    NO_DEPLOYMENT = "the instance has no deployment"
    BEING_TAKEN = "a snapshot of the instance is being taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one: ``skipped`` is None where there is a snapshot."""

    instance_id: str
    due_at: datetime
    snapshot_id: str | None
    skipped: Skipped | None


class ScheduledSnapshots:
    """Asks for the snapshots that are due."""

    def __init__(self, db: Database, queue: JobQueue, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id

    def take_due(self) -> tuple[Run, ...]:
        """Make every run that is due, one instance after the other.

        A run that another worker makes at the same time is its own, and not among the answer's.
        """
        now = self._clock()
        found = self._db.look(lambda tx: schedule_runs.scheduled(tx, now))
        due = [one for one in found if due_run(one.schedule, since=one.since, now=now)]
        runs = (self._take(one.instance_id, now) for one in due)
        return tuple(run for run in runs if run is not None)

    def try_again(self) -> tuple[str, ...]:
        """Ask anew for those that failed some time ago; answers the ids of the new snapshots."""
        now = self._clock()
        failed = self._db.look(lambda tx: schedule_runs.failed(tx, tries=len(_PAUSES)))
        ripe = [run for run in failed if now >= run.failed_at + _PAUSES[run.tries - 1]]
        asked = [self._db.transact(partial(self._try_again, run, now)) for run in ripe]
        return tuple(snapshot_id for snapshot_id in asked if snapshot_id is not None)

    def _try_again(self, run: FailedRun, now: datetime, tx: Connection) -> str | None:
        """None where it cannot be taken now, or another worker was faster."""
        instance = instances.by_id(tx, run.instance_id)
        if instance.state is InstanceState.REPAIRING or _reason_against(tx, instance):
            return None
        failed = snapshots.by_id(tx, run.snapshot_id)
        new = queued_snapshot(
            self._new_id(now),
            instance,
            snapshot_type=SnapshotType.SCHEDULED,
            requested_at=now,
            expires_at=now + (failed.expires_at - failed.requested_at),
            frequency=failed.frequency,
            policy_item_ids=failed.policy_item_ids,
        )
        if not schedule_runs.try_again(tx, run, snapshot_id=new.id):
            return None
        self._insert(tx, new)
        return new.id

    def _take(self, instance_id: str, now: datetime) -> Run | None:
        try:
            run = self._db.transact(lambda tx: self._run(tx, instance_id, now))
        except IntegrityError:
            return None  # another worker was faster
        if run is not None:
            _log.info(
                "scheduled_snapshot_skipped" if run.skipped else "scheduled_snapshot_due",
                action="take_scheduled_snapshot",
                instance_id=run.instance_id,
                due_at=run.due_at.isoformat(),
                snapshot_id=run.snapshot_id,
                reason=run.skipped and run.skipped.value,
            )
        return run

    def _run(self, tx: Connection, instance_id: str, now: datetime) -> Run | None:
        """None where nothing is due any more, or not before the instance's mongod answers."""
        instance = instances.by_id(tx, instance_id)
        found = schedule_runs.scheduled(tx, now, instance_id=instance_id)
        due = due_run(found[0].schedule, since=found[0].since, now=now) if found else None
        if due is None or instance.state is InstanceState.REPAIRING:
            return None
        skipped = _reason_against(tx, instance)
        snapshot_id = None if skipped else self._ask(tx, instance, due, now)
        schedule_runs.note(
            tx,
            instance_id,
            due.due_at,
            noted_at=now,
            snapshot_id=snapshot_id,
            skipped=skipped and skipped.value,
        )
        return Run(
            instance_id=instance_id, due_at=due.due_at, snapshot_id=snapshot_id, skipped=skipped
        )

    def _ask(self, tx: Connection, instance: Instance, due: DueRun, now: datetime) -> str:
        new = queued_snapshot(
            self._new_id(now),
            instance,
            snapshot_type=SnapshotType.SCHEDULED,
            requested_at=now,
            expires_at=due.expires_at(now),
            frequency=due.frequency,
            policy_item_ids=tuple(item.id for item in due.items if item.id),
        )
        self._insert(tx, new)
        return new.id

    def _insert(self, tx: Connection, new: Snapshot) -> None:
        snapshots.insert(tx, new)
        self._queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, new.id, lock=new.instance_id)


def _reason_against(tx: Connection, instance: Instance) -> Skipped | None:
    if instance.state is InstanceState.CREATING:
        return Skipped.CREATING
    if instance.state is InstanceState.DELETING:
        return Skipped.DELETING
    if not instance.has_deployment:
        return Skipped.NO_DEPLOYMENT
    if snapshots.is_being_taken(tx, instance.id):
        return Skipped.BEING_TAKEN
    return None
