"""The one place that asks the machine what time it is."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present as an aware UTC ``datetime`` of whole seconds. Tests pass their own."""


def system_clock() -> datetime:
    """The machine's clock. Nothing on the wire is finer than a second."""
    now = datetime.now(UTC)  # noqa: TID251  # this is the module the rule points to
    return now.replace(microsecond=0)
