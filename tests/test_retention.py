"""How long a snapshot is kept: days, weeks, and months that are not all as long."""

from datetime import UTC, datetime

import pytest

from telamon.model.retention import Retention, RetentionUnit


def on(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 13, 45, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "unit", "value", "end"),
    [
        (on(2026, 3, 1), RetentionUnit.DAYS, 1, on(2026, 3, 2)),
        (on(2026, 12, 30), RetentionUnit.DAYS, 2, on(2027, 1, 1)),
        (on(2026, 3, 1), RetentionUnit.WEEKS, 5, on(2026, 4, 5)),
        (on(2026, 3, 15), RetentionUnit.MONTHS, 1, on(2026, 4, 15)),
        (on(2026, 1, 31), RetentionUnit.MONTHS, 1, on(2026, 2, 28)),
        (on(2028, 1, 31), RetentionUnit.MONTHS, 1, on(2028, 2, 29)),
        (on(2026, 12, 1), RetentionUnit.MONTHS, 1, on(2027, 1, 1)),
        (on(2026, 12, 31), RetentionUnit.MONTHS, 12, on(2027, 12, 31)),
        (on(2026, 3, 1), RetentionUnit.MONTHS, 9, on(2026, 12, 1)),
        (on(2026, 3, 1), RetentionUnit.YEARS, 2, on(2028, 3, 1)),
        (on(2028, 2, 29), RetentionUnit.YEARS, 1, on(2029, 2, 28)),
        (on(2026, 3, 1), RetentionUnit.YEARS, 3650, on(5676, 3, 1)),
    ],
)
def test_it_ends_here(start: datetime, unit: RetentionUnit, value: int, end: datetime) -> None:
    assert Retention(unit=unit, value=value).end(start) == end
