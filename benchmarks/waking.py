"""What a moment of rest costs a process on this machine.

The median seconds of one statement of SQLite through Telamon's own database layer, many times in a
row, and each time after a second of rest. On a machine of its own the two are of one
size. A virtual machine may take the memory of who rests, and give it back page by page.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from telamon.state.database import Database

_IN_A_ROW = 200
_RESTED = 5
_REST_SECONDS = 1.0


def price_of_rest() -> dict[str, float]:
    """``in_a_row`` and ``rested``, in seconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Database.sqlite(Path(folder) / "telamon.db")) as db,
    ):
        db.migrate()

        def statement() -> None:
            db.look(lambda tx: tx.execute(sa.text("SELECT 1")).scalar_one())

        return {
            "in_a_row": statistics.median(_seconds(statement) for _ in range(_IN_A_ROW)),
            "rested": statistics.median(_rested_seconds(statement) for _ in range(_RESTED)),
        }


def _rested_seconds(act: Callable[[], None]) -> float:
    time.sleep(_REST_SECONDS)
    return _seconds(act)


def _seconds(act: Callable[[], None]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started
