"""The jobs that prune and check the repository.

Each has one step, which looks at the repository anew whenever it is done. A prune needs the repository
for itself, but for a dry run; who sees to that asks ``PruneRepository.takes_away``. Before each deletion
it asks whether it is still this worker's.
"""

import random
from abc import ABC, abstractmethod
from dataclasses import replace

import structlog

from telamon.clock import Clock
from telamon.errors import RepositoryJobFailed, TelamonError
from telamon.jobs.worker import Steps
from telamon.model.repository_job import (
    CheckOutcome,
    FoundDamage,
    PlannedPack,
    PlannedPrune,
    PruneOutcome,
    RepositoryJob,
    RepositoryReport,
)
from telamon.operations.confirming import ALWAYS, Confirm
from telamon.repository.check import Check, CheckReport, Part
from telamon.repository.prune import Action, Prune, PrunePlan
from telamon.repository.repository import Repository
from telamon.state import repository_jobs as rows
from telamon.state import snapshots
from telamon.state.database import Database

TOLD_AT_MOST = 1000
"""Packs, findings or notes in a report."""
_ATTEMPTS_AT_MOST = 3

_log = structlog.get_logger()


class _RunRepositoryJob(ABC):
    def __init__(self, db: Database, repository: Repository, clock: Clock) -> None:
        self._db = db
        self._repository = repository
        self._clock = clock

    def run(self, subject_id: str, steps: Steps) -> None:
        steps("run", lambda: self._run(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        self._db.transact(
            lambda tx: rows.fail(tx, subject_id, failure=error.message, at=self._clock())
        )

    def _run(self, job_id: str) -> None:
        if self._job(job_id).finished_at is not None:
            return  # the worker ended after the job did
        attempt = self._db.transact(lambda tx: rows.start(tx, job_id, at=self._clock()))
        if attempt > _ATTEMPTS_AT_MOST:
            raise RepositoryJobFailed(
                f"The worker ended {_ATTEMPTS_AT_MOST} times while it did this."
            )
        self._do(self._job(job_id))

    def _job(self, job_id: str) -> RepositoryJob:
        return self._db.look(lambda tx: rows.by_id(tx, job_id))

    def _finish(
        self, job: RepositoryJob, report: RepositoryReport, findings: int | None = None
    ) -> None:
        at = self._clock()
        self._db.transact(lambda tx: rows.finish(tx, job, report, findings=findings, at=at))

    @abstractmethod
    def _do(self, job: RepositoryJob) -> None: ...


class PruneRepository(_RunRepositoryJob):
    """A plan, then its execution: killed anywhere, the next begin plans what is left."""

    def __init__(
        self, db: Database, repository: Repository, clock: Clock, confirm: Confirm = ALWAYS
    ) -> None:
        super().__init__(db, repository, clock)
        self._confirm = confirm

    def takes_away(self, subject_id: str) -> bool:
        """Whether it deletes anything, so that nobody may read or write meanwhile."""
        job = self._job(subject_id)
        return not job.dry_run and job.finished_at is None

    def _do(self, job: RepositoryJob) -> None:
        prune = Prune(self._repository.guarded(lambda: self._confirm(job.id)))
        report = RepositoryReport(plan=_planned(prune.plan))
        if not job.dry_run:
            self._db.transact(lambda tx: rows.tell(tx, job.id, report))
            done = prune.execute()
            report = replace(
                report,
                prune=PruneOutcome(
                    deleted=len(done.deleted),
                    freed_bytes=done.freed_bytes,
                    written_bytes=done.written_bytes,
                    kept=done.kept[:TOLD_AT_MOST],
                ),
            )
            _log.info(
                "repository_pruned",
                action="prune_repository",
                deleted=len(done.deleted),
                freed_bytes=done.freed_bytes,
            )
        self._finish(job, report)


class CheckRepository(_RunRepositoryJob):
    """Changes nothing but its own row. One that finds damage has ended well, and says so."""

    def _do(self, job: RepositoryJob) -> None:
        expected = set(self._db.look(snapshots.completed_ids))
        found = Check(self._repository, random.SystemRandom()).run(
            read_data_percent=job.read_data_percent, expected=expected
        )
        gone = expected - set(self._db.look(snapshots.completed_ids))  # deleted meanwhile
        findings = tuple(
            one
            for one in found.findings
            if not (one.part is Part.MANIFEST and gone.issuperset(one.snapshots))
        )
        for one in findings[:TOLD_AT_MOST]:
            _log.error("repository_damaged", action="check_repository", reason=one.harm)
        report = RepositoryReport(check=_checked(replace(found, findings=findings)))
        self._finish(job, report, findings=len(findings))


def _planned(plan: PrunePlan) -> PlannedPrune:
    leaving = sorted(
        (*plan.of(Action.DELETE), *plan.of(Action.REPACK)),
        key=lambda decision: -decision.pack.size_bytes,
    )
    return PlannedPrune(
        packs=tuple(
            PlannedPack(
                key=decision.pack.key,
                action=decision.action.value,
                reason=decision.reason,
                size_bytes=decision.pack.size_bytes,
                used_bytes=decision.pack.used_bytes,
            )
            for decision in leaving[:TOLD_AT_MOST]
        ),
        packs_left_off=max(0, len(leaving) - TOLD_AT_MOST),
        kept=len(plan.of(Action.KEEP)),
        repacked=len(plan.of(Action.REPACK)),
        deleted=len(plan.of(Action.DELETE)),
        freed_bytes=plan.freed_bytes,
        rewritten_bytes=plan.rewritten_bytes,
    )


def _checked(found: CheckReport) -> CheckOutcome:
    return CheckOutcome(
        snapshots=found.snapshots,
        packs=found.packs,
        chunks=found.chunks,
        unneeded_chunks=found.unneeded_chunks,
        read_bytes=found.read_bytes,
        findings=tuple(
            FoundDamage(part=one.part.value, name=one.name, harm=one.harm, snapshots=one.snapshots)
            for one in found.findings[:TOLD_AT_MOST]
        ),
        notes=found.notes[:TOLD_AT_MOST],
    )
