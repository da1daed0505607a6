"""The job that reads a snapshot before it is offered, over a real repository."""

import itertools
from collections.abc import Callable, Generator
from datetime import timedelta

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import IntegrityError, RestoreCancelled, RestoreFailed, TelamonError
from telamon.model.manifest import StoredCollection
from telamon.model.restore_job import DeliveryType, RestoreStage
from telamon.mongo.archive import checksum
from telamon.operations.downloads import OFFERED_FOR, PrepareDownload
from telamon.repository.repository import Repository
from telamon.state import downloads, restore_jobs
from telamon.state.database import Database
from tests.operations.crashes import CrashingDatabase, CrashingSteps, plainly, twice
from tests.repository.samples import flip, keys, new_repository, orders, replace_blob, take
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import JOB, NOW, SNAPSHOT, clock, insert_instance, insert_restore_job

CONTENTS = {"orders": orders(60), "empty": [], "stock": orders(7, start=100)}
CHECKSUMS = tuple(checksum(b"".join(documents)) for documents in CONTENTS.values())


@pytest.fixture
def repository() -> Repository:
    made = new_repository(MemoryBlobStore())
    take(made, SNAPSHOT, CONTENTS)
    return made


@pytest.fixture
def asked(db: Database) -> Database:
    """A download is queued."""
    insert_instance(db)
    ask(db)
    return db


def ask(db: Database) -> None:
    insert_restore_job(
        db,
        delivery_type=DeliveryType.DOWNLOAD,
        target_group_id="",
        target_instance_id=None,
        target_cluster_name="",
        target_deployment_item_name="",
    )


def handler(db: Database, repository: Repository) -> PrepareDownload:
    return PrepareDownload(db, repository, clock)


def require_ready(db: Database) -> None:
    job = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (job.stage, job.finished_at) == (RestoreStage.FINISHED, NOW)
    assert job.expires_at == NOW + OFFERED_FOR
    assert (job.documents, job.size_bytes) == (job.documents_total, job.size_bytes_total)
    assert db.look(lambda tx: downloads.checksums(tx, JOB)) == CHECKSUMS


@pytest.mark.parametrize("steps", [plainly, twice])
def test_it_keeps_the_checksum_of_every_collection(
    asked: Database, repository: Repository, steps: Callable[..., object]
) -> None:
    handler(asked, repository).run(JOB, steps)  # type: ignore[arg-type]  # of each step's own type

    require_ready(asked)


def test_it_can_be_fetched_for_four_hours() -> None:
    assert timedelta(hours=4) == OFFERED_FOR


def test_one_that_is_ready_is_not_prepared_again(asked: Database, repository: Repository) -> None:
    handler(asked, repository).run(JOB, plainly)
    repository.delete_snapshot(SNAPSHOT)

    handler(asked, repository).run(JOB, plainly)

    require_ready(asked)


def test_a_crash_at_any_point_is_made_up_for(asked: Database, repository: Repository) -> None:
    for at in itertools.count(1):
        asked.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
        ask(asked)
        steps, crashed = CrashingSteps(at), False
        try:
            handler(asked, repository).run(JOB, steps)
        except CrashError:
            crashed = True
            handler(asked, repository).run(JOB, steps)
        require_ready(asked)
        if not crashed:
            break
    assert at == 4


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_transaction_is_made_up_for(
    asked: Database, repository: Repository, after: bool
) -> None:
    """Of which there are: the start, one for progress, the end."""
    for at in itertools.count(1):
        asked.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
        ask(asked)
        crashed = False
        try:
            handler(CrashingDatabase(asked, at=at, after=after), repository).run(JOB, plainly)
        except CrashError:
            crashed = True
            handler(asked, repository).run(JOB, plainly)
        require_ready(asked)
        if not crashed:
            break
    assert at == 4


def fail(db: Database, repository: Repository, expected: type[TelamonError]) -> str:
    """As the worker does it, twice; the reason."""
    job = handler(db, repository)
    with pytest.raises(expected) as caught:
        job.run(JOB, plainly)
    job.fail(JOB, caught.value)
    job.fail(JOB, caught.value)
    found = db.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (found.stage, found.finished_at) == (RestoreStage.FAILED, NOW)
    assert found.failure is not None
    return found.failure


def test_a_damaged_snapshot_fails_by_name(asked: Database, repository: Repository) -> None:
    (pack,) = keys(repository.store, "packs/")
    replace_blob(repository.store, pack, flip(repository.store.get(pack), 200))

    failure = fail(asked, Repository.open(repository.store), IntegrityError)

    assert failure.startswith("Chunk ")
    assert pack in failure


def test_a_snapshot_that_was_deleted_meanwhile_fails(
    asked: Database, repository: Repository
) -> None:
    repository.delete_snapshot(SNAPSHOT)

    assert fail(asked, repository, RestoreFailed) == f"The snapshot {SNAPSHOT} has been deleted."


def test_after_three_crashes_it_fails(asked: Database, repository: Repository) -> None:
    for _ in range(3):
        with pytest.raises(CrashError):
            handler(CrashingDatabase(asked, at=3, after=False), repository).run(JOB, plainly)

    failure = fail(asked, repository, RestoreFailed)

    assert failure == "The worker ended 3 times while it read this snapshot."


def test_one_that_is_cancelled_while_it_is_prepared_stays_cancelled(
    asked: Database, repository: Repository
) -> None:
    job = handler(asked, repository)

    def steps(name: str, work: Callable[[], object]) -> object:
        assert name == "prepare"
        cancel_before_the_end(asked)
        return work()

    job.run(JOB, steps)  # type: ignore[arg-type]  # of each step's own type

    found = asked.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (found.stage, found.cancelled) == (RestoreStage.FAILED, True)


def cancel_before_the_end(db: Database) -> None:
    assert db.transact(lambda tx: downloads.cancel(tx, JOB, failure="It was cancelled.", at=NOW))


def test_one_that_is_cancelled_while_it_is_read_is_read_no_further(
    asked: Database, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    documents = Repository.documents

    def cancelled(self: Repository, stored: StoredCollection) -> Generator[bytes]:
        read.append(stored.spec.namespace.name)
        cancel_before_the_end(asked)
        return documents(self, stored)

    monkeypatch.setattr(Repository, "documents", cancelled)
    job = handler(asked, repository)
    with pytest.raises(RestoreCancelled) as caught:
        job.run(JOB, plainly)
    job.fail(JOB, caught.value)

    assert len(read) == 1
    found = asked.look(lambda tx: restore_jobs.by_id(tx, JOB))
    assert (found.cancelled, found.failure) == (True, "It was cancelled.")
