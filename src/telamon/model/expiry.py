"""Which snapshots of an instance are to go, and why the others stay."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telamon.model.instance import InstanceKind
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType

_NEWEST_OF_FLEX = 8


class Reason(StrEnum):
    """In the order in which they are looked for: the first that holds is told."""

    BEING_TAKEN = "it is being taken"
    NOT_EXPIRED = "its time is not over"
    IN_USE = "it is being restored, downloaded or drilled"
    NEWEST = "it is the newest good one of its instance"
    AMONG_NEWEST = "it is among the scheduled ones that are always kept"
    EXPIRED = "its time is over"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRules:
    """What is kept though its time is over: so many of the scheduled ones, and the newest good one.

    A good snapshot is one that can be restored.
    """

    newest_scheduled: int = 0
    keeps_newest: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One line of a plan."""

    snapshot: Snapshot
    reason: Reason

    @property
    def is_deleted(self) -> bool:
        return self.reason is Reason.EXPIRED


def keep_rules(kind: InstanceKind, *, is_deleted: bool) -> KeepRules:
    """Of a deleted instance nothing is kept for longer than was said when it was taken."""
    if is_deleted:
        return KeepRules(keeps_newest=False)
    return KeepRules(newest_scheduled=_NEWEST_OF_FLEX if kind is InstanceKind.FLEX else 0)


def plan_expiry(
    snapshots: Sequence[Snapshot], rules: KeepRules, *, in_use: Set[str], now: datetime
) -> tuple[Verdict, ...]:
    """A verdict on each of one instance's snapshots, in their order.

    ``in_use`` are ids of snapshots that are being restored, downloaded or drilled.
    """
    good = sorted(
        (one for one in snapshots if one.status is SnapshotStatus.COMPLETED),
        key=_age,
        reverse=True,
    )
    scheduled = [one.id for one in good if one.snapshot_type is SnapshotType.SCHEDULED]
    always_kept = frozenset(scheduled[: rules.newest_scheduled])
    newest = good[0].id if good and rules.keeps_newest else None

    def reason(one: Snapshot) -> Reason:
        found = [
            (Reason.BEING_TAKEN, one.finished_at is None),
            (Reason.NOT_EXPIRED, now < one.expires_at),
            (Reason.IN_USE, one.id in in_use),
            (Reason.NEWEST, one.id == newest),
            (Reason.AMONG_NEWEST, one.id in always_kept),
        ]
        return next((each for each, holds in found if holds), Reason.EXPIRED)

    return tuple(Verdict(snapshot=one, reason=reason(one)) for one in snapshots)


def _age(one: Snapshot) -> tuple[datetime, int, int, str]:
    """Those of one second are told apart by what they hold; their ids are in no order."""
    time = one.cluster_time
    return (one.requested_at, time.seconds if time else 0, time.increment if time else 0, one.id)
