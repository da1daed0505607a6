"""Drills: asked for, by callers and by the schedule, and shown. ``run_drill`` carries them out."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import DrillInProgress, DrillNotPossible, DrillReportNotFound
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.model.access import PROJECT_BACKUP_MANAGERS, PROJECT_READERS, ApiKey
from telamon.model.drill import Drill, DrillState
from telamon.model.instance import Instance
from telamon.model.page import Page
from telamon.operations.drill_signing import DrillPublicKey
from telamon.operations.kinds import find_of_kind
from telamon.state import drills as rows
from telamon.state import instances, snapshots
from telamon.state.database import Database

_LOCK = "drills"
"""Of all of them: a drill takes as much of disks and processors as a restore, and nobody waits for it."""

_log = structlog.get_logger()


class Drills:
    """What callers can do with drills."""

    def __init__(
        self,
        db: Database,
        queue: JobQueue,
        *,
        public_key: DrillPublicKey,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        """``public_key`` is that by which reports can be checked."""
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id
        self.public_key = public_key

    async def start(self, caller: ApiKey, group_id: str, instance_name: str) -> Drill:
        """Ask for one of the newest good snapshot; it is queued when this returns.

        Raises what ``find_of_kind`` does, DrillNotPossible, DrillInProgress.
        """

        def work(tx: Connection) -> Drill:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, None, roles=PROJECT_BACKUP_MANAGERS
            )
            now = self._clock()
            drill = _queued(tx, instance, self._new_id(now), now)
            _ask(tx, self._queue, drill)
            return drill

        return await self._db.run(work)

    async def get(self, caller: ApiKey, group_id: str, instance_name: str, drill_id: str) -> Drill:
        """Raises what ``find_of_kind`` does, and DrillNotFound."""

        def work(tx: Connection) -> Drill:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, None, roles=PROJECT_READERS
            )
            return rows.of_instance(tx, instance.id, instance.name, drill_id)

        return await self._db.read(work)

    async def list(
        self, caller: ApiKey, group_id: str, instance_name: str, *, limit: int, offset: int
    ) -> Page[Drill]:
        """Newest first. Raises what ``find_of_kind`` does."""

        def work(tx: Connection) -> Page[Drill]:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, None, roles=PROJECT_READERS
            )
            return rows.page(tx, instance.id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def report(
        self, caller: ApiKey, group_id: str, instance_name: str, drill_id: str
    ) -> bytes:
        """As it was signed. Raises as ``get`` does, and DrillReportNotFound."""

        def work(tx: Connection) -> bytes:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, None, roles=PROJECT_BACKUP_MANAGERS
            )
            drill = rows.of_instance(tx, instance.id, instance.name, drill_id)
            report = rows.report(tx, drill.id)
            if report is None:
                raise DrillReportNotFound(drill.id)
            return report

        return await self._db.read(work)


class ScheduledDrills:
    """Asks for the drill that is due, one at a time in the whole fleet."""

    def __init__(
        self, db: Database, queue: JobQueue, *, every_days: int, clock: Clock, new_id: IdFactory
    ) -> None:
        """Each instance's newest good snapshot is drilled once in ``every_days``."""
        self._db = db
        self._queue = queue
        self._every = timedelta(days=every_days)
        self._clock = clock
        self._new_id = new_id

    def ask_due(self) -> Drill | None:
        """None where nothing is due, or another drill has not ended, or another worker asks now."""
        try:
            drill = self._db.transact(self._ask)
        except DrillInProgress:
            return None
        if drill is not None:
            _log.info(
                "scheduled_drill_due",
                action="ask_for_drill",
                instance_id=drill.instance_id,
                drill_id=drill.id,
                snapshot_id=drill.snapshot_id,
            )
        return drill

    def _ask(self, tx: Connection) -> Drill | None:
        now = self._clock()
        if rows.is_any_unfinished(tx):
            return None
        instance_id = rows.longest_undrilled(tx, since=now - self._every)
        if instance_id is None:
            return None
        drill = _queued(tx, instances.by_id(tx, instance_id), self._new_id(now), now)
        _ask(tx, self._queue, drill)
        return drill


def _queued(tx: Connection, instance: Instance, drill_id: str, requested_at: datetime) -> Drill:
    """Raises DrillNotPossible."""
    snapshot_id = snapshots.newest_completed(tx, instance.id)
    if snapshot_id is None:
        raise DrillNotPossible(instance.name)
    return Drill(
        id=drill_id,
        group_id=instance.group_id,
        instance_id=instance.id,
        instance_name=instance.name,
        snapshot_id=snapshot_id,
        state=DrillState.QUEUED,
        requested_at=requested_at,
        started_at=None,
        finished_at=None,
        failure=None,
    )


def _ask(tx: Connection, queue: JobQueue, drill: Drill) -> None:
    """Raises DrillInProgress."""
    rows.insert(tx, drill)
    queue.enqueue(tx, JobKind.DRILL, drill.id, lock=_LOCK, needs_mongod=True)
