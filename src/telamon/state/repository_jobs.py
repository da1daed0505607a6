"""Rows of prunes and checks of the repository: of each kind one at a time."""

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import RepositoryJobInProgress, RepositoryJobNotFound
from telamon.model.page import Page
from telamon.model.repository_job import RepositoryJob, RepositoryJobKind, RepositoryReport
from telamon.state import ended_jobs
from telamon.state.ended_jobs import Counted, Outcome
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.repository_tables import repository_job

_COUNTED = {
    RepositoryJobKind.PRUNE: Counted.PRUNE,
    RepositoryJobKind.CHECK: Counted.CHECK,
}
_NEWEST_FIRST = (repository_job.c.requested_at.desc(), repository_job.c.id.desc())


def insert(tx: Connection, new: RepositoryJob) -> None:
    """Raises RepositoryJobInProgress if another of its kind has not ended, or is for the same moment."""
    try:
        tx.execute(
            repository_job.insert().values(
                id=new.id,
                kind=new.kind.value,
                requested_at=to_seconds(new.requested_at),
                due_at=None if new.due_at is None else to_seconds(new.due_at),
                dry_run=new.dry_run,
                read_data_percent=new.read_data_percent,
            )
        )
    except IntegrityError as error:
        raise RepositoryJobInProgress(new.kind.value) from error


def by_id(tx: Connection, job_id: str) -> RepositoryJob:
    """Raises RepositoryJobNotFound."""
    row = tx.execute(sa.select(repository_job).where(repository_job.c.id == job_id)).first()
    if row is None:
        raise RepositoryJobNotFound(job_id)
    return _job(row)


def page(tx: Connection, *, limit: int, offset: int) -> Page[RepositoryJob]:
    """Newest first."""
    rows = tx.execute(
        sa.select(repository_job).order_by(*_NEWEST_FIRST).limit(limit).offset(offset)
    )
    total = tx.execute(sa.select(sa.func.count()).select_from(repository_job)).scalar_one()
    return Page(items=tuple(_job(row) for row in rows), total=total)


def newest(
    tx: Connection, kind: RepositoryJobKind, *, completed: bool = False
) -> RepositoryJob | None:
    """The last one that was asked for and is no dry run; only of those that ended well."""
    query = sa.select(repository_job).where(
        repository_job.c.kind == kind.value, sa.not_(repository_job.c.dry_run)
    )
    if completed:
        query = query.where(
            repository_job.c.finished_at.is_not(None), repository_job.c.failure.is_(None)
        )
    row = tx.execute(query.order_by(*_NEWEST_FIRST).limit(1)).first()
    return None if row is None else _job(row)


def start(tx: Connection, job_id: str, *, at: datetime) -> int:
    """A worker begins, or begins anew; returns how many times one has begun.

    A job that has ended stays as it is.
    """
    tx.execute(
        _unfinished(job_id).values(
            started_at=to_seconds(at), attempts=repository_job.c.attempts + 1
        )
    )
    attempts = sa.select(repository_job.c.attempts).where(repository_job.c.id == job_id)
    return int(tx.execute(attempts).scalar_one())


def hand_back(tx: Connection, job_id: str) -> None:
    """The worker stops, and another one goes on: its begin does not count."""
    tx.execute(
        _unfinished(job_id)
        .where(repository_job.c.attempts > 0)
        .values(attempts=repository_job.c.attempts - 1)
    )


def tell(tx: Connection, job_id: str, report: RepositoryReport) -> None:
    """What is known so far."""
    tx.execute(_unfinished(job_id).values(report=msgspec.to_builtins(report)))


def finish(
    tx: Connection,
    job: RepositoryJob,
    report: RepositoryReport,
    *,
    findings: int | None = None,
    at: datetime,
) -> None:
    finished = tx.execute(
        _unfinished(job.id).values(
            finished_at=to_seconds(at), report=msgspec.to_builtins(report), findings=findings
        )
    )
    ended_jobs.count(tx, _COUNTED[job.kind], Outcome.FINISHED, jobs=finished.rowcount)


def fail(tx: Connection, job_id: str, *, failure: str, at: datetime) -> None:
    """A finished job stays finished."""
    kind = by_id(tx, job_id).kind
    failed = tx.execute(_unfinished(job_id).values(finished_at=to_seconds(at), failure=failure))
    ended_jobs.count(tx, _COUNTED[kind], Outcome.FAILED, jobs=failed.rowcount)


def prune(tx: Connection, before: datetime, *, limit: int) -> int:
    """Forget some of the jobs that were asked for before and have ended; answers how many went.

    The last one of a kind that ended well stays, and the last one that is no dry run.
    """
    kept = {
        job.id
        for kind in RepositoryJobKind
        for completed in (False, True)
        if (job := newest(tx, kind, completed=completed)) is not None
    }
    old = (
        sa.select(repository_job.c.id)
        .where(
            repository_job.c.requested_at < to_seconds(before),
            repository_job.c.finished_at.is_not(None),
            repository_job.c.id.not_in(kept),
        )
        .order_by(repository_job.c.requested_at)
        .limit(limit)
    )
    ids = list(tx.execute(old).scalars())
    if ids:
        tx.execute(repository_job.delete().where(repository_job.c.id.in_(ids)))
    return len(ids)


def _unfinished(job_id: str) -> sa.Update:
    return repository_job.update().where(
        repository_job.c.id == job_id, repository_job.c.finished_at.is_(None)
    )


def _job(row: "Row[tuple[object, ...]]") -> RepositoryJob:
    return RepositoryJob(
        id=row.id,
        kind=RepositoryJobKind(row.kind),
        requested_at=from_seconds(row.requested_at),
        due_at=from_seconds(row.due_at),
        dry_run=row.dry_run,
        read_data_percent=row.read_data_percent,
        started_at=from_seconds(row.started_at),
        finished_at=from_seconds(row.finished_at),
        failure=row.failure,
        findings=row.findings,
        report=msgspec.convert(row.report or {}, RepositoryReport),
    )
