"""Records of what is long over: taken away in small transactions, the oldest first.

Restore jobs can be read for as long as was promised when they were made. Their numbers stay without
gaps: of an instance's only the first are ever taken away, and where they begin moves with them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from telamon.clock import Clock
from telamon.jobs.records import JobRecords, ended_before
from telamon.operations.restore_jobs import RECORD_KEPT_DAYS
from telamon.state import (
    collection_restore_jobs,
    drills,
    old_restore_jobs,
    repository_jobs,
    schedule_runs,
)
from telamon.state.database import Database

BATCH = 500
_RESTORE_JOBS_KEPT = timedelta(days=RECORD_KEPT_DAYS)
_DRILLS_KEPT = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """How many records went."""

    job_records: int
    restore_jobs: int
    schedule_runs: int
    repository_jobs: int
    drills: int


class Pruning:
    """Killed between two batches it goes on with the next one; two at once do each other's work."""

    def __init__(self, db: Database, records: JobRecords, *, kept: timedelta, clock: Clock) -> None:
        """``kept`` is for how long the engine's records, runs of schedules and jobs of the
        repository stay."""
        self._db = db
        self._records = records
        self._kept = kept
        self._clock = clock

    def prune(self) -> Pruned:
        return Pruned(
            job_records=_all(self._forget_jobs),
            restore_jobs=sum(
                _all(partial(self._forget_restores, each, prune))
                for each in self._owners()
                for prune in (old_restore_jobs.prune, collection_restore_jobs.prune)
            ),
            schedule_runs=_all(self._forget_runs),
            repository_jobs=_all(self._forget_repository_jobs),
            drills=_all(self._forget_drills),
        )

    def _forget_jobs(self) -> int:
        before = self._clock() - self._kept
        ids = self._db.look(lambda tx: ended_before(tx, before, limit=BATCH))
        if ids:
            self._records.forget(ids)
        return len(ids)

    def _owners(self) -> tuple[str, ...]:
        before = self._clock() - _RESTORE_JOBS_KEPT
        return self._db.look(
            lambda tx: tuple(
                {
                    *old_restore_jobs.owners_of_old(tx, before),
                    *collection_restore_jobs.owners_of_old(tx, before),
                }
            )
        )

    def _forget_restores(self, instance_id: str, prune: Callable[..., int]) -> int:
        before = self._clock() - _RESTORE_JOBS_KEPT
        return self._db.transact(lambda tx: prune(tx, instance_id, before, limit=BATCH))

    def _forget_runs(self) -> int:
        before = self._clock() - self._kept
        return self._db.transact(lambda tx: schedule_runs.prune(tx, before, limit=BATCH))

    def _forget_repository_jobs(self) -> int:
        before = self._clock() - self._kept
        return self._db.transact(lambda tx: repository_jobs.prune(tx, before, limit=BATCH))

    def _forget_drills(self) -> int:
        before = self._clock() - _DRILLS_KEPT
        return self._db.transact(lambda tx: drills.prune(tx, before, limit=BATCH))


def _all(forget: Callable[[], int]) -> int:
    """Batch after batch, until one is not full."""
    total = 0
    while (count := forget()) == BATCH:
        total += count
    return total + count
