"""What is captured of a deployment's oplog: slices, and windows that slices cover without a gap."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from telamon.model.manifest import ClusterTime


@dataclass(frozen=True, slots=True, kw_only=True)
class OplogSlice:
    """Entries of an oplog, from ``first`` to ``last``.

    Whatever changed anything in ``(after, last]`` is in it; ``after`` is where the slice before it
    ends, or where its window begins.
    """

    instance_id: str
    after: ClusterTime
    first: ClusterTime
    last: ClusterTime


@dataclass(frozen=True, slots=True, kw_only=True)
class OplogWindow:
    """``number`` counts an instance's windows from 1. Every moment in ``[start, until]`` is covered.

    ``stored_until`` is where its last slice ends, or ``start``: behind it nothing changed.
    ``digest`` tells the entry at ``until`` from another one at that time. ``gap`` is why it does not
    go on where the one before ended; None for the first.
    """

    instance_id: str
    number: int
    start: ClusterTime
    stored_until: ClusterTime
    until: ClusterTime
    digest: bytes
    gap: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFailure:
    """Why the last pass over an oplog came to nothing."""

    reason: str
    at: datetime


def covering(
    windows: Iterable[OplogWindow], since: ClusterTime, until: ClusterTime
) -> OplogWindow | None:
    """The window in which one can get from one moment to the other; the newest, of several."""
    found = [one for one in windows if one.start <= since and until <= one.until]
    return max(found, key=lambda one: one.number, default=None)
