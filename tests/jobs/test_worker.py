"""Running jobs, in a real worker process."""

from collections.abc import Iterator

import pytest

from telamon.jobs.queue import JobKind
from tests.jobs.conftest import Asking
from tests.jobs.worker_process import WorkerProcess, running_worker


@pytest.fixture(scope="module")
def worker(shared: Asking) -> Iterator[WorkerProcess]:
    """One for the tests that leave it running; each uses subjects and locks of its own."""
    with running_worker(shared.place) as started:
        yield started


def ends(*subjects: str) -> list[str]:
    return [f"{subject} ends with what one answered" for subject in subjects]


def test_a_job_takes_its_steps_in_order(shared: Asking, worker: WorkerProcess) -> None:
    shared.ask("plain-1", lock="1")

    worker.expect(*ends("plain-1"))

    assert worker.about("plain-1") == ["one", "two", "ends with what one answered"]


def test_jobs_of_one_lock_run_one_at_a_time_in_the_order_of_asking(
    shared: Asking, worker: WorkerProcess
) -> None:
    shared.ask("gated-a", "plain-b", "plain-c", lock="2")
    worker.expect("gated-a two")
    # Whoever looks for jobs has looked at least once more when this one has ended.
    shared.ask("plain-other", lock="other")
    worker.expect(*ends("plain-other"))
    assert worker.about("plain-b") == []

    worker.order("open gated-a")
    worker.expect(*ends("gated-a", "plain-b", "plain-c"))

    told = [line for line in worker.told if line.split()[0] in {"gated-a", "plain-b", "plain-c"}]
    assert told == [
        "gated-a one",
        "gated-a two",
        "gated-a passed its gate",
        "gated-a ends with what one answered",
        "plain-b one",
        "plain-b two",
        "plain-b ends with what one answered",
        "plain-c one",
        "plain-c two",
        "plain-c ends with what one answered",
    ]


def test_the_order_of_asking_is_not_that_of_the_names(
    shared: Asking, worker: WorkerProcess
) -> None:
    """Neither within a second, nor when some were asked for while others ran."""
    shared.ask("gated-z", "plain-z", "plain-y", lock="3")
    worker.expect("gated-z two")
    shared.ask("plain-x", "plain-w", lock="3")

    worker.order("open gated-z")
    worker.expect(*ends("plain-z", "plain-y", "plain-x", "plain-w"))

    told = [
        line for line in worker.told if " ends" in line and line[5:7] in {"-z", "-y", "-x", "-w"}
    ]
    assert told == ends("gated-z", "plain-z", "plain-y", "plain-x", "plain-w")


def test_jobs_of_different_locks_run_at_once(shared: Asking, worker: WorkerProcess) -> None:
    for number in range(4):
        shared.ask(f"gated-p{number}", lock=f"p{number}")

    worker.expect(*[f"gated-p{number} two" for number in range(4)])

    assert not [line for line in worker.told if "gated-p" in line and "ends" in line]
    for number in range(4):
        worker.order(f"open gated-p{number}")
    worker.expect(*ends(*[f"gated-p{number}" for number in range(4)]))


def test_a_job_asked_for_in_a_transaction_that_failed_does_not_exist(
    shared: Asking, worker: WorkerProcess
) -> None:
    def work(tx: object) -> None:
        shared.queue.enqueue(tx, JobKind.TAKE_SNAPSHOT, "plain-undone", lock="4")  # type: ignore[arg-type]
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        shared.db.transact(work)
    assert shared.status("plain-undone") is None

    shared.ask("plain-done", lock="4")
    worker.expect(*ends("plain-done"))
    assert worker.about("plain-undone") == []


def test_a_job_asked_for_twice_runs_once(shared: Asking, worker: WorkerProcess) -> None:
    shared.ask("gated-twice", "gated-twice", lock="5")
    worker.expect("gated-twice two")
    shared.ask("gated-twice", lock="5")
    worker.order("open gated-twice")
    worker.expect(*ends("gated-twice"))
    shared.ask("gated-twice", "plain-after", lock="5")

    worker.expect(*ends("plain-after"))

    assert worker.about("gated-twice") == [
        "one",
        "two",
        "passed its gate",
        "ends with what one answered",
    ]


def test_kinds_of_one_subject_are_different_jobs(shared: Asking, worker: WorkerProcess) -> None:
    def work(tx: object) -> None:
        for kind in JobKind:
            shared.queue.enqueue(tx, kind, "plain-kinds", lock="6")  # type: ignore[arg-type]

    shared.db.transact(work)
    shared.ask("plain-last", lock="6")
    worker.expect(*ends("plain-last"))

    once = ["one", "two", "ends with what one answered"]
    assert worker.about("plain-kinds") == once * len(JobKind)


def test_a_refusal_reaches_the_handler_with_its_parameters(
    shared: Asking, worker: WorkerProcess
) -> None:
    shared.ask("refused-1", "plain-7", lock="7")

    worker.expect(*ends("plain-7"))

    assert worker.about("refused-1") == [
        "one",
        "two",
        'failed: DuplicateClusterName ["100% serverless %s", "a b", ""] '
        "A 100% serverless %s named a b is already present in group .",
    ]


def test_an_unexpected_error_reaches_the_handler_without_its_text(
    shared: Asking, worker: WorkerProcess
) -> None:
    shared.ask("broken-1", "plain-8", lock="8")

    worker.expect(*ends("plain-8"))

    assert worker.about("broken-1") == [
        "one",
        "two",
        'failed: _Unexpected ["ValueError. The server\'s log has the details."] '
        "Unexpected error: ValueError. The server's log has the details.",
    ]


def test_a_job_that_failed_has_ended_for_the_engine(shared: Asking, worker: WorkerProcess) -> None:
    shared.ask("refused-2", "plain-9", lock="9")

    worker.expect(*ends("plain-9"))

    assert shared.status("refused-2") == "SUCCESS"
