"""What a restore job is asked to do otherwise than usual."""

from dataclasses import dataclass
from enum import StrEnum


class IndexFailures(StrEnum):
    """What happens to a restore when the target cannot build an index; words of Telamon's own paths."""

    FAIL = "fail"
    """It fails, and the target stays as it was."""
    SKIP = "skip"
    """It goes on without that index, and its evidence names it and the server's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """Options of one job. Each has a usual value, with which a restore is what Atlas does."""

    index_failures: IndexFailures = IndexFailures.FAIL


USUAL = RestoreOptions()
