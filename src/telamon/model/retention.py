"""How long a snapshot is kept."""

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_MONTHS_OF_YEAR = 12


class RetentionUnit(StrEnum):
    """Words of the wire."""

    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    YEARS = "years"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """``value`` units, at least one."""

    unit: RetentionUnit
    value: int

    def end(self, start: datetime) -> datetime:
        """Months and years end on the same day of the month, or on the last there is."""
        if self.unit is RetentionUnit.DAYS:
            return start + timedelta(days=self.value)
        if self.unit is RetentionUnit.WEEKS:
            return start + timedelta(weeks=self.value)
        months = self.value
        if self.unit is RetentionUnit.YEARS:
            months *= _MONTHS_OF_YEAR
        years, month = divmod(start.month - 1 + months, _MONTHS_OF_YEAR)
        year = start.year + years
        last_day = calendar.monthrange(year, month + 1)[1]
        return start.replace(year=year, month=month + 1, day=min(start.day, last_day))
