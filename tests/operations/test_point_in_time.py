"""Restores to moments between snapshots: captured, folded and restored on real deployments."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from telamon.errors import PointInTimeUnreachable, RestoreFailed
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice
from telamon.model.restore_job import DeliveryType, RestoreStage
from telamon.mongo.oplog import last_write
from telamon.operations.oplog_capture import OplogCapture
from telamon.operations.oplog_retention import OplogRetention
from telamon.operations.points_in_time import way_to
from telamon.operations.rescan import Rescan
from telamon.operations.rescanned_oplogs import _chains, _Found
from telamon.repository.check import Check
from telamon.repository.oplog_slice import slice_key
from telamon.repository.repository import Repository
from telamon.state import oplog_tables, oplogs
from tests.conftest import Mongod, drop_user_databases
from tests.mongo import zoo
from tests.mongo.memory import content
from tests.operations.capturing import (
    capturing,
    take_continuous,
    wall_clock,
    windows,
    write,
)
from tests.operations.conftest import World
from tests.operations.counters import Counters, require_bounds
from tests.operations.crashes import CrashingSteps, plainly, twice
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import (
    INSTANCE,
    JOB,
    SECOND_INSTANCE,
    insert_restore_job,
)


@pytest.fixture
def taken(world: World, source: Mongod, target: Mongod) -> World:
    """A snapshot is there, and the oplog is to be captured; there is another deployment."""
    zoo.fill_kinds(source.client)
    zoo.fill_timeseries(source.client)
    take_continuous(world, source, target)
    return world


@pytest.fixture
def capture(taken: World) -> Iterator[OplogCapture]:
    with capturing(taken) as made:
        yield made


def ask(world: World, until: ClusterTime) -> None:
    found = world.snapshot()
    world.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
    insert_restore_job(
        world.db,
        delivery_type=DeliveryType.POINT_IN_TIME,
        point_in_time=until,
        target_instance_id=SECOND_INSTANCE,
        documents_total=found.documents,
        size_bytes_total=found.size_bytes,
        namespaces_total=found.namespaces_total,
    )


def restore(world: World, until: ClusterTime, steps: Any = plainly) -> None:
    ask(world, until)
    world.restore_handler().run(JOB, steps)
    job = world.restore_job()
    assert (job.stage, job.failure) == (RestoreStage.FINISHED, None)
    assert job.documents == job.documents_total


def test_the_bounds_hold(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    """Every write acknowledged at or before a moment is there, and none from after."""
    with Counters(source.uri) as counters:
        for _ in range(4):
            counters.wait(8)
            capture.pass_over(INSTANCE)
    capture.pass_over(INSTANCE)
    plain = sorted(counters.written["plain"].times.values())
    paired = sorted(counters.written["paired"].times.values())
    repository = Repository.open(taken.store)
    report = Check(repository, random.Random(1)).run(read_data_percent=100)
    assert (report.findings, report.notes) == ((), ())
    assert report.oplog_slices >= 4
    for until in (plain[len(plain) // 3], paired[-3], paired[len(paired) // 2], plain[-1]):
        restore(taken, until)
        require_bounds(target.client, counters, until)


def test_a_quiet_moment_comes_back_whole(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    """Options, indexes, and the server's own hash of each collection."""
    client = source.client
    for name in ("kinds", "only-views", "functions"):
        client.drop_database(name)
    zoo.fill_kinds(client)
    client["series"]["measured"].delete_many({"m.sensor": 1})
    client["series"].drop_collection("no documents")
    client["kinds"]["collated"].rename("renamed")
    write(client, 0, count=500)
    client["d"]["c"].create_index("pad")
    capture.pass_over(INSTANCE)
    client["d"]["c"].update_many({}, [{"$set": {"n": {"$mod": ["$_id", 7]}}}])
    expected, until = content(client), last_write(client)
    client["d"]["c"].delete_many({})
    client.drop_database("series")
    capture.pass_over(INSTANCE)

    restore(taken, until, twice)

    assert content(target.client) == expected
    assert taken.restore_job().documents_total > taken.snapshot().documents


def test_a_second_is_its_beginning(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    write(source.client, 1)
    until = ClusterTime(seconds=last_write(source.client).seconds + 1, increment=0)
    while last_write(source.client) < until:
        source.client.admin.command({"appendOplogNote": 1, "data": {"tick": 1}})
    write(source.client, 2)
    capture.pass_over(INSTANCE)

    restore(taken, until)

    assert [one["_id"] for one in target.client["d"]["c"].find()] == [1]


def test_killed_in_any_step_the_job_goes_on(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    write(source.client, 1)
    until = last_write(source.client)
    expected = content(source.client)
    capture.pass_over(INSTANCE)
    for at in (2, 5):
        drop_user_databases(target.client)
        ask(taken, until)
        steps = CrashingSteps(at)
        with pytest.raises(CrashError):
            taken.restore_handler().run(JOB, steps)
        taken.restore_handler().run(JOB, steps)
        assert content(target.client) == expected


def way(world: World, until: ClusterTime) -> Any:
    return world.db.look(lambda tx: way_to(tx, INSTANCE, until))


def test_there_is_no_way(taken: World, capture: OplogCapture, source: Mongod) -> None:
    time = taken.snapshot().cluster_time
    assert time is not None
    with pytest.raises(PointInTimeUnreachable, match="no completed snapshot from before"):
        way(taken, ClusterTime(seconds=time.seconds - 1, increment=0))
    covered = windows(taken)[0].until
    with pytest.raises(PointInTimeUnreachable, match=f"captured up to {covered} only"):
        way(taken, ClusterTime(seconds=covered.seconds + 1, increment=0))
    taken.db.transact(lambda tx: tx.execute(oplog_tables.oplog_window.update().values(digest=b"x")))
    capture.pass_over(INSTANCE)
    taken.db.transact(
        lambda tx: tx.execute(
            oplog_tables.oplog_window.update()
            .where(oplog_tables.oplog_window.c.number == 2)
            .values(start_seconds=covered.seconds + 5)
        )
    )
    write(source.client, 1)
    capture.pass_over(INSTANCE)
    later = windows(taken)[-1].until
    with pytest.raises(PointInTimeUnreachable, match=r"was not captured \(The entry of"):
        way(taken, later)


def test_nothing_was_captured(taken: World) -> None:
    with pytest.raises(PointInTimeUnreachable, match="continuous backup has to be on"):
        way(taken, ClusterTime(seconds=2**31, increment=0))


def test_a_way_that_is_gone_when_the_worker_looks_fails_the_job(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    write(source.client, 1)
    until = last_write(source.client)
    capture.pass_over(INSTANCE)
    ask(taken, until)
    taken.db.transact(lambda tx: tx.execute(oplog_tables.oplog_slice.delete()))
    taken.db.transact(lambda tx: tx.execute(oplog_tables.oplog_window.delete()))
    before = content(target.client)

    with pytest.raises(RestoreFailed, match="no way to restore"):
        taken.restore_handler().run(JOB, plainly)
    assert content(target.client) == before


def test_old_slices_go_and_those_in_use_stay(
    taken: World, capture: OplogCapture, source: Mongod
) -> None:
    for number in range(3):
        write(source.client, number)
        capture.pass_over(INSTANCE)
    repository = Repository.open(taken.store)
    rows = taken.db.look(lambda tx: oplogs.slices(tx, INSTANCE))
    keys = [slice_key(one) for one in rows]
    orphan = repository.put_slice(
        type(rows[0])(
            instance_id=INSTANCE, after=rows[0].after, first=rows[0].last, last=rows[1].last
        ),
        b"",
    )
    assert orphan

    def present(days: int) -> list[str]:
        late = datetime.now(UTC) + timedelta(days=days)
        OplogRetention(taken.db, repository, clock=lambda: late).delete()
        return [info.key for info in repository.slices()]

    assert present(0) == keys  # all but the one without a row
    assert present(10) == keys  # the snapshot leads to the last 72 hours along them
    ask(taken, rows[1].last)
    taken.db.transact(lambda tx: tx.exec_driver_sql("UPDATE snapshot SET deletion_id = 'x'"))
    assert present(10) == keys  # the last one too, so that there is no hole
    taken.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))
    assert present(10) == []
    (window,) = windows(taken)
    assert window.start == rows[2].last
    write(source.client, 9)
    capture.pass_over(INSTANCE)
    assert len(list(repository.slices())) == 1


def test_windows_are_found_again_in_the_repository(
    taken: World, capture: OplogCapture, source: Mongod, target: Mongod
) -> None:
    """As after the loss of the database; what is captured goes on where it was."""
    for number in range(3):
        write(source.client, number)
        capture.pass_over(INSTANCE)
    before = windows(taken)
    rows = taken.db.look(lambda tx: oplogs.slices(tx, INSTANCE))
    for table in (oplog_tables.oplog_slice, oplog_tables.oplog_window, oplog_tables.oplog_capture):
        taken.db.transact(partial(_empty, table))
    repository = Repository.open(taken.store)

    report = Rescan(taken.db, repository, clock=wall_clock).run()

    assert (report.oplog_slices, report.damaged) == (len(rows), ())
    assert taken.db.look(lambda tx: oplogs.slices(tx, INSTANCE)) == rows
    (found,) = windows(taken)
    assert (found.start, found.until) == (before[0].start, rows[-1].last)
    write(source.client, 3)
    until, expected = last_write(source.client), content(source.client)
    capture.pass_over(INSTANCE)
    assert len(windows(taken)) == 1
    restore(taken, until)
    assert content(target.client) == expected
    assert Rescan(taken.db, repository, clock=wall_clock).run().oplog_slices == 0


def _empty(table: sa.Table, tx: sa.Connection) -> None:
    tx.execute(table.delete())


def _found(after: int, first: int, last: int) -> _Found:
    after_, first_, last_ = (ClusterTime(seconds=n, increment=0) for n in (after, first, last))
    one = OplogSlice(instance_id=INSTANCE, after=after_, first=first_, last=last_)
    return _Found(slice=one, stored_bytes=1, digest=b"")


@pytest.mark.parametrize(
    ("slices", "lengths"),
    [
        ([], []),
        ([(1, 2, 3), (3, 5, 6)], [2]),
        ([(1, 2, 3), (4, 5, 6)], [1, 1]),
        ([(1, 2, 3), (1, 2, 5), (5, 6, 7)], [2]),
        ([(1, 2, 5), (1, 3, 4), (5, 6, 7)], [2]),
    ],
)
def test_slices_that_belong_together(
    slices: list[tuple[int, int, int]], lengths: list[int]
) -> None:
    assert [len(chain) for chain in _chains([_found(*one) for one in slices])] == lengths
