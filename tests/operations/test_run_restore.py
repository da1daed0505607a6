"""The job that puts a snapshot back, on real deployments."""

import itertools
from collections.abc import Callable, Generator
from typing import TypeVar

import pytest
from blake3 import blake3

from telamon.errors import RestoreFailed, TelamonError, Unavailable
from telamon.jobs.worker import Steps
from telamon.model.manifest import StoredCollection
from telamon.model.restore_job import RestoreStage
from telamon.model.restore_options import IndexFailures, RestoreOptions
from telamon.mongo import fill as fill_module
from telamon.mongo import indexes, write
from telamon.operations.progress import Progress
from telamon.operations.run_restore import RunRestore
from telamon.repository.repository import Repository
from telamon.state import restore_evidence, restore_jobs
from tests.conftest import Mongod, drop_user_databases
from tests.databases import on_sqlite
from tests.operations.conftest import World
from tests.operations.crashes import (
    CrashingDatabase,
    CrashingSteps,
    fill,
    hashes,
    plainly,
    twice,
)
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import JOB, NOW, SECOND_INSTANCE, SNAPSHOT, clock, insert_restore_job

pytestmark = on_sqlite

T = TypeVar("T")
DOCUMENTS = 321  # what ``fill`` puts in
UNTOUCHED = " The target's own data is as it was."
MIXED = (
    " The target may hold a mixture of its own data and the snapshot's; "
    "restore once more, or restore another snapshot."
)


@pytest.fixture
def taken(world: World, source: Mongod) -> World:
    """A snapshot of a filled deployment is there."""
    fill(source.client)
    world.attach(source.uri)
    world.ask_for_snapshot()
    world.snapshot_handler().run(SNAPSHOT, plainly)
    return world


@pytest.fixture
def asked(taken: World, target: Mongod) -> World:
    """A restore into another filled deployment is queued."""
    fill(target.client, mark="target")
    taken.attach(target.uri, instance_id=SECOND_INSTANCE, name="Target")
    taken.ask_for_restore()
    return taken


def shadows(mongod: Mongod) -> list[str]:
    return [
        name
        for database in hashes(mongod.client)
        for name in mongod.client[database].list_collection_names()
        if name.startswith("telamon.shadow")
    ]


def require_finished(world: World) -> None:
    job = world.restore_job()
    assert (job.stage, job.failure) == (RestoreStage.FINISHED, None)
    assert (job.documents, job.finished_at) == (DOCUMENTS, NOW)
    assert job.size_bytes == job.size_bytes_total


def test_the_target_ends_up_equal_to_the_source(
    asked: World, source: Mongod, target: Mongod
) -> None:
    assert hashes(target.client) != hashes(source.client)

    asked.restore_handler().run(JOB, plainly)

    assert hashes(target.client) == hashes(source.client)
    assert shadows(target) == []
    assert list(target.client.shop.orders.index_information()) == ["_id_", "n_1"]
    require_finished(asked)


def test_a_deployment_is_restored_to_what_it_was(taken: World, source: Mongod) -> None:
    before = hashes(source.client)
    source.client.shop.orders.delete_many({"n": 3})
    source.client.drop_database("only_source")
    source.client.later.things.insert_one({})
    made = taken.attach(source.uri, instance_id=SECOND_INSTANCE, name="Again")
    taken.ask_for_restore()

    taken.restore_handler().run(JOB, plainly)

    assert taken.restore_job().target_instance_id == made.id
    assert hashes(source.client) == before


def test_taking_every_step_twice_ends_as_taking_it_once(
    asked: World, source: Mongod, target: Mongod
) -> None:
    asked.restore_handler().run(JOB, twice)

    assert hashes(target.client) == hashes(source.client)
    require_finished(asked)


def ask_again(world: World, target: Mongod) -> None:
    """Everything as it was before the restore."""
    world.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
    drop_user_databases(target.client)
    fill(target.client, mark="target")
    world.ask_for_restore()


def test_a_crash_at_any_point_of_any_step_is_made_up_for(
    asked: World, source: Mongod, target: Mongod
) -> None:
    for at in itertools.count(1):
        ask_again(asked, target)
        steps = CrashingSteps(at)
        crashed = False
        try:
            asked.restore_handler().run(JOB, steps)
        except CrashError:
            crashed = True
            asked.restore_handler().run(JOB, steps)
        assert hashes(target.client) == hashes(source.client)
        require_finished(asked)
        if not crashed:
            break
    assert at == 10


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_transaction_is_made_up_for(
    asked: World, source: Mongod, target: Mongod, after: bool
) -> None:
    """The start, what is kept, progress, the evidence of three namespaces, the swap, the end."""
    for at in itertools.count(1):
        ask_again(asked, target)
        db = CrashingDatabase(asked.db, at=at, after=after)
        steps = CrashingSteps(0)
        crashed = False
        try:
            asked.restore_handler(db=db).run(JOB, steps)
        except CrashError:
            crashed = True
            asked.restore_handler().run(JOB, steps)
        assert hashes(target.client) == hashes(source.client)
        require_finished(asked)
        if not crashed:
            break
    assert at == 9


def test_until_the_swap_the_targets_own_data_is_untouched(asked: World, target: Mongod) -> None:
    before = hashes(target.client)

    with pytest.raises(CrashError):
        asked.restore_handler().run(JOB, CrashingSteps(3))

    found = {
        database: {name: value for name, value in of.items() if "telamon.shadow" not in name}
        for database, of in hashes(target.client).items()
    }
    assert {name: of for name, of in found.items() if of} == before
    assert shadows(target) != []
    assert asked.restore_job().stage is RestoreStage.LOADING


def test_a_restore_that_has_finished_is_not_done_again(asked: World, target: Mongod) -> None:
    """Or it would undo what has been written since."""
    asked.restore_handler().run(JOB, plainly)
    target.client.shop.orders.insert_one({"_id": "later"})

    asked.restore_handler().run(JOB, plainly)

    assert target.client.shop.orders.count_documents({"_id": "later"}) == 1
    require_finished(asked)


def run_to_failure(handler: RunRestore, steps: Steps) -> str:
    """As the worker does it."""
    with pytest.raises((RestoreFailed, Unavailable)) as caught:
        handler.run(JOB, steps)
    handler.fail(JOB, caught.value)
    handler.fail(JOB, caught.value)
    return str(caught.value.message)


def test_after_three_crashes_without_progress_it_fails_and_takes_its_shadows_away(
    asked: World, target: Mongod
) -> None:
    """The first one loads all; the others have nothing more to do."""
    before = hashes(target.client)
    for _ in range(4):
        with pytest.raises(CrashError):
            asked.restore_handler().run(JOB, CrashingSteps(2))
    assert shadows(target) != []

    failure = run_to_failure(asked.restore_handler(), plainly)

    assert failure == "The worker ended 3 times while it loaded this snapshot."
    assert asked.restore_job().failure == failure + UNTOUCHED
    assert hashes(target.client) == before


@pytest.mark.usefixtures("impatient")
def test_a_target_that_does_not_answer_is_the_reason(taken: World) -> None:
    uri = "mongodb://somebody:secret@127.0.0.1:1/?authSource=admin"
    taken.attach(uri, instance_id=SECOND_INSTANCE, name="Target")
    taken.ask_for_restore()

    failure = run_to_failure(taken.restore_handler(), plainly)

    job = taken.restore_job()
    assert (job.stage, job.finished_at) == (RestoreStage.FAILED, NOW)
    assert job.failure == failure + UNTOUCHED
    assert failure.startswith("The deployment does not answer: 127.0.0.1:1: ")
    assert not [word for word in ("somebody", "secret", "mongodb://") if word in job.failure]


@pytest.mark.usefixtures("impatient")
def test_a_failure_during_the_swap_says_that_the_target_may_hold_a_mixture(
    taken: World, own_mongod: Mongod
) -> None:
    taken.attach(own_mongod.uri, instance_id=SECOND_INSTANCE, name="Target")
    taken.ask_for_restore()

    def steps(name: str, work: Callable[[], T]) -> T:
        if name == "swap":
            own_mongod.process.stop()
        return work()

    failure = run_to_failure(taken.restore_handler(), steps)

    job = taken.restore_job()
    assert (job.stage, job.failure) == (RestoreStage.FAILED, failure + MIXED)
    assert failure.startswith("The deployment does not answer: ")


def test_a_snapshot_that_is_not_in_the_repository_fails_the_restore(
    asked: World, target: Mongod
) -> None:
    before = hashes(target.client)
    asked.store.delete(f"snapshots/{SNAPSHOT}")

    handler = asked.restore_handler()
    with pytest.raises(TelamonError) as caught:
        handler.run(JOB, plainly)
    handler.fail(JOB, caught.value)

    job = asked.restore_job()
    assert (job.stage, job.failure) == (RestoreStage.FAILED, caught.value.message + UNTOUCHED)
    assert hashes(target.client) == before


def test_a_damaged_pack_fails_the_restore_before_the_swap(asked: World, target: Mongod) -> None:
    before = hashes(target.client)
    pack = next(asked.store.list("packs/")).key
    blob = bytearray(asked.store.get(pack))
    blob[len(blob) // 3] ^= 1
    asked.store.delete(pack)
    asked.store.put(pack, bytes(blob))

    handler = asked.restore_handler()
    with pytest.raises(TelamonError) as caught:
        handler.run(JOB, plainly)
    handler.fail(JOB, caught.value)

    assert asked.restore_job().failure == caught.value.message + UNTOUCHED
    assert hashes(target.client) == before


class MeddlingRepository(Repository):
    """Between the chunks, which are proven, and the insert commands a value changes."""

    def documents(self, stored: StoredCollection) -> Generator[bytes]:
        for piece in super().documents(stored):
            yield piece.replace(b"source 7", b"source 8")


def test_documents_that_changed_on_their_way_fail_the_restore_and_are_named(
    asked: World, target: Mongod
) -> None:
    before = hashes(target.client)
    repository = MeddlingRepository.open(asked.store)
    handler = RunRestore(asked.db, asked.credentials, repository, clock)

    failure = run_to_failure(handler, plainly)

    assert failure.startswith("What was to be inserted into shop.people is not what the snapshot's")
    assert asked.restore_job().failure == failure + UNTOUCHED
    assert hashes(target.client) == before


def test_the_evidence_is_what_the_manifest_says(asked: World) -> None:
    asked.restore_handler().run(JOB, plainly)
    repository = Repository.open(asked.store)

    found = asked.db.look(lambda tx: restore_evidence.page(tx, JOB, limit=9, offset=0)).items

    stored = repository.manifest(SNAPSHOT).collections
    assert [(one.namespace, one.documents, one.size_bytes, one.indexes) for one in found] == [
        (one.spec.namespace, one.documents, one.size_bytes, len(one.spec.indexes))
        for one in sorted(stored, key=lambda one: one.spec.namespace)
    ]
    ids = b"".join(chunk.chunk_id for chunk in stored[0].chunks)
    assert found[0].content_hash == blake3(ids, key=repository.keys.chunk_key).hexdigest()


def crash_at_batch(patch: pytest.MonkeyPatch, number: int) -> None:
    """Batches of a few documents each, of which one is the last thing that the worker does."""
    add, calls = Progress.add, itertools.count(1)

    def crashing(self: Progress, documents: int, size_bytes: int, namespaces: int) -> None:
        if next(calls) == number:
            raise CrashError
        add(self, documents, size_bytes, namespaces)

    patch.setattr(write, "_BATCH_BYTES", 2_000)
    patch.setattr(fill_module, "_BATCHES_AHEAD", 0)
    patch.setattr(Progress, "add", crashing)


def test_workers_that_each_get_a_little_further_end_well_at_last(
    asked: World, source: Mongod, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far more of them than a job may have that does not get on."""
    crashes = 0
    while True:
        with monkeypatch.context() as patch:
            crash_at_batch(patch, 2 + 2 * crashes)
            try:
                asked.restore_handler().run(JOB, plainly)
            except CrashError:
                crashes += 1
            else:
                break
    assert crashes > 3
    assert hashes(target.client) == hashes(source.client)
    require_finished(asked)
    found = asked.db.look(lambda tx: restore_evidence.page(tx, JOB, limit=9, offset=0)).items
    assert sum(one.documents for one in found) == DOCUMENTS
    repository = Repository.open(asked.store)
    for stored in repository.manifest(SNAPSHOT).collections:
        check = repository.content_check(stored, skipped=len(stored.chunks))
        (one,) = (one for one in found if one.namespace == stored.spec.namespace)
        assert one.content_hash == check.finish()


def test_a_target_without_room_is_refused_before_anything_is_written(
    asked: World, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hashes(target.client)
    monkeypatch.setattr(Repository, "least_bytes", lambda *_: 10**18)

    failure = run_to_failure(asked.restore_handler(), plainly)

    assert f"it needs at least {10**18} bytes" in failure
    assert asked.restore_job().failure == failure + UNTOUCHED
    assert hashes(target.client) == before


def test_an_index_is_skipped_if_the_job_says_so(
    taken: World, target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken.attach(target.uri, instance_id=SECOND_INSTANCE, name="Target")
    options = RestoreOptions(index_failures=IndexFailures.SKIP)
    insert_restore_job(taken.db, target_instance_id=SECOND_INSTANCE, options=options)
    monkeypatch.setattr(indexes, "_attempt", lambda *_, **__: (67, "no such index (code 67)"))

    taken.restore_handler().run(JOB, plainly)

    found = taken.db.look(lambda tx: restore_evidence.page(tx, JOB, limit=9, offset=0)).items
    skipped = [index for one in found for index in one.skipped_indexes]
    assert [(index.name, index.reason) for index in skipped] == [("n_1", "no such index (code 67)")]
    assert list(target.client.shop.orders.index_information()) == ["_id_"]


def test_a_restore_that_has_failed_is_not_done_any_more(asked: World, target: Mongod) -> None:
    before = hashes(target.client)
    asked.db.transact(lambda tx: restore_jobs.fail(tx, JOB, failure="no", at=NOW))

    asked.restore_handler().run(JOB, plainly)

    assert asked.restore_job().failure == "no"
    assert hashes(target.client) == before
