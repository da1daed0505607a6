"""How many jobs have ended, and how: counted in the transaction in which each does."""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.state.tables import ended_jobs


class Counted(StrEnum):
    """Kinds of jobs that are counted; words of the job queue."""

    TAKE_SNAPSHOT = "take_snapshot"
    DELETE_SNAPSHOT = "delete_snapshot"
    RESTORE = "restore"
    PRUNE = "prune"
    CHECK = "check"
    DRILL = "drill"


class Outcome(StrEnum):
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJobs:
    kind: str
    outcome: str
    jobs: int
    """Since the database was made, or has been counted in."""


def count(tx: Connection, kind: Counted, outcome: Outcome, *, jobs: int = 1) -> None:
    """So many more."""
    if not jobs:
        return
    more = (
        ended_jobs.update()
        .where(ended_jobs.c.kind == kind.value, ended_jobs.c.outcome == outcome.value)
        .values(jobs=ended_jobs.c.jobs + jobs)
    )
    if not tx.execute(more).rowcount:
        tx.execute(ended_jobs.insert().values(kind=kind.value, outcome=outcome.value, jobs=jobs))


def totals(tx: Connection) -> tuple[EndedJobs, ...]:
    """Of every kind and outcome, those included of which there have been none."""
    rows = tx.execute(sa.select(ended_jobs))
    found = {(row.kind, row.outcome): int(row.jobs) for row in rows}
    return tuple(
        EndedJobs(kind=kind.value, outcome=outcome.value, jobs=found.get((kind, outcome), 0))
        for kind in Counted
        for outcome in Outcome
        if outcome is not Outcome.CANCELLED or kind is Counted.RESTORE
    )
