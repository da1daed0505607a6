"""What a target holds after its restore was interrupted: rows of the table in docs/restore.md.

Others are in tests/end_to_end/test_interruptions.py and next to what they are about.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from pymongo.errors import PyMongoError

from telamon.blobs.base import BlobStore
from telamon.errors import RestoreFailed, Unavailable
from telamon.operations.run_restore import RunRestore
from telamon.repository.repository import Repository
from tests.blobs.faulty import WrappedStore
from tests.conftest import Mongod
from tests.databases import on_sqlite
from tests.mongo.memory import content
from tests.operations.conftest import World
from tests.operations.crashes import CrashingSteps, fill, hashes, plainly
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import JOB, SECOND_INSTANCE, SNAPSHOT, clock

pytestmark = on_sqlite

POINTS = 7  # of the steps load and swap, and before discard


@pytest.fixture
def taken(world: World, source: Mongod) -> World:
    """A snapshot of a filled deployment is there."""
    fill(source.client)
    world.attach(source.uri)
    world.ask_for_snapshot()
    world.snapshot_handler().run(SNAPSHOT, plainly)
    return world


def ask(world: World, target: Mongod) -> None:
    """For a restore into another filled deployment."""
    fill(target.client, mark="target")
    world.attach(target.uri, instance_id=SECOND_INSTANCE, name="Target")
    world.ask_for_restore()


def ask_again(world: World) -> None:
    world.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
    world.ask_for_restore()


class Interrupted(WrappedStore):
    """Does something before its first chunk is read."""

    def __init__(self, inner: BlobStore, act: Callable[[], object]) -> None:
        super().__init__(inner)
        self._act = act
        self._has_acted = False

    def get_range(self, key: str, start: int, length: int) -> bytes:
        if not self._has_acted:
            self._has_acted = True
            self._act()
        return super().get_range(key, start, length)


def interrupted(world: World, act: Callable[[], object]) -> str:
    """Run the job, as a worker does, with ``act`` in the middle of its load; why it failed."""
    repository = Repository.open(Interrupted(world.store, act))
    handler = RunRestore(world.db, world.credentials, repository, clock)
    with pytest.raises((RestoreFailed, Unavailable)) as caught:
        handler.run(JOB, plainly)
    handler.fail(JOB, caught.value)
    failure = world.restore_job().failure
    assert failure is not None
    assert failure.endswith(" The target's own data is as it was.")
    return failure


def test_a_target_that_steps_down_keeps_its_data(
    taken: World, source: Mongod, own_mongod: Mongod
) -> None:
    ask(taken, own_mongod)
    before = hashes(own_mongod.client)

    interrupted(taken, lambda: step_down(own_mongod))

    own_mongod.client.admin.command("ping")
    await_primary(own_mongod)
    ask_again(taken)
    assert without_shadows(own_mongod) == before
    taken.restore_handler().run(JOB, plainly)
    assert content(own_mongod.client) == content(source.client)


def step_down(mongod: Mongod) -> None:
    with suppress(PyMongoError):  # it closes its connections
        mongod.client.admin.command("replSetStepDown", 1, secondaryCatchUpPeriodSecs=0, force=True)


def await_primary(mongod: Mongod) -> None:
    """A write waits until there is one again."""
    mongod.client.local.telamon.insert_one({})
    mongod.client.local.telamon.drop()


def without_shadows(mongod: Mongod) -> dict[str, dict[str, str]]:
    """What could not be discarded while nobody was primary goes with the next restore."""
    found = {
        database: {name: of for name, of in names.items() if "telamon.shadow" not in name}
        for database, names in hashes(mongod.client).items()
    }
    return {database: names for database, names in found.items() if names}


def test_a_repository_that_goes_away_leaves_the_target_and_works_when_it_is_back(
    taken: World, source: Mongod, target: Mongod, tmp_path: Path
) -> None:
    ask(taken, target)
    before = content(target.client)
    place, elsewhere = tmp_path / "repository", tmp_path / "unplugged"

    interrupted(taken, lambda: place.rename(elsewhere))

    assert content(target.client) == before
    elsewhere.rename(place)
    ask_again(taken)
    taken.restore_handler().run(JOB, plainly)
    assert content(target.client) == content(source.client)


@pytest.mark.parametrize("at", range(1, POINTS + 1))
def test_a_program_that_knows_nothing_of_the_steps_before_it_finishes_the_job(
    taken: World, source: Mongod, target: Mongod, at: int
) -> None:
    """As one does whose steps are others: the engine lets it begin anew."""
    ask(taken, target)
    with pytest.raises(CrashError):
        taken.restore_handler().run(JOB, CrashingSteps(at))

    taken.restore_handler().run(JOB, CrashingSteps(0))

    assert content(target.client) == content(source.client)
    job = taken.restore_job()
    assert (job.failed, job.documents) == (False, job.documents_total)
