"""When snapshots of a dedicated cluster are to be taken, and how long they are to be kept."""

from dataclasses import dataclass
from enum import StrEnum

from telamon.model.retention import Retention


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
    """One rule of a schedule."""

    id: str
    frequency: Frequency
    interval: int
    retention: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupSchedule:
    """The one schedule of a cluster; without items it asks for nothing.

    Hour and minute are of UTC, and the items' intervals are counted from them.
    """

    instance_id: str
    policy_id: str
    items: tuple[PolicyItem, ...]
    reference_hour: int
    reference_minute: int
    restore_window_days: int
    names_in_export_prefix: bool
