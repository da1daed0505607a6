"""The engine's own records: of jobs that wait or run, and of those that have ended.

What a job did is in the rows it is about; when it has ended, nobody needs the engine's record.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from dbos import DBOSClient
from sqlalchemy import Connection, Engine

from telamon.jobs.engine_tables import IN_FLIGHT, JobStatus, jobs_table
from telamon.jobs.queue import JobKind

_ENDED = ("SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsInFlight:
    """Jobs of one kind that wait, or that run; there is at least one."""

    kind: str
    is_running: bool
    jobs: int
    oldest_at: datetime
    """Since when the one waits or runs that has done so for longest."""


def in_flight(tx: Connection) -> tuple[JobsInFlight, ...]:
    """Read from an index of the jobs that have not ended, however many others there are."""
    jobs = jobs_table(tx)
    since = sa.func.coalesce(jobs.c.started_at_epoch_ms, jobs.c.created_at)
    rows = tx.execute(
        sa.select(
            jobs.c.name,
            jobs.c.status,
            sa.func.count().label("jobs"),
            sa.func.min(
                sa.case((jobs.c.status == JobStatus.RUNNING, since), else_=jobs.c.created_at)
            ).label("oldest"),
        )
        .where(jobs.c.name.in_([kind.value for kind in JobKind]), IN_FLIGHT)
        .group_by(jobs.c.name, jobs.c.status)
        .order_by(jobs.c.name, jobs.c.status)
    )
    return tuple(
        JobsInFlight(
            kind=row.name,
            is_running=row.status == JobStatus.RUNNING,
            jobs=row.jobs,
            oldest_at=datetime.fromtimestamp(row.oldest / 1000, UTC),
        )
        for row in rows
    )


def ended_before(tx: Connection, before: datetime, *, limit: int) -> tuple[str, ...]:
    """The engine's ids of some of the jobs that ended before, the first to end first."""
    jobs = jobs_table(tx)
    rows = tx.execute(
        sa.select(jobs.c.workflow_uuid)
        .where(
            jobs.c.completed_at < int(before.timestamp() * 1000),
            jobs.c.status.in_(_ENDED),
        )
        .order_by(jobs.c.completed_at)
        .limit(limit)
    )
    return tuple(str(job_id) for (job_id,) in rows)


class JobRecords:
    """Takes records away. Holds no connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._client = DBOSClient(system_database_engine=engine, lazy=True)

    def forget(self, job_ids: Sequence[str]) -> None:
        """Of jobs that have ended, with everything the engine keeps of them, in one transaction."""
        self._client.delete_workflows(list(job_ids))

    def close(self) -> None:
        """Forget the client; the engine belongs to the caller."""
        self._client.destroy()
