"""Every kind of job: killed anywhere, or with each step done twice, it ends as if nothing had been.

Kinds whose own modules prove that are named here with the tests that do; the others are driven here.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection

from telamon.jobs.queue import JobKind
from telamon.jobs.worker import JobHandler, Steps
from telamon.model.instance import Instance, InstanceState
from telamon.model.repository_job import RepositoryJobKind
from telamon.mongo.connect import open_client
from telamon.operations.credentials import Credentials
from telamon.operations.instances import CreateInstance, DeleteInstance
from telamon.operations.managed_instances import ManagedInstances
from telamon.operations.run_repository_job import CheckRepository, PruneRepository
from telamon.repository.repository import Repository
from telamon.state import instances
from telamon.state.database import Database
from telamon.state.sealing import Sealer
from tests.operations import (
    test_delete_snapshot,
    test_prepare_download,
    test_run_drill,
    test_run_restore,
    test_take_snapshot,
)
from tests.operations.crashes import CrashingDatabase, CrashingSteps, plainly, twice
from tests.operations.upkeep import UPKEEP, Upkeep, upkeep
from tests.repository.samples import SECOND, orders, read
from tests.repository.wrapped_stores import CrashError, CrashingStore
from tests.state.samples import INSTANCE, clock, instance, open_database

ELSEWHERE: dict[JobKind, tuple[Callable[..., None], ...]] = {
    JobKind.TAKE_SNAPSHOT: (
        test_take_snapshot.test_taking_it_twice_ends_as_taking_it_once,
        test_take_snapshot.test_a_crash_at_any_point_of_its_step_is_made_up_for,
        test_take_snapshot.test_a_crash_at_any_transaction_is_made_up_for,
    ),
    JobKind.RESTORE: (
        test_run_restore.test_taking_every_step_twice_ends_as_taking_it_once,
        test_run_restore.test_a_crash_at_any_point_of_any_step_is_made_up_for,
        test_run_restore.test_a_crash_at_any_transaction_is_made_up_for,
    ),
    JobKind.DELETE_SNAPSHOT: (
        test_delete_snapshot.test_deleting_twice_ends_as_deleting_once,
        test_delete_snapshot.test_a_crash_at_any_point_of_its_step_is_made_up_for,
        test_delete_snapshot.test_a_crash_at_its_transaction_is_made_up_for,
    ),
    JobKind.DRILL: (
        test_run_drill.test_a_drill_of_the_zoo_passes,
        test_run_drill.test_what_a_worker_that_was_killed_left_is_taken_away_by_the_next_attempt,
        test_run_drill.test_a_drill_that_has_ended_is_not_done_again,
    ),
    JobKind.PREPARE_DOWNLOAD: (
        test_prepare_download.test_it_keeps_the_checksum_of_every_collection,
        test_prepare_download.test_a_crash_at_any_point_is_made_up_for,
        test_prepare_download.test_a_crash_at_any_transaction_is_made_up_for,
    ),
}


@dataclass(frozen=True)
class Job:
    """One that has been asked for. ``require_done`` looks at everything that it changes."""

    subject_id: str
    handler: Callable[[Database], JobHandler]
    require_done: Callable[[], None]
    steps: int
    transactions: int


def _repository_job(
    given: Upkeep,
    kind: RepositoryJobKind,
    handler: Callable[[Database, Repository], JobHandler],
    *,
    transactions: int,
) -> Job:
    given.ask(kind)

    def require_done() -> None:
        found = given.found()
        assert (found.failure, found.finished_at) == (None, clock())
        left = given.opened()
        assert read(left, SECOND)["orders"] == b"".join(orders(200))
        if kind is RepositoryJobKind.CHECK:
            assert found.findings == 0
            return
        again = PruneRepository(given.db, left, clock)
        given.ask(kind, id="f" * 24, dry_run=True)
        again.run("f" * 24, plainly)
        plan = given.found("f" * 24).report.plan
        assert plan is not None
        assert (plan.repacked, plan.deleted) == (0, 0)  # nothing is left to do

    return Job(
        subject_id=UPKEEP,
        handler=lambda db: handler(db, given.opened()),
        require_done=require_done,
        steps=1,
        transactions=transactions,
    )


def prune(db: Database) -> Job:
    def handler(db: Database, repository: Repository) -> JobHandler:
        return PruneRepository(db, repository, clock)

    return _repository_job(upkeep(db), RepositoryJobKind.PRUNE, handler, transactions=3)


def check(db: Database) -> Job:
    def handler(db: Database, repository: Repository) -> JobHandler:
        return CheckRepository(db, repository, clock)

    return _repository_job(upkeep(db), RepositoryJobKind.CHECK, handler, transactions=2)


MakeJob = Callable[[Database], Job]
HERE: dict[JobKind, MakeJob] = {JobKind.PRUNE: prune, JobKind.CHECK: check}
INSTANCES = {JobKind.CREATE_INSTANCE, JobKind.DELETE_INSTANCE}


@pytest.mark.parametrize("kind", JobKind)
def test_no_kind_is_left_out(kind: JobKind) -> None:
    assert [kind in ELSEWHERE, kind in HERE, kind in INSTANCES].count(True) == 1


EVERY_JOB = pytest.mark.parametrize("make", HERE.values(), ids=[kind.value for kind in HERE])


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """New ones, of SQLite: what a kind of database does differently is in tests of its own."""
    numbers = itertools.count()
    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(open_database(tmp_path / f"{next(numbers)}.db")))


def run_twice_if_it_crashes(job: Job, db: Database, crashing: Database, steps: Steps) -> bool:
    """Whether it crashed; it is done then by another worker."""
    try:
        job.handler(crashing).run(job.subject_id, steps)
    except CrashError:
        job.handler(db).run(job.subject_id, steps)
        return True
    return False


@EVERY_JOB
def test_each_step_twice_ends_as_once(make: MakeJob, databases: Callable[[], Database]) -> None:
    db = databases()
    job = make(db)

    job.handler(db).run(job.subject_id, twice)

    job.require_done()


@EVERY_JOB
def test_a_crash_at_any_point_of_any_step_is_made_up_for(
    make: MakeJob, databases: Callable[[], Database]
) -> None:
    points = 3 * make(databases()).steps
    for at in itertools.count(1):
        db = databases()
        job = make(db)
        crashed = run_twice_if_it_crashes(job, db, db, CrashingSteps(at))
        job.require_done()
        if not crashed:
            break
    assert at == points + 1


@EVERY_JOB
@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_transaction_is_made_up_for(
    make: MakeJob, databases: Callable[[], Database], after: bool
) -> None:
    transactions = make(databases()).transactions
    for at in itertools.count(1):
        db = databases()
        job = make(db)
        crashing = CrashingDatabase(db, at=at, after=after)
        crashed = run_twice_if_it_crashes(job, db, crashing, CrashingSteps(0))
        job.require_done()
        if not crashed:
            break
    assert at == transactions + 1


class CrashingChanges(CrashingStore):
    """Crashes at its n-th change, a deletion or a put."""

    def delete(self, key: str) -> None:
        self._puts += 1
        if self._puts < self._at:
            super().delete(key)
            return
        if self._after and self._puts == self._at:
            super().delete(key)
        raise CrashError


@pytest.mark.parametrize("after", [False, True])
def test_a_prune_that_crashes_at_any_change_of_the_store_is_made_up_for(
    databases: Callable[[], Database], after: bool
) -> None:
    for at in itertools.count(1):
        db = databases()
        given = upkeep(db)
        store = CrashingChanges(given.repository.store, at=at, after=after)
        job = _repository_job(
            given,
            RepositoryJobKind.PRUNE,
            lambda db, repository: PruneRepository(db, repository, clock),
            transactions=3,
        )
        try:
            PruneRepository(db, Repository.open(store), clock).run(UPKEEP, plainly)
        except CrashError:
            assert read(given.opened(), SECOND)["orders"] == b"".join(orders(200))
            given.pruner().run(UPKEEP, plainly)
            job.require_done()
        else:
            job.require_done()
            break
    assert at == 3  # of a pack that is written and one that goes


# Instances, whose mongods take their time: made and taken away by turns


@pytest.fixture
def managers(
    mongod_program: Path, tmp_path: Path
) -> Iterator[Callable[[Database], ManagedInstances]]:
    """As each worker has one of its own, on the same directory."""
    made: list[ManagedInstances] = []

    def manage(db: Database) -> ManagedInstances:
        root = tmp_path / "instances"
        made.append(
            ManagedInstances(db, Credentials(Sealer(bytes(32))), mongod=mongod_program, root=root)
        )
        return made[-1]

    yield manage
    for managed in made:
        for process in managed._processes.values():
            process.stop()


def insert_managed(db: Database, credentials: Credentials) -> None:
    made = instance(state=InstanceState.CREATING)
    sealed = credentials.seal_new_passwords(INSTANCE)
    db.transact(lambda tx: instances.insert(tx, made, sealed_credentials=sealed))


def row_and_uri(credentials: Credentials, tx: Connection) -> tuple[Instance, str]:
    row = instances.by_id(tx, INSTANCE)
    return row, credentials.owner_uri(tx, row)


@pytest.mark.mongod
def test_an_instance_is_made_and_taken_away_by_workers_that_crash_at_any_point(
    databases: Callable[[], Database],
    managers: Callable[[Database], ManagedInstances],
    tmp_path: Path,
) -> None:
    credentials = Credentials(Sealer(bytes(32)))
    crashes: list[tuple[bool, bool]] = []
    # Of steps: one to make it, two to take it away. Then of transactions, of which each has one.
    for at, tx_at, after in [*((at, 0, False) for at in range(1, 8)), (0, 1, False), (0, 1, True)]:
        db = databases()
        insert_managed(db, credentials)

        def crashing(db: Database = db, tx_at: int = tx_at, after: bool = after) -> Database:
            return CrashingDatabase(db, at=tx_at, after=after) if tx_at else db

        made = run_twice_if_it_crashes(
            Job(
                subject_id=INSTANCE,
                handler=lambda db: CreateInstance(db, managers(db)),
                require_done=lambda: None,
                steps=1,
                transactions=1,
            ),
            db,
            crashing(),
            CrashingSteps(at),
        )
        row, uri = db.look(partial(row_and_uri, credentials))
        assert row.state is InstanceState.IDLE
        with open_client(uri) as client:
            assert client.server_info()["version"] == row.mongodb_version

        db.transact(lambda tx: instances.set_state(tx, INSTANCE, InstanceState.DELETING))
        gone = run_twice_if_it_crashes(
            Job(
                subject_id=INSTANCE,
                handler=lambda db: DeleteInstance(db, managers(db), clock),
                require_done=lambda: None,
                steps=2,
                transactions=1,
            ),
            db,
            crashing(),
            CrashingSteps(at),
        )
        assert not (tmp_path / "instances" / INSTANCE).exists()
        assert db.look(lambda tx: instances.is_deleted(tx, INSTANCE))
        crashes.append((made, gone))
    both, gone_only, neither = (True, True), (False, True), (False, False)
    assert crashes == [*[both] * 3, *[gone_only] * 3, neither, both, both]
