"""Prunes and checks as jobs: asked for by callers, or because they are due. run_repository_job.py runs them."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import RepositoryJobInProgress, Unauthorized
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.model.access import ORG_OWNERS, ApiKey
from telamon.model.page import Page
from telamon.model.repository_job import RepositoryJob, RepositoryJobKind, RepositoryJobStatus
from telamon.state import repository_jobs as rows
from telamon.state.access import first_organization
from telamon.state.database import Database

_AFTER_FAILURE = timedelta(days=1)
_JOBS = {RepositoryJobKind.PRUNE: JobKind.PRUNE, RepositoryJobKind.CHECK: JobKind.CHECK}

_log = structlog.get_logger()


class RepositoryJobs:
    """What callers can do: the owners of the first organization, as the repository is of all."""

    def __init__(self, db: Database, queue: JobQueue, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id

    async def require(self, caller: ApiKey) -> None:
        """For a caller whose request has yet to be read. Raises Unauthorized."""
        await self._db.read(lambda tx: _authorize(tx, caller))

    async def ask(
        self,
        caller: ApiKey,
        kind: RepositoryJobKind,
        *,
        dry_run: bool = False,
        read_data_percent: float = 0.0,
    ) -> RepositoryJob:
        """Queued when this returns. Raises Unauthorized, RepositoryJobInProgress."""
        now = self._clock()
        new = RepositoryJob(
            id=self._new_id(now),
            kind=kind,
            requested_at=now,
            dry_run=dry_run,
            read_data_percent=read_data_percent,
        )

        def work(tx: Connection) -> RepositoryJob:
            _authorize(tx, caller)
            enqueue(tx, self._queue, new)
            return rows.by_id(tx, new.id)

        return await self._db.run(work)

    async def list(self, caller: ApiKey, *, limit: int, offset: int) -> Page[RepositoryJob]:
        """Newest first. Raises Unauthorized."""

        def work(tx: Connection) -> Page[RepositoryJob]:
            _authorize(tx, caller)
            return rows.page(tx, limit=limit, offset=offset)

        return await self._db.read(work)

    async def get(self, caller: ApiKey, job_id: str) -> RepositoryJob:
        """Raises Unauthorized, RepositoryJobNotFound."""

        def work(tx: Connection) -> RepositoryJob:
            _authorize(tx, caller)
            return rows.by_id(tx, job_id)

        return await self._db.read(work)


class DueRepositoryJobs:
    """Asks for a prune or check so many days after the last one, whoever asked for that."""

    def __init__(
        self,
        db: Database,
        queue: JobQueue,
        *,
        every: Mapping[RepositoryJobKind, timedelta],
        read_data_percent: float,
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        """``every`` has the kinds that are to be asked for; the percentage is of checks."""
        self._db = db
        self._queue = queue
        self._every = every
        self._read_data_percent = read_data_percent
        self._clock = clock
        self._new_id = new_id

    def ask(self) -> tuple[RepositoryJob, ...]:
        """Those that are due. One that another worker asks for at the same time is not among them."""
        asked = (self._ask(kind, every) for kind, every in self._every.items())
        return tuple(job for job in asked if job is not None)

    def _ask(self, kind: RepositoryJobKind, every: timedelta) -> RepositoryJob | None:
        now = self._clock()

        def work(tx: Connection) -> RepositoryJob | None:
            due_at = _due_at(tx, kind, every)
            if due_at is None or now < due_at:
                return None
            is_check = kind is RepositoryJobKind.CHECK
            new = RepositoryJob(
                id=self._new_id(now),
                kind=kind,
                requested_at=now,
                due_at=due_at,
                read_data_percent=self._read_data_percent if is_check else 0.0,
            )
            enqueue(tx, self._queue, new)
            return new

        try:
            asked = self._db.transact(work)
        except RepositoryJobInProgress:
            return None  # a dry run, or another worker was faster
        if asked is not None:
            _log.info("repository_job_due", action="ask_for_repository_jobs", kind=kind.value)
        return asked


def enqueue(tx: Connection, queue: JobQueue, new: RepositoryJob) -> None:
    """Raises RepositoryJobInProgress."""
    rows.insert(tx, new)
    queue.enqueue(tx, _JOBS[new.kind], new.id, lock=new.kind.value)


def _due_at(tx: Connection, kind: RepositoryJobKind, every: timedelta) -> datetime | None:
    """None while one is under way, and where nobody has used the database yet."""
    last = rows.newest(tx, kind)
    if last is None:
        first = first_organization(tx)
        return None if first is None else first.created_at + every
    if last.finished_at is None:
        return None
    failed = last.status is RepositoryJobStatus.FAILED
    return last.requested_at + (min(every, _AFTER_FAILURE) if failed else every)


def _authorize(tx: Connection, caller: ApiKey) -> None:
    first = first_organization(tx)
    if first is None or caller.org_id != first.id or not caller.holds_in_org(ORG_OWNERS):
        raise Unauthorized
