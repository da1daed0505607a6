"""What tests of schedules, retention and pruning work with: a clock to set, queues, rows of a kind."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from telamon.jobs.queue import JobQueue, migrate
from telamon.model.instance import Instance
from telamon.model.schedule import PolicyItem, first_schedule
from telamon.model.snapshot import Snapshot
from telamon.operations.scheduled_snapshots import Run, ScheduledSnapshots
from telamon.state import backup_schedules, instances, schedule_runs, snapshots
from telamon.state.database import Database
from tests.state.samples import INSTANCE, NOW, insert_instance, insert_snapshot, manifest


@dataclass
class SetClock:
    """Shows what it was set to."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class Scheduling:
    """A database with queues, and a scheduler of it."""

    db: Database
    queue: JobQueue
    clock: SetClock = field(default_factory=SetClock)
    made_ids: list[str] = field(default_factory=list)

    def new_id(self, at: datetime) -> str:
        self.made_ids.append(f"{int(at.timestamp()):08x}{len(self.made_ids):016x}")
        return self.made_ids[-1]

    def scheduler(self, db: Database | None = None) -> ScheduledSnapshots:
        return ScheduledSnapshots(db or self.db, self.queue, clock=self.clock, new_id=self.new_id)

    def tick(self) -> tuple[Run, ...]:
        return self.scheduler().take_due()

    def add(self, **changes: Any) -> Instance:
        return insert_instance(self.db, **{"port": 1, **changes})

    def set_rules(self, *items: PolicyItem, instance_id: str = INSTANCE) -> None:
        """From now on, at three in the morning."""
        began = NOW.replace(hour=3, minute=0)
        instance = self.instance(instance_id)
        made = first_schedule(instance_id, instance.kind, policy_id="p" * 24, since=began)
        made = replace(made, items=items, changed_at=self.clock())
        self.db.transact(lambda tx: backup_schedules.put(tx, made))

    def instance(self, instance_id: str) -> Instance:
        return self.db.look(lambda tx: instances.by_id(tx, instance_id))

    def complete(self, snapshot_id: str) -> None:
        """As the job does it, in the second that the clock shows."""
        taken = replace(manifest(snapshot_id), taken_at=self.clock(), cluster_time=None)
        at = self.clock()
        self.db.transact(
            lambda tx: snapshots.start(tx, snapshot_id, mongodb_version="6.0.5", at=at)
        )
        self.db.transact(lambda tx: snapshots.complete(tx, taken, new_bytes=10, at=at))

    def complete_all(self) -> None:
        for snapshot in self.snapshots():
            if snapshot.finished_at is None:
                self.complete(snapshot.id)

    def snapshots(self, instance_id: str = INSTANCE) -> tuple[Snapshot, ...]:
        """The oldest first."""
        return self.db.look(lambda tx: snapshots.visible(tx, instance_id))

    def runs(self, instance_id: str = INSTANCE) -> tuple[schedule_runs.ScheduleRun, ...]:
        return self.db.look(lambda tx: schedule_runs.of_instance(tx, instance_id))

    def good(self, number: int, **changes: Any) -> Snapshot:
        """A completed snapshot with that number for an id, asked for when the clock says."""
        snapshot_id = f"{number:024x}"
        insert_snapshot(self.db, id=snapshot_id, requested_at=self.clock(), **changes)
        self.complete(snapshot_id)
        return self.db.look(lambda tx: snapshots.by_id(tx, snapshot_id))


def scheduling(db: Database) -> Scheduling:
    migrate(db.engine)
    return Scheduling(db=db, queue=JobQueue(db.engine))
