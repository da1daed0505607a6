"""Drills: a snapshot restored into a throwaway mongod, to prove that it can be."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class DrillState(StrEnum):
    """Words of the wire."""

    QUEUED = "queued"
    """Asked for."""
    RUNNING = "running"
    """A worker restores the snapshot and compares."""
    PASSED = "passed"
    """Everything that was restored is what the snapshot has."""
    FAILED = "failed"
    """It is not, or could not be restored; ``failure`` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill of one snapshot, which is the newest good one of the instance when it is asked for.

    ``started_at`` is that of the last attempt.
    """

    id: str
    group_id: str
    instance_id: str
    instance_name: str
    snapshot_id: str
    state: DrillState
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failure: str | None
