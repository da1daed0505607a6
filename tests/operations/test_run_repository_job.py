"""The jobs that prune and check the repository, on real repositories."""

from dataclasses import replace

import pytest

from telamon.errors import TelamonError, WorkerReplaced
from telamon.model.repository_job import RepositoryJobStatus
from telamon.operations import run_repository_job as module
from telamon.operations.run_repository_job import CheckRepository, PruneRepository
from telamon.repository.check import Check
from telamon.state import ended_jobs, repository_jobs, snapshots
from telamon.state.database import Database
from tests.operations.crashes import plainly
from tests.operations.upkeep import CHECK, PRUNE, UPKEEP, Upkeep, upkeep
from tests.repository.samples import SECOND, flip, orders, read, replace_blob
from tests.state.samples import NOW, SNAPSHOT, insert_instance, insert_snapshot, manifest


@pytest.fixture
def given(db: Database) -> Upkeep:
    return upkeep(db)


def totals(db: Database, kind: str) -> dict[str, int]:
    counted = db.look(ended_jobs.totals)
    return {total.outcome: total.jobs for total in counted if total.kind == kind}


# Prune


def test_a_prune_takes_away_what_no_snapshot_needs_and_says_why(given: Upkeep) -> None:
    before = given.packs
    given.ask(PRUNE)

    given.pruner().run(UPKEEP, plainly)

    found = given.found()
    plan, done = found.report.plan, found.report.prune
    assert plan is not None
    assert done is not None
    assert (found.status, found.finished_at) == (RepositoryJobStatus.COMPLETED, NOW)
    assert plan.packs
    assert {pack.key for pack in plan.packs} <= set(before)
    assert all("not needed" in pack.reason for pack in plan.packs)
    assert (plan.repacked + plan.deleted, done.deleted) == (len(plan.packs), len(plan.packs))
    assert 0 < done.freed_bytes <= plan.freed_bytes
    assert not {pack.key for pack in plan.packs} & set(given.packs)
    assert read(given.opened(), SECOND)["orders"] == b"".join(orders(200))
    assert totals(given.db, "prune") == {"finished": 1, "failed": 0}


def test_a_dry_run_changes_nothing_and_needs_the_repository_not_for_itself(given: Upkeep) -> None:
    before = given.packs
    given.ask(PRUNE, dry_run=True)
    pruner = given.pruner()
    assert not pruner.takes_away(UPKEEP)

    pruner.run(UPKEEP, plainly)

    found = given.found()
    assert (given.packs, found.report.prune) == (before, None)
    assert found.report.plan is not None
    assert found.report.plan.freed_bytes > 0


def test_a_prune_needs_the_repository_for_itself_until_it_has_ended(given: Upkeep) -> None:
    given.ask(PRUNE)
    pruner = given.pruner()
    assert pruner.takes_away(UPKEEP)

    pruner.run(UPKEEP, plainly)

    assert not pruner.takes_away(UPKEEP)


class Refusal:
    """A lease that is lost after so many questions."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, subject_id: str) -> None:
        assert subject_id == UPKEEP
        if not self.left:
            raise WorkerReplaced("Others have it.")
        self.left -= 1

    def lately(self, subject_id: str) -> None:
        raise AssertionError(subject_id)


@pytest.mark.parametrize("after", [0, 1])
def test_who_was_replaced_deletes_nothing_more(given: Upkeep, after: int) -> None:
    given.repository.delete_snapshot(SECOND)  # every pack is to go
    before = given.packs
    assert len(before) > 1
    given.ask(PRUNE)

    refusal = Refusal(after)
    handler = PruneRepository(given.db, given.repository, lambda: NOW, refusal)
    with pytest.raises(WorkerReplaced):
        handler.run(UPKEEP, plainly)

    assert len(given.packs) == len(before) - after
    assert given.found().status is RepositoryJobStatus.IN_PROGRESS
    given.pruner().run(UPKEEP, plainly)  # the worker that took its place
    assert given.packs == []
    assert given.found().status is RepositoryJobStatus.COMPLETED


def test_of_many_packs_the_largest_are_told(given: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    given.repository.delete_snapshot(SECOND)
    monkeypatch.setattr(module, "TOLD_AT_MOST", 1)
    given.ask(PRUNE, dry_run=True)

    given.pruner().run(UPKEEP, plainly)

    plan = given.found().report.plan
    assert plan is not None
    sizes = [given.repository.store.size(key) for key in given.packs]
    assert [pack.size_bytes for pack in plan.packs] == [max(sizes)]
    assert (plan.packs_left_off, plan.deleted) == (len(sizes) - 1, len(sizes))


def test_a_manifest_that_cannot_be_read_fails_the_prune(given: Upkeep) -> None:
    before = given.packs
    key = f"snapshots/{SECOND}"
    replace_blob(given.repository.store, key, flip(given.repository.store.get(key), 40))
    given.ask(PRUNE)

    failure = fail(given, given.pruner())

    assert failure.endswith("Nobody can tell what it needs, so nothing is pruned.")
    assert given.packs == before
    assert totals(given.db, "prune") == {"finished": 0, "failed": 1}


def fail(given: Upkeep, handler: PruneRepository | CheckRepository) -> str:
    """As the worker does it, twice; the reason."""
    with pytest.raises(TelamonError) as caught:
        handler.run(UPKEEP, plainly)
    handler.fail(UPKEEP, caught.value)
    handler.fail(UPKEEP, caught.value)
    found = given.found()
    assert (found.status, found.finished_at) == (RepositoryJobStatus.FAILED, NOW)
    assert found.failure is not None
    return found.failure


def test_after_three_begins_it_fails(given: Upkeep) -> None:
    given.ask(CHECK)
    for _ in range(3):
        given.db.transact(lambda tx: repository_jobs.start(tx, UPKEEP, at=NOW))

    assert fail(given, given.checker()) == "The worker ended 3 times while it did this."


def test_a_begin_that_was_handed_back_does_not_count(given: Upkeep) -> None:
    given.ask(CHECK)
    for _ in range(9):
        given.db.transact(lambda tx: repository_jobs.start(tx, UPKEEP, at=NOW))
        given.db.transact(lambda tx: repository_jobs.hand_back(tx, UPKEEP))

    given.checker().run(UPKEEP, plainly)

    assert given.found().status is RepositoryJobStatus.COMPLETED


# Check


def test_a_check_of_a_whole_repository_finds_nothing(given: Upkeep) -> None:
    given.ask(CHECK, read_data_percent=100.0)

    given.checker().run(UPKEEP, plainly)

    found = given.found()
    check = found.report.check
    assert check is not None
    assert (found.status, found.findings, check.findings) == (RepositoryJobStatus.COMPLETED, 0, ())
    assert (check.snapshots, check.packs) == (1, len(given.packs))
    assert check.read_bytes == sum(map(given.repository.store.size, given.packs))
    assert totals(given.db, "check") == {"finished": 1, "failed": 0}


def test_a_check_names_what_is_damaged_and_whom_that_harms(given: Upkeep) -> None:
    for key in given.packs:
        given.repository.store.delete(key)
    given.ask(CHECK)

    given.checker().run(UPKEEP, plainly)

    found = given.found()
    assert found.report.check is not None
    first = found.report.check.findings[0]
    assert (found.status, found.findings) == (
        RepositoryJobStatus.COMPLETED,
        len(found.report.check.findings),
    )
    assert (first.part, first.snapshots) == ("chunk", (SECOND,))
    assert first.harm.endswith("is in no readable pack.")


def put_row(db: Database, snapshot_id: str) -> None:
    """Of a snapshot whose manifest is missing."""
    insert_snapshot(db, id=snapshot_id)
    taken = replace(manifest(snapshot_id))
    db.transact(lambda tx: snapshots.complete(tx, taken, new_bytes=1, at=NOW))


def test_a_snapshot_of_the_catalogue_that_is_not_there_is_found(given: Upkeep) -> None:
    insert_instance(given.db)
    put_row(given.db, SNAPSHOT)
    given.ask(CHECK)

    given.checker().run(UPKEEP, plainly)

    check = given.found().report.check
    assert check is not None
    assert [one.harm for one in check.findings] == [
        f"The manifest of snapshot {SNAPSHOT} is missing."
    ]


def test_one_that_is_deleted_while_the_check_runs_is_no_damage(
    given: Upkeep, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_instance(given.db)
    put_row(given.db, SNAPSHOT)
    given.ask(CHECK)
    run = Check.run

    def deleting(check: Check, **words: object) -> object:
        given.db.transact(lambda tx: snapshots.delete(tx, SNAPSHOT))
        return run(check, **words)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Check, "run", deleting)

    given.checker().run(UPKEEP, plainly)

    assert given.found().findings == 0


def test_a_job_that_has_ended_is_not_done_again(given: Upkeep) -> None:
    given.ask(PRUNE)
    given.db.transact(lambda tx: repository_jobs.fail(tx, UPKEEP, failure="no", at=NOW))
    before = given.packs

    given.pruner().run(UPKEEP, plainly)

    assert (given.packs, given.found().failure) == (before, "no")
