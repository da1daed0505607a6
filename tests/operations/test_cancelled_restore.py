"""A restore that was cancelled before a worker began it, on real deployments."""

from typing import TypeVar

import pytest

from telamon.model.restore_job import RestoreStage
from telamon.state import restore_jobs
from telamon.state.database import Database, Work
from tests.conftest import Mongod
from tests.operations.conftest import World
from tests.operations.crashes import fill, hashes, plainly
from tests.state.samples import JOB, NOW, SECOND_INSTANCE, SNAPSHOT

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


def test_once_it_has_begun_it_is_not_cancelled(
    asked: World, source: Mongod, target: Mongod
) -> None:
    asked.db.transact(lambda tx: restore_jobs.start(tx, JOB))

    assert not cancel(asked.db)

    asked.restore_handler().run(JOB, plainly)
    assert hashes(target.client) == hashes(source.client)
