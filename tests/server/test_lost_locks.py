"""Locks of the database that are lost with their connection, and who must not go on then."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from telamon.config import Settings
from telamon.errors import LockLost, TelamonError, WorkerReplaced
from telamon.jobs.worker import Steps
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from telamon.server.locks import FleetRepositoryLock, never_lost
from telamon.server.repository import create_repository, open_existing, own_repository, place_of
from telamon.server.with_repository import Confirmation, WithRepository
from tests.databases import PostgresMaker
from tests.places import Place
from tests.repository.samples import orders, take

T = TypeVar("T")
FIRST = "65f0000000000000000000d1"
KILL_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def place(postgres: PostgresMaker) -> Iterator[Place]:
    made = postgres.make()
    yield made
    postgres.drop(made)


@pytest.fixture
def settings(place: Place, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=place.address)


@pytest.fixture
def repository(settings: Settings) -> Repository:
    """With one snapshot."""
    made = create_repository(place_of(settings))
    take(made, FIRST, {"orders": orders(40)})
    return made


def lose(place: Place) -> None:
    with closing(place.open()) as db:
        db.transact(lambda tx: tx.exec_driver_sql(KILL_OTHERS))


class Job:
    """Asks whether it may go on; loses the lock before, so many times."""

    def __init__(self, place: Place, confirmation: Confirmation, losses: int) -> None:
        self._place = place
        self._confirmation = confirmation
        self._losses = losses
        self.runs = 0

    def run(self, subject_id: str, steps: Steps) -> None:
        del steps
        self.runs += 1
        if self.runs <= self._losses:
            lose(self._place)
        self._confirmation(subject_id)

    def fail(self, subject_id: str, error: TelamonError) -> None: ...


def _steps(name: str, work: Callable[[], T]) -> T:
    raise AssertionError(name)


def _job(place: Place, repository: Repository, losses: int) -> tuple[Job, WithRepository]:
    confirmation = Confirmation(require=never_lost, require_lately=never_lost)
    job = Job(place, confirmation, losses)
    lock = FleetRepositoryLock(place.address)
    return job, WithRepository(job, repository, lock, confirmation)


def test_a_job_whose_lock_is_lost_runs_again_under_another(
    place: Place, repository: Repository
) -> None:
    job, wrapped = _job(place, repository, losses=2)

    wrapped.run(FIRST, _steps)

    assert job.runs == 3


def test_a_job_whose_lock_is_always_lost_fails(place: Place, repository: Repository) -> None:
    job, wrapped = _job(place, repository, losses=9)

    with pytest.raises(LockLost, match="The connection to the database was lost"):
        wrapped.run(FIRST, _steps)

    assert job.runs == 3


def test_a_job_is_asked_whether_it_is_still_the_workers_own(
    place: Place, repository: Repository
) -> None:
    def refuse() -> None:
        raise WorkerReplaced("Others have it.")

    confirmation = Confirmation(require=refuse, require_lately=refuse)
    job = Job(place, confirmation, 0)
    lock = FleetRepositoryLock(place.address)

    with pytest.raises(WorkerReplaced):
        WithRepository(job, repository, lock, confirmation).run(FIRST, _steps)
    with pytest.raises(WorkerReplaced):
        confirmation.lately(FIRST)


def test_a_prune_whose_lock_is_lost_deletes_nothing_more(
    place: Place, settings: Settings, repository: Repository
) -> None:
    """From then on others may count on what it would delete."""
    repository.delete_snapshot(FIRST)
    packs = [info.key for info in repository.store.list("packs/")]
    assert packs

    with own_repository(place_of(settings), wait_seconds=0) as own:
        prune = Prune(own, max_unused_percent=0)
        lose(place)
        with pytest.raises(LockLost):
            prune.execute()

    again = open_existing(place_of(settings))
    assert [info.key for info in again.store.list("packs/")] == packs
    with own_repository(place_of(settings), wait_seconds=0) as own:
        Prune(own, max_unused_percent=0).execute()
    assert not list(again.store.list("packs/"))
