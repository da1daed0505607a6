"""A database with queues, and its asking side."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import sqlalchemy as sa

from telamon.jobs.engine_tables import jobs_table
from telamon.jobs.queue import JobKind, JobQueue, migrate
from telamon.state.database import Database
from tests.databases import Maker, templates
from tests.jobs.worker_process import running_worker
from tests.places import Place


@dataclass(frozen=True)
class Asking:
    """Asks for jobs, and looks at what the engine knows of them."""

    place: Place
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

        def work(tx: sa.Connection) -> str | None:
            jobs = jobs_table(tx)
            identifier = f"take_snapshot:{subject_id}"
            query = sa.select(jobs.c.status).where(jobs.c.workflow_uuid == identifier)
            status: str | None = tx.execute(query).scalar()
            return status

        return self.db.look(work)


@contextmanager
def open_asking(place: Place) -> Iterator[Asking]:
    with closing(place.open()) as db:
        queue = JobQueue(db.engine)
        yield Asking(place=place, db=db, queue=queue)
        queue.close()


@pytest.fixture(scope="session")
def unused_database(maker: Maker) -> Iterator[Place]:
    """One that never had a worker."""
    with templates(maker, _migrate) as place:
        yield place


@pytest.fixture(scope="session")
def used_database(maker: Maker, unused_database: Place) -> Iterator[Place]:
    """A database that has had a worker, which a new one gets ready for in a second less."""
    place = maker.make(unused_database)
    with running_worker(place):
        pass
    yield place
    maker.drop(place)


@pytest.fixture
def asking(maker: Maker, used_database: Place) -> Iterator[Asking]:
    yield from _asking(maker, used_database)


@pytest.fixture
def asking_anew(maker: Maker, unused_database: Place) -> Iterator[Asking]:
    """Of a database that never had a worker."""
    yield from _asking(maker, unused_database)


@pytest.fixture(scope="module")
def shared(maker: Maker, unused_database: Place) -> Iterator[Asking]:
    """One for the tests that leave its worker running."""
    yield from _asking(maker, unused_database)


def _asking(maker: Maker, template: Place) -> Iterator[Asking]:
    place = maker.make(template)
    with open_asking(place) as asking:
        yield asking
    maker.drop(place)


def _migrate(place: Place) -> None:
    with closing(place.open()) as db:
        db.migrate()
        migrate(db.engine)
