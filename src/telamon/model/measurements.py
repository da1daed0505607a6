"""What can be measured of the protected instances and of the repository."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodSnapshot:
    """One that can be restored. ``seconds`` is how long it took; None where nobody wrote that down."""

    taken_at: datetime
    size_bytes: int
    new_bytes: int
    seconds: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredInstance:
    """``newest`` is its newest good snapshot, None if it has none; ``drilled_at`` when a drill of one
    of them last passed."""

    instance_id: str
    group_id: str
    name: str
    created_at: datetime
    newest: GoodSnapshot | None
    drilled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySize:
    """As it was when somebody looked. Logical bytes are those of the snapshots' documents."""

    measured_at: datetime
    packs: int
    stored_bytes: int
    snapshots: int
    logical_bytes: int
