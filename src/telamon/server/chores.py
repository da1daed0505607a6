"""What a worker does by itself, as the settings ask for it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import structlog

from telamon.clock import system_clock
from telamon.config import Settings
from telamon.ids import new_id
from telamon.jobs.queue import JobQueue
from telamon.jobs.records import JobRecords
from telamon.model.repository_job import RepositoryJobKind
from telamon.operations.drills import ScheduledDrills
from telamon.operations.expired_snapshots import ExpiredSnapshots
from telamon.operations.metrics import RepositoryMeasure
from telamon.operations.oplog_retention import OplogRetention
from telamon.operations.pruning import Pruning
from telamon.operations.repository_jobs import DueRepositoryJobs
from telamon.operations.scheduled_snapshots import ScheduledSnapshots
from telamon.repository.repository import Repository
from telamon.server.ticker import TICK_SECONDS, Chore
from telamon.state.database import Database

_MINUTE = round(60 / TICK_SECONDS)
_TEN_MINUTES = round(600 / TICK_SECONDS)
_HOUR = round(3600 / TICK_SECONDS)

_log = structlog.get_logger()


def chores(
    settings: Settings, db: Database, queue: JobQueue, repository: Repository
) -> tuple[Chore, ...]:
    """In the order in which each tick does them. ``db`` refuses a worker that was replaced."""
    return tuple(_chores(settings, db, queue, repository))


def _chores(
    settings: Settings, db: Database, queue: JobQueue, repository: Repository
) -> Iterator[Chore]:
    if settings.schedules:
        scheduled = ScheduledSnapshots(db, queue, clock=system_clock, new_id=new_id)
        yield Chore(name="take_scheduled_snapshots", every_ticks=1, act=scheduled.take_due)
        yield Chore(name="try_failed_snapshots_again", every_ticks=4, act=scheduled.try_again)
    if settings.retention:
        expired = ExpiredSnapshots(db, queue, clock=system_clock, new_id=new_id)
        yield Chore(
            name="delete_expired_snapshots",
            every_ticks=_TEN_MINUTES,
            act=lambda: _told("snapshot_expired", expired.delete()),
        )
        oplogs = OplogRetention(db, repository, clock=system_clock)
        yield Chore(name="delete_old_oplog", every_ticks=_TEN_MINUTES, act=oplogs.delete)
    every = {
        kind: timedelta(days=days)
        for kind, days in (
            (RepositoryJobKind.PRUNE, settings.prune_every_days),
            (RepositoryJobKind.CHECK, settings.check_every_days),
        )
        if days
    }
    if every:
        due = DueRepositoryJobs(
            db,
            queue,
            every=every,
            read_data_percent=settings.check_read_data_percent,
            clock=system_clock,
            new_id=new_id,
        )
        yield Chore(name="ask_for_repository_jobs", every_ticks=_TEN_MINUTES, act=due.ask)
    if settings.drill_every_days:
        drills = ScheduledDrills(
            db,
            queue,
            every_days=settings.drill_every_days,
            clock=system_clock,
            new_id=new_id,
        )
        yield Chore(name="ask_for_drills", every_ticks=_MINUTE, act=drills.ask_due)
    pruning = Pruning(
        db,
        JobRecords(db.engine),
        kept=timedelta(days=settings.job_records_days),
        clock=system_clock,
    )
    measure = RepositoryMeasure(db, repository, clock=system_clock)
    yield Chore(name="measure_repository", every_ticks=_HOUR, act=measure.measure)
    yield Chore(name="prune_records", every_ticks=_HOUR, act=pruning.prune)


def _told(event: str, snapshot_ids: Sequence[str]) -> None:
    for snapshot_id in snapshot_ids:
        _log.info(event, action="delete_expired_snapshots", snapshot_id=snapshot_id)
