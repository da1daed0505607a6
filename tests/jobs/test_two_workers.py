"""Two worker processes on one PostgreSQL database."""

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.jobs.engine_tables import jobs_table
from telamon.jobs.queue import JobKind
from telamon.state import instances
from tests.databases import on_postgresql
from tests.jobs.conftest import Asking
from tests.jobs.worker_process import running_worker
from tests.state.samples import INSTANCE, fill_projects, instance

pytestmark = [on_postgresql, pytest.mark.slow]

END = "ends with what one answered"


def test_a_killed_workers_job_goes_on_with_one_that_lives_from_the_step_it_was_in(
    asking: Asking,
) -> None:
    asking.ask("gated-1", "plain-2")
    with running_worker(asking.place) as first:
        first.expect("gated-1 two")
        with running_worker(asking.place) as second:
            first.kill()
            second.expect("gated-1 two")
            second.order("open gated-1")
            second.expect(f"gated-1 {END}", f"plain-2 {END}")
            assert second.about("gated-1") == ["two", "passed its gate", END]


def test_jobs_of_one_lock_run_one_at_a_time_on_all_workers(asking: Asking) -> None:
    asking.ask("gated-1", "plain-2")
    with running_worker(asking.place) as first:
        first.expect("gated-1 two")
        with running_worker(asking.place) as second:
            asking.ask("plain-other", lock="other")
            asking.ask("plain-more", lock="more")
            both = [first, second]
            while sum(len(worker.about(name)) for worker in both for name in OTHERS) < 6:
                for worker in both:
                    worker.read_lines()
            assert [worker.about("plain-2") for worker in both] == [[], []]
            first.order("open gated-1")
            while not any(END in worker.about("plain-2") for worker in both):
                for worker in both:
                    worker.read_lines()


OTHERS = ("plain-other", "plain-more")


def test_a_frozen_worker_that_wakes_finds_that_it_was_replaced(asking: Asking) -> None:
    asking.ask("gated-1")
    with running_worker(asking.place) as first:
        first.expect("gated-1 two")
        first.freeze()
        with running_worker(asking.place) as second:
            second.expect("gated-1 two")
            second.order("open gated-1")
            second.expect(f"gated-1 {END}")
            first.order("open gated-1")
            first.wake()
            first.expect("replaced")
            assert f"gated-1 {END}" not in first.told
            asking.ask("plain-2")  # which waits until the end of the other is noted
            second.expect(f"plain-2 {END}")
    assert asking.status("gated-1") == "SUCCESS"


@pytest.mark.parametrize("machine", [None, "here", "elsewhere"])
def test_a_job_on_what_one_machine_has_is_done_there(asking: Asking, machine: str | None) -> None:
    """The worker of these tests is "here"."""
    fill_projects(asking.db)

    def ask(tx: Connection) -> None:
        instances.insert(tx, instance(), sealed_credentials=b"", machine=machine)
        asking.queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, "plain-1", lock=INSTANCE)

    asking.db.transact(ask)
    asking.ask("plain-any", lock="any")
    with running_worker(asking.place) as worker:
        worker.expect(f"plain-any {END}")
        if machine != "elsewhere":
            worker.expect(f"plain-1 {END}")
        asking.ask("plain-last", lock="any")
        worker.expect(f"plain-last {END}")
        assert bool(worker.about("plain-1")) is (machine != "elsewhere")

    def queue(tx: Connection) -> object:
        jobs = jobs_table(tx)
        found = sa.select(jobs.c.queue_name).where(jobs.c.workflow_uuid == "take_snapshot:plain-1")
        return tx.execute(found).scalar_one()

    assert asking.db.look(queue) == ("telamon" if machine is None else f"telamon:{machine}")
