"""Moments in SQL: whole epoch seconds."""

from datetime import UTC, datetime
from typing import overload


def to_seconds(moment: datetime) -> int:
    """Aware ``datetime`` to epoch seconds; fractions are cut off, as the wire has none."""
    return int(moment.timestamp())


@overload
def from_seconds(seconds: int) -> datetime: ...
@overload
def from_seconds(seconds: None) -> None: ...
def from_seconds(seconds: int | None) -> datetime | None:
    """Epoch seconds to an aware UTC ``datetime``."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
