"""What the engine asks while there is nothing to do, and that it finds what there is."""

import inspect
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from dbos._sys_db import SystemDatabase

from telamon.jobs.engine_polls import WaitingJobs
from tests.jobs.conftest import Asking
from tests.jobs.worker_process import WorkerProcess, running_worker


@pytest.fixture(scope="module")
def worker(shared: Asking) -> Iterator[WorkerProcess]:
    with running_worker(shared.place) as started:
        yield started


def test_a_queue_is_asked_with_one_short_statement(shared: Asking, worker: WorkerProcess) -> None:
    shared.ask("plain-before")
    worker.expect("plain-before ends with what one answered")

    worker.order("look 6")
    worker.expect("looked with SELECT 1")

    shared.ask("plain-after")
    worker.expect("plain-after ends with what one answered")


def test_a_queue_waits_while_it_has_a_job_that_nobody_has_begun(asking: Asking) -> None:
    waiting = WaitingJobs(asking.db.engine)
    assert not waiting("telamon")

    asking.ask("plain-1")

    assert waiting("telamon")
    assert not waiting("telamon:elsewhere")


def test_where_the_database_does_not_answer_the_engine_is_left_to_find_out() -> None:
    nowhere = sa.create_engine("sqlite:////nowhere/at/all.db")

    assert WaitingJobs(nowhere)("telamon")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("dequeue_scopes", ["self", "queue_name"]), ("get_queue", ["self", "name"])],
)
def test_the_engine_still_has_what_is_replaced(name: str, parameters: list[str]) -> None:
    found = inspect.signature(getattr(SystemDatabase, name)).parameters

    assert list(found)[: len(parameters)] == parameters
