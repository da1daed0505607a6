"""A prune as a job: when it has the repository for itself, and what becomes of it if it loses that."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import Unavailable
from telamon.model.repository_job import RepositoryJobStatus
from telamon.operations.run_repository_job import PruneRepository
from telamon.repository.repository import Repository
from telamon.server import with_repository as module
from telamon.server.locks import FleetRepositoryLock, RepositoryAccess, RepositoryLock, never_lost
from telamon.server.with_repository import AloneWithRepository, Confirmation
from telamon.state.database import Database
from tests.blobs.faulty import WrappedStore
from tests.databases import PostgresMaker
from tests.operations.crashes import plainly
from tests.operations.upkeep import PRUNE, UPKEEP, Upkeep, upkeep
from tests.places import Place
from tests.repository.samples import SECOND
from tests.server.test_lost_locks import lose
from tests.state.samples import clock, fill_database, open_database


@pytest.fixture
def given(tmp_path: Path) -> Iterator[Upkeep]:
    with closing(open_database(tmp_path / "telamon.db")) as db:
        yield upkeep(db)


@pytest.fixture
def lock(tmp_path: Path) -> RepositoryLock:
    return RepositoryLock(tmp_path)


class Telling(WrappedStore):
    """Does something before each deletion."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__(MemoryBlobStore())
        self._act = act

    def delete(self, key: str) -> None:
        self._act()
        super().delete(key)


def wrapped(
    db: Database,
    repository: Repository,
    lock: RepositoryAccess,
    *,
    tidy: Callable[[], None] = lambda: None,
    pause: Callable[[float], object] = lambda seconds: pytest.fail(f"waited for {seconds} s"),
) -> AloneWithRepository:
    confirmation = Confirmation(require=never_lost, require_lately=never_lost)
    prune = PruneRepository(db, repository, clock, confirmation)
    return AloneWithRepository(prune, repository, lock, confirmation, tidy=tidy, pause=pause)


def copied(given: Upkeep, act: Callable[[], None]) -> Repository:
    """The same repository in a store that tells of deletions."""
    store = Telling(act)
    for info in given.repository.store.list(""):
        store.put(info.key, given.repository.store.get(info.key))
    return Repository.open(store)


def test_nobody_reads_or_writes_while_it_deletes(given: Upkeep, lock: RepositoryLock) -> None:
    refusals: list[str] = []

    def look() -> None:
        with pytest.raises(Unavailable) as caught, lock.shared():
            pass
        refusals.append(caught.value.message)

    given.ask(PRUNE)

    wrapped(given.db, copied(given, look), lock, tidy=look).run(UPKEEP, plainly)

    assert len(refusals) > 1  # one by the tidying
    assert set(refusals) == {"The repository is being pruned; try again when that is done."}
    assert given.found().status is RepositoryJobStatus.COMPLETED
    with lock.alone():
        pass


def test_it_waits_for_who_uses_the_repository_and_stands_back_in_between(
    given: Upkeep, lock: RepositoryLock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LONGEST_WAIT_SECONDS", 0.04)
    given.ask(PRUNE)
    waits: list[float] = []

    with ExitStack() as snapshot:
        snapshot.enter_context(lock.shared())

        def pause(seconds: float) -> None:
            waits.append(seconds)
            with lock.shared():  # another one is not held up
                assert given.found().status is RepositoryJobStatus.QUEUED
            if len(waits) == 4:
                snapshot.close()

        wrapped(given.db, given.repository, lock, pause=pause).run(UPKEEP, plainly)

    assert waits == [0.01, 0.02, 0.04, 0.04]
    assert given.found().status is RepositoryJobStatus.COMPLETED


def test_a_dry_run_runs_beside_others(given: Upkeep, lock: RepositoryLock) -> None:
    given.ask(PRUNE, dry_run=True)
    before = given.packs

    with lock.shared():
        wrapped(
            given.db, given.repository, lock, tidy=lambda: pytest.fail("others are writing")
        ).run(UPKEEP, plainly)

    assert given.found().status is RepositoryJobStatus.COMPLETED
    assert given.packs == before


@pytest.fixture
def shared_place(postgres: PostgresMaker) -> Iterator[Place]:
    made = postgres.make()
    fill_database(made)
    yield made
    postgres.drop(made)


def test_one_that_loses_its_lock_deletes_nothing_until_it_has_another(shared_place: Place) -> None:
    losses = 0

    def lose_once() -> None:
        nonlocal losses
        losses += 1
        if losses == 1:
            lose(shared_place)  # the next deletion is not confirmed any more

    with closing(shared_place.open()) as db:
        given = upkeep(db)
        given.repository.delete_snapshot(SECOND)
        repository = copied(given, lose_once)
        packs = len(given.packs)
        given.ask(PRUNE)

        wrapped(db, repository, FleetRepositoryLock(shared_place.address)).run(UPKEEP, plainly)

        assert (losses, packs) == (packs, 2)
        found = given.found()
        assert found.status is RepositoryJobStatus.COMPLETED
        assert found.report.prune is not None
        assert found.report.prune.deleted == packs - 1  # what it did in its last begin
