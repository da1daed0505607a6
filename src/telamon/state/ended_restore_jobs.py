"""Restore jobs that have ended, for whoever lists them again and again."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from telamon.model.restore_job import RestoreJob
from telamon.state.restore_jobs import SELECT, restore_job_of
from telamon.state.tables import restore_job

_MOST = 5_000  # at about two kilobytes each


class EndedRestoreJobs:
    """Remembers those that were listed lately: nothing in their rows changes any more.

    Thread-safe. That a row is still there is asked for each time.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._kept: dict[str, RestoreJob] = {}

    def listed(
        self, tx: Connection, where: ColumnElement[bool], order: ColumnElement[Any]
    ) -> tuple[RestoreJob, ...]:
        """The jobs whose rows are ``where``, by ``order``."""
        ids = tx.execute(sa.select(restore_job.c.id).where(where).order_by(order)).scalars().all()
        found = {job_id: job for job_id in ids if (job := self._kept.get(job_id)) is not None}
        missing = [job_id for job_id in ids if job_id not in found]
        if missing:
            for row in tx.execute(SELECT.where(restore_job.c.id.in_(missing))):
                job = found[row.id] = restore_job_of(row)
                if job.finished_at is not None:
                    self._keep(job)
        return tuple(found[job_id] for job_id in ids)

    def _keep(self, job: RestoreJob) -> None:
        self._kept[job.id] = job
        while len(self._kept) > self._most:
            self._kept.pop(next(iter(self._kept)), None)
