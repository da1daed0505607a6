"""Jobs that look after the repository as a whole: prunes and checks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RepositoryJobKind(StrEnum):
    PRUNE = "prune"
    """Gives back the space of what no snapshot needs."""
    CHECK = "check"
    """Looks for damage."""


class RepositoryJobStatus(StrEnum):
    QUEUED = "queued"
    """It waits for a worker, or for the repository."""
    IN_PROGRESS = "inProgress"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPack:
    """A pack that does not stay, and why."""

    key: str
    action: str
    reason: str
    size_bytes: int
    used_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPrune:
    """What a prune is to do. ``packs`` are the largest of those that do not stay."""

    packs: tuple[PlannedPack, ...]
    packs_left_off: int
    kept: int
    repacked: int
    deleted: int
    freed_bytes: int
    rewritten_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOutcome:
    """What a prune did. ``kept`` has a sentence for each of some packs that could not go."""

    deleted: int
    freed_bytes: int
    written_bytes: int
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDamage:
    part: str
    name: str
    harm: str
    snapshots: tuple[str, ...]
    """Ids of those that cannot be restored whole because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What a check found. Of findings and notes there are the first."""

    snapshots: int
    packs: int
    chunks: int
    unneeded_chunks: int
    read_bytes: int
    findings: tuple[FoundDamage, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryReport:
    """What a job has told so far: of its last begin, should there have been several."""

    plan: PlannedPrune | None = None
    prune: PruneOutcome | None = None
    check: CheckOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryJob:
    id: str
    kind: RepositoryJobKind
    requested_at: datetime
    due_at: datetime | None = None
    """Of one that no caller asked for: the moment from which it was due."""
    dry_run: bool = False
    """A prune that makes its plan, and no more."""
    read_data_percent: float = 0.0
    """Of the packs that a check reads."""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    failure: str | None = None
    findings: int | None = None
    """Of a check that has ended: all of them."""
    report: RepositoryReport = RepositoryReport()

    @property
    def status(self) -> RepositoryJobStatus:
        if self.failure is not None:
            return RepositoryJobStatus.FAILED
        if self.finished_at is not None:
            return RepositoryJobStatus.COMPLETED
        if self.started_at is not None:
            return RepositoryJobStatus.IN_PROGRESS
        return RepositoryJobStatus.QUEUED
