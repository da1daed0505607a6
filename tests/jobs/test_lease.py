"""A worker's right to write: kept, lost, and handed back, on each kind of database."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.errors import WorkerReplaced
from telamon.jobs.engine_tables import jobs_table
from telamon.jobs.lease import Lease, give_back_orphans, reap
from telamon.jobs.queue import JobKind
from telamon.state import workers
from telamon.state.tables import organization
from telamon.state.workers import LivingWorker
from tests.databases import on_postgresql
from tests.jobs.conftest import Asking

NEVER = 3600
FOREVER_SILENT = -1
"""As a lease: whoever beats now has been silent for longer."""
VERSION = "telamon-1"

Leases = Callable[..., Lease]


@pytest.fixture
def leases(asking: Asking) -> Iterator[Leases]:
    """Makes leases that have begun; none beats by itself unless it is told to."""
    numbers = itertools.count()
    made: list[Lease] = []
    replace_silent(asking)  # the worker that the database once had

    def make(*, beat_seconds: float = NEVER, lost: Callable[[], None] = lambda: None) -> Lease:
        lease = Lease(
            asking.db,
            living(f"w{next(numbers)}"),
            beat_seconds=beat_seconds,
            lease_seconds=NEVER,
            lost=lost,
        )
        made.append(lease)
        return lease

    yield make
    for lease in made:
        lease.fenced.close()


def living(worker_id: str, *, version: str = VERSION) -> LivingWorker:
    return LivingWorker(id=worker_id, machine="here", has_mongod=False, version=version)


def note(tx: Connection, name: str = "noted") -> None:
    tx.execute(
        organization.insert().values(id=name, name=name, created_at=0, requires_access_list=False)
    )


def is_noted(asking: Asking) -> bool:
    found = sa.select(organization.c.id).where(organization.c.id == "noted")
    return asking.db.look(lambda tx: tx.execute(found).first() is not None)


def replace_silent(asking: Asking) -> tuple[str, ...]:
    return asking.db.transact(lambda tx: reap(tx, version=VERSION, lease_seconds=FOREVER_SILENT))


def run_on(asking: Asking, subject_id: str, worker_id: str, *, version: str = VERSION) -> None:
    """As the engine notes it."""

    def work(tx: Connection) -> None:
        jobs = jobs_table(tx)
        tx.execute(
            sa.update(jobs)
            .where(jobs.c.workflow_uuid == f"take_snapshot:{subject_id}")
            .values(
                status="PENDING",
                executor_id=worker_id,
                owner_xid="token",
                application_version=version,
            )
        )

    asking.db.transact(work)


def job(asking: Asking, subject_id: str) -> tuple[object, ...]:
    def work(tx: Connection) -> tuple[object, ...]:
        jobs = jobs_table(tx)
        row = tx.execute(
            sa.select(jobs.c.status, jobs.c.owner_xid, jobs.c.application_version).where(
                jobs.c.workflow_uuid == f"take_snapshot:{subject_id}"
            )
        ).one()
        return tuple(row)

    return asking.db.look(work)


def test_who_has_a_lease_may_write(asking: Asking, leases: Leases) -> None:
    lease = leases()
    lease.begin()

    lease.fenced.transact(note)

    lease.require()
    lease.require_lately()
    assert is_noted(asking)


def test_who_has_lost_it_may_not(asking: Asking, leases: Leases) -> None:
    lease = leases()
    lease.begin()
    assert replace_silent(asking) == ("w0",)

    with pytest.raises(WorkerReplaced):
        lease.fenced.transact(note)

    with pytest.raises(WorkerReplaced):
        lease.require()
    assert not is_noted(asking)


def test_nor_who_never_had_one(asking: Asking, leases: Leases) -> None:
    with pytest.raises(WorkerReplaced):
        leases().fenced.transact(note)

    assert not is_noted(asking)


@on_postgresql
def test_it_is_not_taken_in_the_middle_of_a_write(asking: Asking, leases: Leases) -> None:
    """Either the write comes first, or it does not come."""
    lease = leases()
    lease.begin()

    def work(tx: Connection) -> None:
        note(tx)
        assert replace_silent(asking) == ()

    lease.fenced.transact(work)

    assert is_noted(asking)
    assert replace_silent(asking) == ("w0",)


@on_postgresql
def test_beats_and_writes_are_not_in_each_others_way(asking: Asking, leases: Leases) -> None:
    lease = leases()
    lease.begin()
    runs = 0

    def work(tx: Connection) -> None:
        nonlocal runs
        runs += 1
        asking.db.transact(lambda other: workers.beat(other, "w0"))
        note(tx)
        asking.db.transact(lambda other: workers.beat(other, "w0"))

    lease.fenced.transact(work)

    assert runs == 1


def test_who_beats_in_time_keeps_it(asking: Asking, leases: Leases) -> None:
    lease = leases()
    lease.begin()

    taken = asking.db.transact(lambda tx: workers.take_silent(tx, lease_seconds=5))

    assert taken == ()
    lease.require()


def test_the_loss_is_told_at_the_next_beat(asking: Asking, leases: Leases) -> None:
    lost = threading.Event()
    lease = leases(beat_seconds=0.05, lost=lost.set)
    lease.begin()

    asking.db.transact(lambda tx: workers.delete(tx, "w0"))

    assert lost.wait(30)


def test_what_a_dead_worker_ran_waits_again_in_its_place(asking: Asking, leases: Leases) -> None:
    asking.ask("a", "b")
    leases().begin()
    run_on(asking, "a", "w0")
    replace_silent(asking)

    assert job(asking, "a") == ("ENQUEUED", None, VERSION)
    assert job(asking, "b")[0] == "ENQUEUED"


def test_what_a_living_worker_runs_is_left_alone(asking: Asking, leases: Leases) -> None:
    asking.ask("a")
    leases().begin()
    run_on(asking, "a", "w0")

    asking.db.transact(give_back_orphans)

    assert job(asking, "a") == ("PENDING", "token", VERSION)


def test_what_an_earlier_program_left_without_a_row_waits_again(
    asking: Asking, leases: Leases
) -> None:
    """Its workers had no rows, and one name."""
    asking.ask("a")
    run_on(asking, "a", "embedded")

    leases().begin()

    assert job(asking, "a") == ("ENQUEUED", None, VERSION)


def test_on_a_file_a_new_worker_knows_that_the_one_before_is_dead(
    asking: Asking, leases: Leases
) -> None:
    asking.ask("a")
    first, second = leases(), leases()
    first.begin()
    run_on(asking, "a", "w0")

    second.begin()

    found = [worker.id for worker in asking.db.look(workers.living)]
    if asking.db.is_shared:
        assert (sorted(found), job(asking, "a")[0]) == (["w0", "w1"], "PENDING")
    else:
        assert (found, job(asking, "a")[0]) == (["w1"], "ENQUEUED")


def test_a_job_of_a_version_that_nobody_has_begins_anew(asking: Asking, leases: Leases) -> None:
    asking.ask("old", lock="1")
    asking.ask("rolling", lock="2")
    asking.db.transact(lambda tx: workers.insert(tx, living("other", version="telamon-2")))
    run_on(asking, "old", "gone", version="telamon-0")
    run_on(asking, "rolling", "other", version="telamon-2")

    asking.db.transact(lambda tx: reap(tx, version=VERSION, lease_seconds=NEVER))

    assert job(asking, "old") == ("ENQUEUED", None, None)
    assert job(asking, "rolling") == ("PENDING", "token", "telamon-2")


def test_the_end_hands_back_what_runs_and_nothing_else(asking: Asking, leases: Leases) -> None:
    asking.ask("a", lock="1")
    asking.ask("b", lock="2")
    lease = leases()
    lease.begin()
    asking.db.transact(lambda tx: workers.insert(tx, living("other")))
    run_on(asking, "a", "w0")
    run_on(asking, "b", "other")
    undone: list[str] = []

    lease.end(
        [(JobKind.TAKE_SNAPSHOT, "a"), (JobKind.RESTORE, "c")],
        {JobKind.TAKE_SNAPSHOT: lambda _tx, subject_id: undone.append(subject_id)},
    )

    assert undone == ["a"]
    assert (job(asking, "a")[0], job(asking, "b")[0]) == ("ENQUEUED", "PENDING")
    with pytest.raises(WorkerReplaced):
        lease.fenced.transact(note)


def test_who_lost_it_hands_nothing_back(asking: Asking, leases: Leases) -> None:
    """Or an attempt would be taken back from whoever has the job now."""
    lease = leases()
    lease.begin()
    replace_silent(asking)
    undone: list[str] = []

    with pytest.raises(WorkerReplaced):
        lease.end(
            [(JobKind.TAKE_SNAPSHOT, "a")],
            {JobKind.TAKE_SNAPSHOT: lambda _tx, subject_id: undone.append(subject_id)},
        )

    assert undone == []


@on_postgresql
def test_a_server_that_is_down_for_a_moment_is_waited_for(asking: Asking, leases: Leases) -> None:
    lease = leases()
    lease.begin()
    gone = False

    def work(tx: Connection) -> None:
        nonlocal gone
        if not gone:
            gone = True
            with closing(asking.place.open()) as killer:
                killer.transact(
                    lambda other: other.exec_driver_sql(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
        note(tx)

    lease.fenced.transact(work)

    assert gone
    assert is_noted(asking)
