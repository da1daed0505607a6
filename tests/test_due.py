"""When rules are due: tables of what each names, and properties of all of them."""

import itertools
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telamon.model.due import due_run, last_due, next_due, next_run
from telamon.model.instance import InstanceKind
from telamon.model.retention import Retention, RetentionUnit
from telamon.model.schedule import (
    INTERVALS,
    LAST_DAY_OF_MONTH,
    BackupSchedule,
    Frequency,
    PolicyItem,
    first_schedule,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEPT = Retention(unit=RetentionUnit.DAYS, value=7)


def item(frequency: Frequency, interval: int, kept: Retention = KEPT) -> PolicyItem:
    return PolicyItem(
        id=f"{frequency.value}-{interval}", frequency=frequency, interval=interval, retention=kept
    )


def schedule(*items: PolicyItem, hour: int = 3, minute: int = 16) -> BackupSchedule:
    return BackupSchedule(
        instance_id="i",
        policy_id="p",
        items=items,
        reference_hour=hour,
        reference_minute=minute,
        restore_window_days=7,
        names_in_export_prefix=False,
        changed_at=START,
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("frequency", "interval", "after", "moments"),
    [
        (Frequency.HOURLY, 6, "2026-08-10T07:50", ["08-10T09:16", "08-10T15:16", "08-10T21:16"]),
        (Frequency.HOURLY, 6, "2026-08-10T23:59", ["08-11T03:16"]),
        (Frequency.HOURLY, 12, "2026-08-10T00:00", ["08-10T03:16", "08-10T15:16", "08-11T03:16"]),
        (Frequency.HOURLY, 1, "2026-08-10T09:16", ["08-10T10:16"]),
        (Frequency.DAILY, 1, "2026-08-10T03:15", ["08-10T03:16", "08-11T03:16"]),
        (Frequency.DAILY, 1, "2026-08-31T03:16", ["09-01T03:16"]),
        (Frequency.WEEKLY, 1, "2026-08-10T03:15", ["08-10T03:16", "08-17T03:16"]),  # a Monday
        (Frequency.WEEKLY, 7, "2026-08-10T03:15", ["08-16T03:16", "08-23T03:16"]),
        (Frequency.MONTHLY, 1, "2026-08-10T00:00", ["09-01T03:16", "10-01T03:16"]),
        (Frequency.MONTHLY, 28, "2026-01-28T03:16", ["02-28T03:16", "03-28T03:16"]),
        (
            Frequency.MONTHLY,
            LAST_DAY_OF_MONTH,
            "2026-01-31T03:15",
            ["01-31T03:16", "02-28T03:16", "03-31T03:16", "04-30T03:16"],
        ),
        (Frequency.YEARLY, 12, "2026-08-10T00:00", ["12-01T03:16"]),
        (Frequency.YEARLY, 1, "2025-08-10T00:00", ["01-01T03:16"]),
    ],
)
def test_a_rule_names_these_moments_next(
    frequency: Frequency, interval: int, after: str, moments: list[str]
) -> None:
    rule, found, moment = item(frequency, interval), [], at(after)
    for _ in moments:
        moment = next_due(schedule(), rule, moment)
        found.append(moment)

    assert found == [at(f"2026-{text}") for text in moments]


def test_the_last_day_of_a_leap_years_february_is_the_29th() -> None:
    rule = item(Frequency.MONTHLY, LAST_DAY_OF_MONTH)

    assert next_due(schedule(), rule, at("2028-02-10T00:00")) == at("2028-02-29T03:16")
    assert last_due(schedule(), rule, at("2028-03-30T00:00")) == at("2028-02-29T03:16")


@pytest.mark.parametrize(
    ("kind", "days", "moments"),
    [
        (InstanceKind.SERVERLESS, 35, ["05-06T19:40", "05-07T01:40", "05-07T07:40"]),
        (InstanceKind.FLEX, 8, ["05-07T13:40", "05-08T13:40", "05-09T13:40"]),
        (InstanceKind.DEDICATED, 0, []),
    ],
)
def test_an_instance_begins_with_the_schedule_of_its_kind(
    kind: InstanceKind, days: int, moments: list[str]
) -> None:
    """Counted from the minute it was made in."""
    made = first_schedule("i", kind, policy_id="p", since=at("2026-05-06T13:40:59"))

    found, moment = [], at("2026-05-06T13:40:59")
    for _ in moments:
        due = next_run(made, moment)
        assert due is not None
        found.append(due)
        moment = due
    assert found == [at(f"2026-{text}") for text in moments]
    assert [rule.retention.value for rule in made.items] == ([days] if days else [])


items = st.sampled_from(
    [(frequency, interval) for frequency in Frequency for interval in sorted(INTERVALS[frequency])]
).map(lambda pair: item(*pair))
schedules = st.builds(
    lambda rules, hour, minute: schedule(*rules, hour=hour, minute=minute),
    st.lists(items, min_size=1, max_size=4, unique_by=lambda rule: rule.id),
    st.integers(0, 23),
    st.integers(0, 59),
)
moments = st.integers(0, 4 * 366 * 86_400).map(lambda seconds: START + timedelta(seconds=seconds))


@given(schedules, moments)
def test_nothing_is_due_between_a_moment_and_the_next(made: BackupSchedule, now: datetime) -> None:
    for rule in made.items:
        last, following = last_due(made, rule, now), next_due(made, rule, now)
        assert last <= now < following
        assert last_due(made, rule, following) == following
        assert last_due(made, rule, following - SECOND) == last
        assert next_due(made, rule, last) == following
        assert next_due(made, rule, last - SECOND) == last


@given(schedules, moments)
def test_every_moment_is_at_the_schedules_minute(made: BackupSchedule, now: datetime) -> None:
    for rule in made.items:
        moment = next_due(made, rule, now)
        assert (moment.minute, moment.second) == (made.reference_minute, 0)
        hours = (moment.hour - made.reference_hour) % 24
        assert hours % (rule.interval if rule.frequency is Frequency.HOURLY else 24) == 0


@given(schedules, moments, st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kathmandu"]))
def test_the_zone_that_a_moment_is_told_in_moves_nothing(
    made: BackupSchedule, now: datetime, zone: str
) -> None:
    there = now.astimezone(ZoneInfo(zone))

    for rule in made.items:
        assert last_due(made, rule, there) == last_due(made, rule, now)
        assert next_due(made, rule, there) == next_due(made, rule, now)


@pytest.fixture(params=["Europe/Berlin", "America/New_York", "UTC"])
def local_time(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own, as the operator has set it."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("local_time")
@pytest.mark.parametrize("day", ["2026-03-08", "2026-03-29", "2026-10-25", "2026-11-01"])
def test_a_change_to_or_from_summer_time_moves_nothing(day: str) -> None:
    """On these days Europe and America change: the runs are six hours apart all the same."""
    rule, moment = item(Frequency.HOURLY, 6), at(f"{day}T00:00") - timedelta(days=1)
    found = []
    for _ in range(12):
        moment = next_due(schedule(hour=2, minute=30), rule, moment)
        found.append(moment)

    assert {later - earlier for earlier, later in itertools.pairwise(found)} == {timedelta(hours=6)}
    assert {(one.hour, one.minute) for one in found} == {(2, 30), (8, 30), (14, 30), (20, 30)}


@given(schedules, st.lists(st.integers(1, 40 * 86_400), min_size=1, max_size=12))
def test_every_moment_is_in_exactly_one_run_however_seldom_somebody_looks(
    made: BackupSchedule, pauses: list[int]
) -> None:
    since = now = START
    for pause in pauses:
        now += timedelta(seconds=pause)
        due = due_run(made, since=since, now=now)
        passed = {rule.id for rule in made.items if next_due(made, rule, since) <= now}
        assert passed == ({rule.id for rule in due.items} if due else set())
        if due is not None:
            assert since < due.due_at <= now
            since = due.due_at
    assert due_run(made, since=since, now=now) is None


def test_rules_that_are_due_together_are_one_run_shown_as_the_rarest_and_kept_the_longest() -> None:
    long = Retention(unit=RetentionUnit.MONTHS, value=12)
    rules = (
        item(Frequency.MONTHLY, 1),
        item(Frequency.HOURLY, 1),
        item(Frequency.DAILY, 1, long),
        item(Frequency.WEEKLY, 1),
    )
    now = at("2026-09-01T03:20")  # a Tuesday

    due = due_run(schedule(*rules), since=at("2026-09-01T03:00"), now=now)

    assert due is not None
    assert (due.due_at, due.frequency) == (at("2026-09-01T03:16"), Frequency.MONTHLY)
    assert [rule.id for rule in due.items] == ["monthly-1", "hourly-1", "daily-1"]
    assert due.expires_at(now) == at("2027-09-01T03:20")


def test_a_schedule_without_rules_asks_for_nothing() -> None:
    assert due_run(schedule(), since=START, now=at("2030-01-01T00:00")) is None
    assert next_run(schedule(), START) is None
