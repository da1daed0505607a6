"""How far a restore job has come, written down now and then."""

import threading
import time

from telamon.errors import RestoreCancelled
from telamon.state import restore_jobs as rows
from telamon.state.database import Database

_PROGRESS_SECONDS = 0.5


class Progress:
    """Adds up what several threads have done, and notes it in the job's row twice a second at most."""

    def __init__(self, db: Database, restore_job_id: str) -> None:
        self._db = db
        self._restore_job_id = restore_job_id
        self._guard = threading.Lock()
        self._documents = 0
        self._size_bytes = 0
        self._namespaces = 0
        self._told_at = float("-inf")

    def add(self, documents: int, size_bytes: int, namespaces: int) -> None:
        """So many more are done. Raises RestoreCancelled once the job has been ended by somebody."""
        with self._guard:
            self._documents += documents
            self._size_bytes += size_bytes
            self._namespaces += namespaces
            if time.monotonic() - self._told_at < _PROGRESS_SECONDS:
                return
            self._told_at = time.monotonic()
            is_noted = self._db.transact(
                lambda tx: rows.set_progress(
                    tx,
                    self._restore_job_id,
                    documents=self._documents,
                    size_bytes=self._size_bytes,
                    namespaces=self._namespaces,
                )
            )
        if not is_noted:
            raise RestoreCancelled


def unnoticed(_documents: int, _size_bytes: int, _namespaces: int) -> None:
    """Progress that is not noted."""
