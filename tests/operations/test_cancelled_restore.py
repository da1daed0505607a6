"""Restores that were cancelled, on real deployments: the target is as it was, without a shadow."""

import os
import signal
import threading
from collections.abc import Callable, Generator
from threading import Event
from typing import TypeVar

import pytest

from telamon.errors import RestoreCancelled
from telamon.jobs.worker import Steps
from telamon.model.manifest import StoredCollection
from telamon.model.restore_job import RestoreStage
from telamon.mongo.restore import Restore
from telamon.operations.run_restore import RunRestore
from telamon.repository.repository import Repository
from telamon.state import restore_jobs
from telamon.state.database import Database, Work
from telamon.state.tables import instance
from tests.conftest import Mongod
from tests.databases import on_sqlite
from tests.operations.conftest import World
from tests.operations.crashes import fill, hashes, plainly
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import JOB, NOW, SECOND_INSTANCE, SNAPSHOT, clock

pytestmark = on_sqlite

T = TypeVar("T")


@pytest.fixture
def asked(world: World, source: Mongod, target: Mongod) -> World:
    """A restore into a filled deployment is queued."""
    fill(source.client)
    fill(target.client, mark="target")
    world.attach(source.uri)
    world.attach(target.uri, instance_id=SECOND_INSTANCE, name="Target")
    world.ask_for_snapshot()
    world.snapshot_handler().run(SNAPSHOT, plainly)
    world.ask_for_restore()
    return world


def cancel(db: Database) -> bool:
    return db.transact(lambda tx: restore_jobs.cancel(tx, JOB, failure="Cancelled.", at=NOW))


class CancellingDatabase(Database):
    """Somebody cancels the job just before the worker's first transaction."""

    def __init__(self, inner: Database) -> None:
        super().__init__(inner.engine)
        self._inner = inner
        self.was_cancelled = False

    def transact(self, work: Work[T]) -> T:
        if not self.was_cancelled:
            self.was_cancelled = cancel(self._inner)
        return super().transact(work)


def require_untouched(world: World, target: Mongod, before: dict[str, dict[str, str]]) -> None:
    job = world.restore_job()
    assert (job.stage, job.cancelled, job.failure) == (RestoreStage.FAILED, True, "Cancelled.")
    assert hashes(target.client) == before


def test_it_does_nothing(asked: World, target: Mongod) -> None:
    before = hashes(target.client)
    assert cancel(asked.db)

    asked.restore_handler().run(JOB, plainly)

    require_untouched(asked, target, before)


def test_cancelled_at_the_last_moment_it_does_nothing_either(asked: World, target: Mongod) -> None:
    before = hashes(target.client)
    db = CancellingDatabase(asked.db)

    asked.restore_handler(db=db).run(JOB, plainly)

    assert db.was_cancelled
    require_untouched(asked, target, before)


# Once a worker has begun it

CANCELLED = "It was cancelled. The target's own data is as it was."


def request(db: Database) -> bool:
    return db.transact(lambda tx: restore_jobs.request_cancel(tx, JOB, at=NOW))


def run_to_its_end(handler: RunRestore, steps: Steps = plainly) -> None:
    """As the worker does it."""
    with pytest.raises(RestoreCancelled) as caught:
        handler.run(JOB, steps)
    handler.fail(JOB, caught.value)
    handler.fail(JOB, caught.value)


def require_cancelled(world: World, target: Mongod, before: dict[str, dict[str, str]]) -> None:
    job = world.restore_job()
    assert (job.stage, job.cancelled, job.failure) == (RestoreStage.FAILED, True, CANCELLED)
    assert hashes(target.client) == before
    assert target.client.admin["telamon.restore"].find_one() is None


class WaitingRepository(Repository):
    """Between two chunks somebody cancels the job, and the worker does not go on until it is seen."""

    db: Database
    seen: Event

    def documents(self, stored: StoredCollection) -> Generator[bytes]:
        for piece in super().documents(stored):
            assert request(self.db)
            assert self.seen.wait(20)
            yield piece


def test_it_ends_between_two_batches(
    asked: World, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hashes(target.client)
    repository = WaitingRepository.open(asked.store)
    repository.db, repository.seen = asked.db, Event()
    interrupt = Restore.interrupt

    def noticed(restore: Restore) -> None:
        interrupt(restore)
        repository.seen.set()

    monkeypatch.setattr(Restore, "interrupt", noticed)
    run_to_its_end(RunRestore(asked.db, asked.credentials, repository, clock, look_seconds=0.01))

    require_cancelled(asked, target, before)


class FreezingRepository(Repository):
    """When the first chunk is read the target stands still, and somebody cancels the job."""

    db: Database
    target: Mongod
    frozen: int | None = None

    def documents(self, stored: StoredCollection) -> Generator[bytes]:
        for piece in super().documents(stored):
            if self.frozen is None:
                self.frozen = self.target.process.pid
                assert self.frozen is not None
                os.kill(self.frozen, signal.SIGSTOP)
                assert request(self.db)
            yield piece


@pytest.mark.usefixtures("impatient")
def test_it_ends_while_the_target_stands_still(asked: World, target: Mongod) -> None:
    before = hashes(target.client)
    repository = FreezingRepository.open(asked.store)
    repository.db, repository.target = asked.db, target
    handler = RunRestore(
        asked.db,
        asked.credentials,
        repository,
        clock,
        look_seconds=0.01,
        patience_seconds=0.1,
    )
    try:
        run_to_its_end(handler)
    finally:
        if repository.frozen is not None:
            os.kill(repository.frozen, signal.SIGCONT)

    beside = " What was prepared beside it goes with the next restore."
    job = asked.restore_job()
    assert (job.cancelled, job.failure) == (True, CANCELLED + beside)
    for left in threading.enumerate():
        if left.name in {"telamon-cancellable", "telamon-interrupt"}:
            left.join(30)
            assert not left.is_alive()
    own = {
        database: {
            name: digest
            for name, digest in collections.items()
            if not name.startswith("telamon.shadow.")
        }
        for database, collections in hashes(target.client).items()
    }
    assert {database: found for database, found in own.items() if found} == before


@pytest.mark.parametrize("moment", ["before the load", "after the load", "as the worker dies"])
def test_it_ends_before_the_swap(asked: World, target: Mongod, moment: str) -> None:
    """Also with the next worker, if the first one was killed."""
    before = hashes(target.client)

    def steps(name: str, work: Callable[[], T]) -> T:
        if name == "load" and moment == "before the load":
            asked.db.transact(lambda tx: restore_jobs.start(tx, JOB))
            assert request(asked.db)
        if name == "swap":
            assert request(asked.db)
            if moment == "as the worker dies":
                raise CrashError
        return work()

    if moment == "as the worker dies":
        with pytest.raises(CrashError):
            asked.restore_handler().run(JOB, steps)
        run_to_its_end(asked.restore_handler())
    else:
        run_to_its_end(asked.restore_handler(), steps)

    require_cancelled(asked, target, before)


def test_in_the_swap_it_goes_on(asked: World, source: Mongod, target: Mongod) -> None:
    def steps(name: str, work: Callable[[], T]) -> T:
        if name == "discard":
            assert not request(asked.db)
        return work()

    asked.restore_handler().run(JOB, steps)

    assert hashes(target.client) == hashes(source.client)
    assert asked.restore_job().stage is RestoreStage.FINISHED


@pytest.mark.usefixtures("impatient")
def test_what_a_target_that_does_not_answer_holds_is_told(asked: World, target: Mongod) -> None:
    del target
    asked.db.transact(lambda tx: restore_jobs.start(tx, JOB))
    assert request(asked.db)
    uri = "mongodb://somebody:secret@127.0.0.1:1/?authSource=admin"
    sealed = asked.credentials.seal_uri(SECOND_INSTANCE, uri)
    asked.db.transact(
        lambda tx: tx.execute(
            instance.update()
            .where(instance.c.id == SECOND_INSTANCE)
            .values(sealed_credentials=sealed)
        )
    )

    run_to_its_end(asked.restore_handler())

    beside = " What was prepared beside it goes with the next restore."
    assert asked.restore_job().failure == CANCELLED + beside
