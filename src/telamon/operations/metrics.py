"""What an operator watches: jobs, snapshots, schedules, the size of the repository."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.jobs.records import JobsInFlight, in_flight
from telamon.model.due import due_run
from telamon.model.measurements import MeasuredInstance, RepositorySize
from telamon.model.repository_job import RepositoryJob, RepositoryJobKind
from telamon.repository.repository import Repository
from telamon.state import ended_jobs, measurements, oplogs, repository_jobs, schedule_runs
from telamon.state.database import Database
from telamon.state.ended_jobs import EndedJobs

_FRESH = timedelta(minutes=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything as of ``now``. ``lags`` are of instances by id: for how long a run has been due."""

    now: datetime
    jobs_in_flight: tuple[JobsInFlight, ...]
    jobs_ended: tuple[EndedJobs, ...]
    instances: tuple[MeasuredInstance, ...]
    lags: dict[str, timedelta]
    repository: RepositorySize | None
    last_check: RepositoryJob | None
    """Of the repository, that ended well."""
    oplog_lags: dict[str, timedelta] = field(default_factory=dict)
    """Of the instances whose backup is continuous, by id: how far behind now what is captured ends."""


class Metrics:
    """Reads what is measured, from the database alone and in one transaction."""

    def __init__(self, db: Database, *, clock: Clock, schedules: bool) -> None:
        """``schedules`` is whether anybody makes the runs that are due."""
        self._db = db
        self._clock = clock
        self._schedules = schedules

    async def read(self) -> Measured:
        return await self._db.read(self._measured)

    async def require_database(self) -> None:
        """Raises Unavailable where the database does not answer."""
        await self._db.read(lambda tx: tx.execute(sa.select(1)).scalar_one())

    def _measured(self, tx: Connection) -> Measured:
        now = self._clock()
        return Measured(
            now=now,
            jobs_in_flight=in_flight(tx),
            jobs_ended=ended_jobs.totals(tx),
            instances=measurements.measured_instances(tx),
            lags=_lags(tx, now) if self._schedules else {},
            repository=measurements.find_repository_size(tx),
            last_check=repository_jobs.newest(tx, RepositoryJobKind.CHECK, completed=True),
            oplog_lags=_oplog_lags(tx, now),
        )


def _lags(tx: Connection, now: datetime) -> dict[str, timedelta]:
    """Nothing where nothing is due."""
    lags = {}
    for one in schedule_runs.scheduled(tx, now):
        due = due_run(one.schedule, since=one.since, now=now)
        lags[one.instance_id] = now - due.due_at if due else timedelta(0)
    return lags


def _oplog_lags(tx: Connection, now: datetime) -> dict[str, timedelta]:
    """Nothing where nothing has been captured yet."""
    return {
        window.instance_id: timedelta(seconds=max(0.0, now.timestamp() - window.until.seconds))
        for window in oplogs.newest_windows(tx)
    }


class RepositoryMeasure:
    """Looks how large the repository is, by listing it, and writes that down.

    Of several workers the first does; the others see that it has been done just now.
    """

    def __init__(self, db: Database, repository: Repository, *, clock: Clock) -> None:
        self._db = db
        self._repository = repository
        self._clock = clock

    def measure(self) -> None:
        known = self._db.look(measurements.find_repository_size)
        if known and timedelta(0) <= self._clock() - known.measured_at < _FRESH:
            return
        packs, stored_bytes = self._repository.pack_totals()
        self._db.transact(
            lambda tx: measurements.put_repository_size(
                tx, measured_at=self._clock(), packs=packs, stored_bytes=stored_bytes
            )
        )
