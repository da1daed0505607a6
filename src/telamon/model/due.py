"""When the rules of a schedule are due.

Everything is reckoned in UTC, where every day has 24 hours: no change of local time moves a moment.
"""

import calendar
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from telamon.model.schedule import LAST_DAY_OF_MONTH, BackupSchedule, Frequency, PolicyItem

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRun:
    """One snapshot that is to be taken now, for every moment that has passed without one.

    ``due_at`` is the last of these moments; ``items`` are the rules that named any of them, in the
    schedule's order.
    """

    due_at: datetime
    items: tuple[PolicyItem, ...]

    @property
    def frequency(self) -> Frequency:
        """The rarest of the rules': as which the snapshot is shown."""
        rarest_last = list(Frequency)
        return max((item.frequency for item in self.items), key=rarest_last.index)

    def expires_at(self, start: datetime) -> datetime:
        """By the rule that keeps it longest."""
        return latest_end(self.items, start)


def latest_end(items: Iterable[PolicyItem], start: datetime) -> datetime:
    """Until when what is taken at ``start`` is kept; there is at least one rule."""
    return max(item.retention.end(start) for item in items)


def due_run(schedule: BackupSchedule, *, since: datetime, now: datetime) -> DueRun | None:
    """What has become due after ``since``, up to and with ``now``."""
    moments = [(item, last_due(schedule, item, now)) for item in schedule.items]
    passed = [(item, moment) for item, moment in moments if moment > since]
    if not passed:
        return None
    return DueRun(
        due_at=max(moment for _item, moment in passed),
        items=tuple(item for item, _moment in passed),
    )


def next_run(schedule: BackupSchedule, after: datetime) -> datetime | None:
    """When the next snapshot is due; None for a schedule without rules."""
    return min((next_due(schedule, item, after) for item in schedule.items), default=None)


def last_due(schedule: BackupSchedule, item: PolicyItem, at: datetime) -> datetime:
    """The last moment that the rule names, up to and with ``at``. In UTC."""
    at = at.astimezone(UTC)
    if item.frequency is Frequency.HOURLY:
        step = timedelta(hours=item.interval)
        yesterday = _moment(schedule, at.date() - _DAY)
        return yesterday + (at - yesterday) // step * step
    moment = _moment(schedule, _last_day(item, at.date()))
    return moment if moment <= at else _moment(schedule, _last_day(item, at.date() - _DAY))


def next_due(schedule: BackupSchedule, item: PolicyItem, after: datetime) -> datetime:
    """The first moment that the rule names after ``after``. In UTC."""
    last = last_due(schedule, item, after)
    if item.frequency is Frequency.HOURLY:
        return last + timedelta(hours=item.interval)
    return _moment(schedule, _following_day(item, last.date()))


def _moment(schedule: BackupSchedule, day: date) -> datetime:
    return datetime.combine(
        day, time(schedule.reference_hour, schedule.reference_minute), tzinfo=UTC
    )


def _last_day(item: PolicyItem, day: date) -> date:
    """The last day that the rule names, up to and with ``day``."""
    if item.frequency is Frequency.WEEKLY:
        return day - timedelta(days=(day.isoweekday() - item.interval) % 7)
    if item.frequency is Frequency.MONTHLY:
        this = _day_of_month(item, day)
        return this if this <= day else _day_of_month(item, day.replace(day=1) - _DAY)
    if item.frequency is Frequency.YEARLY:
        this = date(day.year, item.interval, 1)
        return this if this <= day else date(day.year - 1, item.interval, 1)
    return day


def _following_day(item: PolicyItem, day: date) -> date:
    """The next day that the rule names, after one that it names."""
    if item.frequency is Frequency.WEEKLY:
        return day + timedelta(days=7)
    if item.frequency is Frequency.MONTHLY:
        first_of_next = day.replace(day=_days_of_month(day)) + _DAY
        return _day_of_month(item, first_of_next)
    if item.frequency is Frequency.YEARLY:
        return date(day.year + 1, item.interval, 1)
    return day + _DAY


def _day_of_month(item: PolicyItem, day: date) -> date:
    """The one day of ``day``'s month that the rule names."""
    number = _days_of_month(day) if item.interval == LAST_DAY_OF_MONTH else item.interval
    return day.replace(day=number)


def _days_of_month(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]
