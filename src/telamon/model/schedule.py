"""When snapshots are to be taken, and how long they are to be kept.

Dedicated clusters have schedules that their owners write, serverless instances and flex clusters
those that Atlas has for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telamon.model.instance import InstanceKind
from telamon.model.retention import Retention, RetentionUnit


class Frequency(StrEnum):
    """Words of the wire, the most frequent first."""

    HOURLY = "hourly"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"


LAST_DAY_OF_MONTH = 40
"""The interval of a monthly item that stands for the month's last day."""

INTERVALS: dict[Frequency, frozenset[int]] = {
    Frequency.HOURLY: frozenset({1, 2, 4, 6, 8, 12}),
    Frequency.DAILY: frozenset({1}),
    Frequency.WEEKLY: frozenset(range(1, 8)),
    Frequency.MONTHLY: frozenset({*range(1, 29), LAST_DAY_OF_MONTH}),
    Frequency.YEARLY: frozenset(range(1, 13)),
}
"""What an item of each frequency may have as its interval: every so many hours, or on which day of
the week from Monday, day of the month, or month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyItem:
    """One rule of a schedule. ``id`` is empty for one that nobody wrote."""

    id: str
    frequency: Frequency
    interval: int
    retention: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSchedule:
    """The one schedule of an instance; without items it asks for nothing.

    Hour and minute are of UTC, and the items' intervals are counted from them. ``changed_at`` is
    when it came to ask for what it asks for: moments before that are none of its own.
    """

    instance_id: str
    policy_id: str
    items: tuple[PolicyItem, ...]
    reference_hour: int
    reference_minute: int
    restore_window_days: int
    names_in_export_prefix: bool
    changed_at: datetime


DEFAULT_RESTORE_WINDOW_DAYS = 7
_EVERY_SIX_HOURS = PolicyItem(
    id="",
    frequency=Frequency.HOURLY,
    interval=6,
    retention=Retention(unit=RetentionUnit.DAYS, value=35),
)
_EVERY_DAY = PolicyItem(
    id="",
    frequency=Frequency.DAILY,
    interval=1,
    retention=Retention(unit=RetentionUnit.DAYS, value=8),
)
_RULES: Mapping[InstanceKind, tuple[PolicyItem, ...]] = {
    InstanceKind.SERVERLESS: (_EVERY_SIX_HOURS,),
    InstanceKind.FLEX: (_EVERY_DAY,),
    InstanceKind.DEDICATED: (),
}


def first_schedule(
    instance_id: str, kind: InstanceKind, *, policy_id: str, since: datetime
) -> BackupSchedule:
    """What an instance of the kind begins with; its hour and minute are those of ``since``, UTC."""
    return BackupSchedule(
        instance_id=instance_id,
        policy_id=policy_id,
        items=_RULES[kind],
        reference_hour=since.hour,
        reference_minute=since.minute,
        restore_window_days=DEFAULT_RESTORE_WINDOW_DAYS,
        names_in_export_prefix=False,
        changed_at=since,
    )
