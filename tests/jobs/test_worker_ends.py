"""What becomes of jobs whose worker ends, by force or in good order."""

from tests.jobs.conftest import Asking
from tests.jobs.worker_process import running_worker

END = "ends with what one answered"


def test_a_killed_workers_job_goes_on_from_the_step_it_was_in(asking: Asking) -> None:
    """And neither finished steps nor finished jobs are repeated."""
    asking.ask("plain-1", "gated-2")
    with running_worker(asking.place) as first:
        first.expect(f"plain-1 {END}", "gated-2 two")
        first.kill()

    with running_worker(asking.place) as second:
        second.order("open gated-2")
        second.expect(f"gated-2 {END}")
        assert second.told == ["ready", "gated-2 two", "gated-2 passed its gate", f"gated-2 {END}"]


def test_jobs_behind_a_killed_one_keep_their_place(asking: Asking) -> None:
    asking.ask("gated-z", "plain-y")
    with running_worker(asking.place) as first:
        first.expect("gated-z two")
        asking.ask("plain-x")
        first.kill()

    with running_worker(asking.place) as second:
        second.expect("gated-z two")
        asking.ask("plain-other", lock="other")
        second.expect(f"plain-other {END}")
        second.order("open gated-z")
        second.expect(f"plain-x {END}")
        order = [line for line in second.told if line.endswith(END)]
        subjects = ["plain-other", "gated-z", "plain-y", "plain-x"]
        assert order == [f"{subject} {END}" for subject in subjects]


def test_a_refusal_survives_a_kill_before_it_was_noted(asking: Asking) -> None:
    """The second worker knows it from the database alone."""
    asking.ask("stuck-1")
    failed = (
        'stuck-1 failed: DuplicateClusterName ["100% serverless %s", "a b", ""] '
        "A 100% serverless %s named a b is already present in group ."
    )
    with running_worker(asking.place) as first:
        first.expect(failed)
        first.kill()

    with running_worker(asking.place) as second:
        second.expect(failed)
        assert second.told == ["ready", failed]


def test_a_stop_waits_for_jobs_that_end_in_time_and_takes_no_more(asking: Asking) -> None:
    asking.ask("gated-1", "plain-2")
    asking.ask("late-1", lock="late")
    with running_worker(asking.place) as worker:
        worker.expect("gated-1 two", "late-1 two")
        worker.order("stop 30")
        worker.expect("stopping")
        worker.order("open gated-1")
        worker.order("open late-1")
        assert worker.stopped() < 10
        assert worker.about("gated-1") == ["one", "two", "passed its gate", END]
        assert worker.about("late-1")[-1].startswith("failed: DuplicateClusterName")

    found = [asking.status(subject) for subject in ("gated-1", "late-1", "plain-2")]
    assert found == ["SUCCESS", "SUCCESS", "ENQUEUED"]


def test_a_stop_hands_back_jobs_that_do_not_end_in_time(asking: Asking) -> None:
    """They can then end neither well nor badly: their means are gone, by no fault of theirs."""
    subjects = ("gated-1", "late-1", "doomed-1")
    for subject in subjects:
        asking.ask(subject, lock=subject)
    with running_worker(asking.place) as first:
        first.expect(*[f"{subject} two" for subject in subjects])
        assert 1 <= first.stop(1) < 3
        for subject in subjects:
            first.order(f"open {subject}")
        first.expect(*[f"{subject} passed its gate" for subject in subjects])
        first.stop(1)
        for subject in subjects:
            told = list(dict.fromkeys(first.about(subject)))  # a transaction may run twice
            assert told == ["one", "two", "handed back", "passed its gate"]
    assert [asking.status(subject) for subject in subjects] == ["ENQUEUED"] * 3

    with running_worker(asking.place) as second:
        second.expect(*[f"{subject} two" for subject in subjects])
        assert [second.about(subject) for subject in subjects] == [["two"]] * 3
        second.order("open gated-1")
        second.expect(f"gated-1 {END}")


def test_an_unexpected_error_while_the_worker_stops_is_left_to_the_next(asking: Asking) -> None:
    """It may come from the stop itself. What the step has ended with is remembered."""
    asking.ask("doomed-1")
    with running_worker(asking.place) as first:
        first.expect("doomed-1 two")
        first.order("stop 1")
        first.expect("stopping")
        first.order("open doomed-1")
        first.stopped()
        told = list(dict.fromkeys(first.about("doomed-1")))  # a transaction may run twice
        assert told == ["one", "two", "passed its gate", "handed back"]
    assert asking.status("doomed-1") == "ENQUEUED"

    with running_worker(asking.place) as second:
        assert second.next_line().startswith("doomed-1 failed: _Unexpected")


def test_a_job_asked_for_under_an_older_version_runs(asking_anew: Asking) -> None:
    with running_worker(asking_anew.place, "telamon-0") as older:
        older.stop(1)
        asking_anew.ask("plain-1")

    with running_worker(asking_anew.place) as worker:
        worker.expect(f"plain-1 {END}")


def test_a_job_under_way_goes_on_under_a_program_that_knows_its_version(asking: Asking) -> None:
    """As almost every new program does: the version changes with the steps of jobs only."""
    asking.ask("gated-1")
    with running_worker(asking.place) as older:
        older.expect("gated-1 two")
        older.kill()

    with running_worker(asking.place) as newer:
        newer.expect("gated-1 two")
        newer.order("open gated-1")
        newer.expect(f"gated-1 {END}")
        assert newer.about("gated-1")[0] == "two"


def test_a_job_under_way_begins_anew_under_a_program_that_does_not(asking: Asking) -> None:
    """Also one that waited because its worker was killed before."""
    asking.ask("gated-1", "plain-2")
    with running_worker(asking.place, "telamon-0") as older:
        older.expect("gated-1 two")
        older.kill()

    with running_worker(asking.place) as newer:
        newer.expect("gated-1 two")
        newer.order("open gated-1")
        newer.expect(f"gated-1 {END}", f"plain-2 {END}")
        assert newer.about("gated-1") == ["one", "two", "passed its gate", END]


def test_jobs_run_after_a_return_to_an_older_program(asking: Asking) -> None:
    with running_worker(asking.place, "telamon-2") as newer:
        asking.ask("gated-1", "plain-2")
        newer.expect("gated-1 two")
        newer.kill()

    with running_worker(asking.place) as older:
        older.expect("gated-1 two")
        older.order("open gated-1")
        older.expect(f"gated-1 {END}", f"plain-2 {END}")


def test_a_failure_that_cannot_be_noted_is_noted_as_soon_as_it_can(asking: Asking) -> None:
    """Or its target would count as being restored for ever."""
    asking.ask("unnoted-1", "plain-2")
    with running_worker(asking.place) as worker:
        worker.expect(f"plain-2 {END}")
        failures = [line for line in worker.told if line.startswith("unnoted-1 failed")]
        assert len(failures) == 2
