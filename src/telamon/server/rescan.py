"""``telamon repository rescan``."""

import contextlib

from telamon.clock import system_clock
from telamon.config import Settings
from telamon.operations.rescan import Progress, Rescan, RescanReport
from telamon.server.repository import RepositoryPlace, shared_repository
from telamon.server.state import prepared_state
from telamon.state import installation


def rescan(settings: Settings, place: RepositoryPlace, progress: Progress) -> RescanReport:
    """Give every snapshot of the repository its row. Raises as ``Rescan.run`` does."""
    state = prepared_state(settings)
    with contextlib.closing(state.db), shared_repository(place) as repository:
        state.db.transact(lambda tx: installation.set_repository_id(tx, repository.repository_id))
        return Rescan(state.db, repository, clock=system_clock).run(progress)
