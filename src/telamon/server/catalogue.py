"""The database's catalogue of snapshots, for commands that work on the repository."""

import contextlib

from telamon.config import Settings
from telamon.state import snapshots
from telamon.state.database import Database


def catalogued_snapshots(settings: Settings) -> tuple[str, ...]:
    """Ids of the snapshots that the database has as completed; none where there is no database.

    Changes nothing. Raises what ``Database.look`` does.
    """
    path = settings.data_dir / "telamon.db"
    if not path.exists():
        return ()
    with contextlib.closing(Database.sqlite(path)) as db:
        return db.look(snapshots.completed_ids)
