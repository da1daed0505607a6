"""A database with queues, and its asking side."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from telamon.jobs.queue import JobKind, JobQueue, migrate
from telamon.state.database import Database
from tests.jobs.worker_process import running_worker


@dataclass(frozen=True)
class Asking:
    """Asks for jobs, and looks at what the engine knows of them."""

    path: Path
    db: Database
    queue: JobQueue

    def ask(self, *subjects: str, lock: str = "lock") -> None:
        """One after the other."""
        for subject_id in subjects:
            self.db.transact(partial(self._ask, subject_id, lock))

    def _ask(self, subject_id: str, lock: str, tx: sa.Connection) -> None:
        self.queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, subject_id, lock=lock)

    def status(self, subject_id: str) -> str | None:
        """The engine's own word for the state of a job; None for one that it does not know."""
        query = sa.text("SELECT status FROM workflow_status WHERE workflow_uuid = :id")
        identifier = f"take_snapshot:{subject_id}"
        return self.db.look(lambda tx: tx.execute(query, {"id": identifier}).scalar())


def open_asking(path: Path) -> Iterator[Asking]:
    db = Database.sqlite(path)
    db.migrate()
    migrate(db.engine)
    queue = JobQueue(db.engine)
    yield Asking(path=path, db=db, queue=queue)
    queue.close()
    db.close()


@pytest.fixture(scope="session")
def used_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that has had a worker, which a new one gets ready for in a second less."""
    folder = tmp_path_factory.mktemp("used")
    for asked in open_asking(folder / "telamon.db"):
        with running_worker(asked.path):
            pass
        with (
            closing(sqlite3.connect(asked.path)) as source,
            closing(sqlite3.connect(folder / "copy.db")) as copy,
        ):
            source.backup(copy)
    return folder / "copy.db"


@pytest.fixture
def asking(used_database: Path, tmp_path: Path) -> Iterator[Asking]:
    shutil.copy(used_database, tmp_path / "telamon.db")
    yield from open_asking(tmp_path / "telamon.db")


@pytest.fixture
def asking_anew(tmp_path: Path) -> Iterator[Asking]:
    """Of a database that never had a worker."""
    yield from open_asking(tmp_path / "telamon.db")
