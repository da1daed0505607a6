"""The database's catalogue of snapshots, for commands that work on the repository."""

import contextlib

from telamon.config import Settings
from telamon.server.state import database_path, open_database
from telamon.state import snapshots


def catalogued_snapshots(settings: Settings) -> tuple[str, ...]:
    """Ids of the snapshots that the database has as completed; none where there is no database.

    Changes nothing. Raises what ``Database.look`` does.
    """
    if not settings.database_url and not database_path(settings).exists():
        return ()
    with contextlib.closing(open_database(settings)) as db:
        return db.look(snapshots.completed_ids)
