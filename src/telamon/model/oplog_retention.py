"""Which slices of an oplog are to go, and why the others stay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice

KEPT = timedelta(hours=72)


class SliceReason(StrEnum):
    """In the order in which they are looked for: the first that holds is told."""

    YOUNG = "it is of the last 72 hours"
    LEADS_THERE = "the newest snapshot from before the last 72 hours needs it to get there"
    IN_USE = "a restore needs it"
    OVER = "its time is over"


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceVerdict:
    """One line of a plan."""

    slice: OplogSlice
    reason: SliceReason

    @property
    def is_deleted(self) -> bool:
        return self.reason is SliceReason.OVER


def plan_slices(
    slices: Sequence[OplogSlice],
    *,
    snapshots: Collection[ClusterTime],
    in_use: Collection[tuple[ClusterTime, ClusterTime]],
    now: datetime,
) -> tuple[SliceVerdict, ...]:
    """A verdict on each slice of one window, in their order.

    ``snapshots`` are the times of those that can be restored; ``in_use`` are from where to where
    restores go that have not ended. Of a window only the first slices ever go, so that it has no hole.
    """
    beginning = ClusterTime(seconds=int((now - KEPT).timestamp()), increment=0)
    base = max((time for time in snapshots if time <= beginning), default=None)
    verdicts: list[SliceVerdict] = []
    for one in slices:
        found = [
            (SliceReason.YOUNG, one.last >= beginning),
            (SliceReason.LEADS_THERE, base is not None and one.last > base),
            (SliceReason.IN_USE, any(_is_between(one, *way) for way in in_use)),
            (SliceReason.IN_USE, any(not each.is_deleted for each in verdicts)),
        ]
        reason = next((each for each, holds in found if holds), SliceReason.OVER)
        verdicts.append(SliceVerdict(slice=one, reason=reason))
    return tuple(verdicts)


def _is_between(one: OplogSlice, since: ClusterTime, until: ClusterTime) -> bool:
    return one.last > since and one.first <= until
