"""Passes of continuous backup over real deployments, into a real repository and database."""

from collections.abc import Iterator
from dataclasses import replace

import bson
import pytest

from telamon.errors import DeploymentUnavailable, WorkerReplaced
from telamon.model.instance import InstanceState
from telamon.model.manifest import ClusterTime
from telamon.operations.oplog_capture import OplogCapture
from telamon.repository.oplog_slice import slice_key
from telamon.repository.repository import Repository
from telamon.state import instances, oplog_tables, oplogs, tables
from tests.conftest import Mongod
from tests.operations.capturing import (
    OTHER_WORKER,
    WORKER,
    capture_of,
    dismiss,
    hire,
    make_continuous,
    slice_count,
    windows,
    write,
)
from tests.operations.conftest import World
from tests.operations.crashes import CrashingDatabase, plainly
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import INSTANCE, SNAPSHOT


@pytest.fixture
def continuous(world: World, source: Mongod) -> World:
    """An instance whose oplog is to be captured, and a worker."""
    world.attach(source.uri)
    make_continuous(world)
    hire(world, WORKER)
    return world


@pytest.fixture
def capture(continuous: World) -> Iterator[OplogCapture]:
    made = capture_of(continuous)
    yield made
    made.close()


def ids(world: World) -> list[int]:
    """Of the documents whose insertion has been captured, in order."""
    repository = Repository.open(world.store)
    found = []
    for one in world.db.look(lambda tx: oplogs.slices(tx, INSTANCE)):
        known, entries = repository.read_slice(slice_key(one))
        assert known == one
        decoded = bson.decode_all(entries)
        assert decoded[0]["ts"].time == one.first.seconds
        found += [
            entry["o"]["_id"] for entry in decoded if entry["op"] == "i" and entry["ns"] == "d.c"
        ]
    return found


def test_every_write_is_captured_once(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    assert capture.wanted() == (INSTANCE,)
    assert capture.pass_over(INSTANCE)
    write(source.client, 0, count=3)
    assert capture.pass_over(INSTANCE)
    write(source.client, 3)
    assert capture.pass_over(INSTANCE)
    assert capture.pass_over(INSTANCE)

    assert ids(continuous) == [0, 1, 2, 3]
    (window,) = windows(continuous)
    assert window.start < window.stored_until <= window.until
    assert (window.number, window.gap) == (1, None)


def test_slices_lead_from_one_to_the_next(continuous: World, source: Mongod) -> None:
    capture = capture_of(continuous, slice_bytes=2000)
    capture.pass_over(INSTANCE)
    for number in range(5):
        write(source.client, number * 200, count=200)
        capture.pass_over(INSTANCE)
    capture.close()

    assert ids(continuous) == list(range(1000))
    found = continuous.db.look(lambda tx: oplogs.slices(tx, INSTANCE))
    (window,) = windows(continuous)
    assert len(found) >= 5
    assert [one.after for one in found] == [window.start, *(one.last for one in found[:-1])]


def test_an_idle_deployment_stores_nothing_and_stays_covered(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    capture.pass_over(INSTANCE)
    before = windows(continuous)[0]
    for _ in range(3):
        source.client.admin.command({"appendOplogNote": 1, "data": {"nothing": 1}})
    capture.pass_over(INSTANCE)

    after = windows(continuous)[0]
    assert slice_count(continuous) == 0
    assert after.until > before.until
    assert after.stored_until == before.stored_until
    write(source.client, 1)
    capture.pass_over(INSTANCE)
    assert ids(continuous) == [1]


def test_a_window_begins_at_the_newest_snapshot(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    write(source.client, 0)
    continuous.ask_for_snapshot()
    continuous.snapshot_handler().run(SNAPSHOT, plainly)
    write(source.client, 1)

    capture.pass_over(INSTANCE)

    assert windows(continuous)[0].start == continuous.snapshot().cluster_time
    assert ids(continuous) == [1]


def test_overwritten_history_is_a_gap(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    capture.pass_over(INSTANCE)
    lost = ClusterTime(seconds=1, increment=1)
    continuous.db.transact(
        lambda tx: tx.execute(
            oplog_tables.oplog_window.update().values(until_seconds=1, until_increment=1)
        )
    )
    write(source.client, 1)
    capture.pass_over(INSTANCE)
    write(source.client, 2)
    capture.pass_over(INSTANCE)

    first, second = windows(continuous)
    assert first.until == lost
    assert second.number == 2
    assert second.gap is not None
    assert "was overwritten before it was captured" in second.gap
    assert ids(continuous) == [2]


def test_history_that_was_rolled_back_is_a_gap(continuous: World, capture: OplogCapture) -> None:
    capture.pass_over(INSTANCE)
    continuous.db.transact(
        lambda tx: tx.execute(oplog_tables.oplog_window.update().values(digest=b"another"))
    )
    capture.pass_over(INSTANCE)

    _, second = windows(continuous)
    assert second.gap is not None
    assert "rolled back" in second.gap


def test_another_deployment_is_a_gap(
    continuous: World, capture: OplogCapture, target: Mongod
) -> None:
    capture.pass_over(INSTANCE)
    sealed = continuous.credentials.seal_uri(INSTANCE, target.uri)
    continuous.db.transact(
        lambda tx: tx.execute(tables.instance.update().values(sealed_credentials=sealed))
    )
    capture.pass_over(INSTANCE)
    write(target.client, 7)
    capture.pass_over(INSTANCE)

    assert len(windows(continuous)) == 2
    assert ids(continuous) == [7]


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_transaction_is_made_up_for(
    continuous: World, capture: OplogCapture, source: Mongod, after: bool
) -> None:
    """Between a slice and its row, among others."""
    capture.pass_over(INSTANCE)
    for at in range(1, 4):
        write(source.client, at)
        crashing = capture_of(continuous, db=CrashingDatabase(continuous.db, at=at, after=after))
        try:
            crashing.pass_over(INSTANCE)
        except CrashError:
            pass
        finally:
            crashing.close()
        write(source.client, at + 10)
        capture.pass_over(INSTANCE)

    assert ids(continuous) == [1, 11, 2, 12, 3, 13]
    assert len(windows(continuous)) == 1


def test_of_two_workers_one_captures_until_it_is_gone(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    hire(continuous, OTHER_WORKER)
    other = capture_of(continuous, OTHER_WORKER)
    assert capture.pass_over(INSTANCE)
    write(source.client, 1)
    assert not other.pass_over(INSTANCE)
    dismiss(continuous, WORKER)

    assert other.pass_over(INSTANCE)
    other.close()
    assert ids(continuous) == [1]
    assert not windows(continuous)[1:]


def test_a_worker_that_was_replaced_commits_nothing(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    capture.pass_over(INSTANCE)
    write(source.client, 1)
    before = windows(continuous)
    dismiss(continuous, WORKER)

    with pytest.raises(WorkerReplaced):
        capture.pass_over(INSTANCE)

    assert windows(continuous) == before
    assert slice_count(continuous) == 0
    hire(continuous, OTHER_WORKER)
    other = capture_of(continuous, OTHER_WORKER)
    write(source.client, 2)
    other.pass_over(INSTANCE)
    other.close()
    assert ids(continuous) == [1, 2]


def test_a_window_that_has_grown_meanwhile_is_left_alone(
    continuous: World, capture: OplogCapture, source: Mongod
) -> None:
    """Two passes of one worker at once, which a zombie and its successor would be."""
    capture.pass_over(INSTANCE)
    window = windows(continuous)[0]
    write(source.client, 1)
    capture.pass_over(INSTANCE)
    grown = replace(window, until=ClusterTime(seconds=2**31, increment=1))

    assert not continuous.db.transact(lambda tx: oplogs.advance(tx, window, grown, WORKER))
    now = windows(continuous)[0]
    assert not continuous.db.transact(lambda tx: oplogs.advance(tx, now, grown, OTHER_WORKER))
    assert windows(continuous) == (now,)


def test_a_failure_is_shown_until_a_pass_succeeds(
    continuous: World, capture: OplogCapture, source: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failure() -> str | None:
        found = continuous.db.look(lambda tx: oplogs.find_failure(tx, INSTANCE))
        return found.reason if found else None

    capture.pass_over(INSTANCE)
    write(source.client, 1)
    with monkeypatch.context() as patched:
        sealed = continuous.credentials.seal_uri(
            INSTANCE, "mongodb://127.0.0.1:1/?directConnection=true"
        )
        good = continuous.credentials.seal_uri(INSTANCE, source.uri)
        _seal(continuous, sealed)
        patched.setattr("telamon.operations.oplog_capture._SELECTION_SECONDS", 0.2)
        with pytest.raises(DeploymentUnavailable):
            capture.pass_over(INSTANCE)
        assert "does not answer" in (failure() or "")
    _seal(continuous, good)
    capture.pass_over(INSTANCE)

    assert failure() is None
    assert ids(continuous) == [1]
    assert len(windows(continuous)) == 1


def _seal(world: World, sealed: bytes) -> None:
    world.db.transact(
        lambda tx: tx.execute(tables.instance.update().values(sealed_credentials=sealed))
    )


def test_which_instances_are_wanted(continuous: World, capture: OplogCapture) -> None:
    elsewhere = capture_of(continuous, machine="65f00000000000000000bb01")
    continuous.db.transact(
        lambda tx: tx.execute(tables.instance.update().values(machine="65f00000000000000000bb01"))
    )
    assert (capture.wanted(), elsewhere.wanted()) == ((), (INSTANCE,))
    continuous.db.transact(lambda tx: instances.set_state(tx, INSTANCE, InstanceState.REPAIRING))
    assert elsewhere.wanted() == ()
    continuous.db.transact(lambda tx: instances.set_state(tx, INSTANCE, InstanceState.IDLE))
    make_continuous(continuous, on=False)
    assert elsewhere.wanted() == ()
