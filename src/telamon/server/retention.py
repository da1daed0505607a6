"""``telamon retention``: the plan, and what comes of it."""

import contextlib
from collections.abc import Iterator

from telamon.clock import system_clock
from telamon.config import Settings
from telamon.ids import new_id
from telamon.operations.expired_snapshots import ExpiredSnapshots
from telamon.server.state import prepared_state


@contextlib.contextmanager
def expired_snapshots(settings: Settings) -> Iterator[ExpiredSnapshots]:
    """Of the database that the settings name."""
    state = prepared_state(settings)
    with contextlib.closing(state.db):
        yield ExpiredSnapshots(state.db, state.queue, clock=system_clock, new_id=new_id)
