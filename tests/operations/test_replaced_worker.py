"""Jobs of a worker that was taken for dead: nothing that it does is seen, or harms its successor."""

from collections.abc import Callable

import pytest

from telamon.errors import LockLost, RestoreFailed, WorkerReplaced
from telamon.jobs.lease import Lease
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from telamon.operations.run_restore import RunRestore
from telamon.operations.snapshots import TakeSnapshot
from telamon.repository.repository import Repository
from telamon.state import restore_jobs, workers
from telamon.state.workers import LivingWorker
from tests.conftest import Mongod
from tests.databases import on_sqlite
from tests.operations.conftest import World
from tests.operations.crashes import fill, hashes, plainly
from tests.state.samples import JOB, SECOND_INSTANCE, SNAPSHOT, clock

pytestmark = on_sqlite


class Confirming:
    """Does ``act`` at each question, of which ``lately`` is none."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def __call__(self, subject_id: str) -> None:
        del subject_id
        self._act()

    def lately(self, subject_id: str) -> None:
        del subject_id


def refuse() -> None:
    raise WorkerReplaced("Others have its jobs.")


@pytest.fixture
def asked(world: World, source: Mongod, target: Mongod) -> World:
    """A snapshot of a filled deployment is queued; there is another deployment."""
    fill(source.client)
    world.attach(source.uri)
    world.attach(target.uri, instance_id=SECOND_INSTANCE, name="Instance1")
    world.ask_for_snapshot()
    return world


@pytest.fixture
def loaded(asked: World, target: Mongod) -> World:
    """The snapshot is taken, and to be restored into the other deployment."""
    asked.snapshot_handler().run(SNAPSHOT, plainly)
    fill(target.client, mark="target")
    asked.ask_for_restore()
    return asked


def ghost(world: World) -> Lease:
    """A lease that was never given, or was taken away."""
    living = LivingWorker(id="w", machine="m", has_mongod=False, version="v")
    return Lease(world.db, living, beat_seconds=1, lease_seconds=1, lost=lambda: None)


def taker(world: World, act: Callable[[], None]) -> TakeSnapshot:
    repository = Repository.open(world.store)
    return TakeSnapshot(world.db, world.credentials, repository, clock, Confirming(act))


def restorer(world: World, act: Callable[[], None]) -> RunRestore:
    repository = Repository.open(world.store)
    return RunRestore(world.db, world.credentials, repository, clock, Confirming(act))


def test_who_may_not_confirm_puts_no_manifest(asked: World) -> None:
    with pytest.raises(WorkerReplaced):
        taker(asked, refuse).run(SNAPSHOT, plainly)

    assert Repository.open(asked.store).snapshot_ids() == ()
    asked.snapshot_handler().run(SNAPSHOT, plainly)
    assert asked.snapshot().status is SnapshotStatus.COMPLETED


def test_a_manifest_that_a_ghost_has_put_is_taken_for_the_snapshots(
    asked: World, source: Mongod
) -> None:
    """It was put between the successor's last look and its own, and holds what was there then."""

    def be_slower() -> None:
        asked.snapshot_handler().run(SNAPSHOT, plainly)

    source.client.shop.orders.insert_one({"_id": "later"})
    taker(asked, be_slower).run(SNAPSHOT, plainly)

    manifest = Repository.open(asked.store).manifest(SNAPSHOT)
    found = asked.snapshot()
    assert (found.status, found.documents) == (SnapshotStatus.COMPLETED, manifest.documents)


def test_without_a_lease_no_status_is_written(asked: World) -> None:
    handler = TakeSnapshot(
        ghost(asked).fenced, asked.credentials, Repository.open(asked.store), clock
    )

    with pytest.raises(WorkerReplaced):
        handler.run(SNAPSHOT, plainly)
    with pytest.raises(WorkerReplaced):
        handler.fail(SNAPSHOT, RestoreFailed("no"))

    assert asked.snapshot().status is SnapshotStatus.QUEUED


def test_with_a_lease_it_is(asked: World) -> None:
    lease = ghost(asked)
    asked.db.transact(
        lambda tx: workers.insert(
            tx, LivingWorker(id="w", machine="m", has_mongod=False, version="v")
        )
    )

    TakeSnapshot(lease.fenced, asked.credentials, Repository.open(asked.store), clock).run(
        SNAPSHOT, plainly
    )

    assert asked.snapshot().status is SnapshotStatus.COMPLETED


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_who_may_not_confirm_neither_loads_nor_swaps_and_tells_nothing(
    loaded: World, source: Mongod, target: Mongod, answers: int
) -> None:
    """Refused at the load, at the first step of the swap, and between two of its steps."""
    before = hashes(target.client)
    asked: list[bool] = []

    def refuse_later() -> None:
        asked.append(True)
        if len(asked) > answers:
            refuse()

    handler = restorer(loaded, refuse_later)
    with pytest.raises(WorkerReplaced) as replaced:
        handler.run(JOB, plainly)
    with pytest.raises(WorkerReplaced):
        handler.fail(JOB, replaced.value)

    assert loaded.restore_job().finished_at is None
    if answers < 3:
        found = hashes(target.client)
        assert {name: without_shadows(found[name]) for name in before} == before
    loaded.restore_handler().run(JOB, plainly)
    assert hashes(target.client) == hashes(source.client)


def without_shadows(names: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in names.items() if not name.startswith("telamon.shadow")}


def test_a_restore_that_begins_anew_in_the_middle_of_its_swap_says_so_when_it_fails(
    loaded: World, source: Mongod, target: Mongod
) -> None:
    """As under a program that does not know how far it was."""
    del source, target
    loaded.db.transact(lambda tx: restore_jobs.set_swapping(tx, JOB))

    loaded.db.transact(lambda tx: restore_jobs.start(tx, JOB))
    loaded.restore_handler().fail(JOB, RestoreFailed("No."))

    job = loaded.restore_job()
    assert job.stage is RestoreStage.FAILED
    assert job.failure is not None
    assert "may hold a mixture" in job.failure


def test_a_lost_lock_is_no_answer_to_whom_a_job_belongs(asked: World) -> None:
    """It comes out as it is, for whoever holds the lock to begin again."""

    def lose() -> None:
        raise LockLost("It was lost.")

    with pytest.raises(LockLost):
        taker(asked, lose).run(SNAPSHOT, plainly)

    assert Repository.open(asked.store).snapshot_ids() == ()
    assert asked.snapshot().status is SnapshotStatus.IN_PROGRESS
