"""Snapshots whose time is over, from the plan to the last of them."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from telamon.model.expiry import Reason
from telamon.model.instance import InstanceKind
from telamon.model.restore_job import DeliveryType
from telamon.model.snapshot import SnapshotType
from telamon.operations import expired_snapshots
from telamon.operations.expired_snapshots import ExpiredSnapshots
from telamon.operations.kept_snapshots import DeleteSnapshot
from telamon.repository.repository import Repository
from telamon.state import instances, restore_jobs, snapshots
from telamon.state.database import Database
from tests.operations.conftest import World
from tests.operations.crashes import CrashingDatabase, plainly
from tests.operations.schedules import Scheduling
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import (
    INSTANCE,
    NOW,
    SECOND_INSTANCE,
    insert_restore_job,
    insert_snapshot,
    manifest,
)

DAY = timedelta(days=1)


def expiring(scheduling: Scheduling, db: Database | None = None) -> ExpiredSnapshots:
    return ExpiredSnapshots(
        db or scheduling.db, scheduling.queue, clock=scheduling.clock, new_id=scheduling.new_id
    )


def age(scheduling: Scheduling, count: int) -> list[str]:
    """So many good snapshots, a day apart and kept for a day; ids from the oldest on."""
    made = []
    for number in range(1, count + 1):
        made.append(scheduling.good(number, expires_at=scheduling.clock() + DAY).id)
        scheduling.clock.advance(days=1)
    return made


def shown(scheduling: Scheduling, instance_id: str = INSTANCE) -> list[str]:
    return [one.id for one in scheduling.snapshots(instance_id)]


def test_those_whose_time_is_over_are_asked_to_go_and_shown_no_more(
    scheduling: Scheduling,
) -> None:
    scheduling.add()
    ids = age(scheduling, 4)

    assert expiring(scheduling).delete() == tuple(ids[:3])
    assert shown(scheduling) == ids[3:]


def test_nothing_is_asked_for_twice(scheduling: Scheduling) -> None:
    scheduling.add()
    age(scheduling, 3)
    expiring(scheduling).delete()

    assert expiring(scheduling).delete() == ()


def test_a_snapshot_that_is_being_restored_stays_until_the_job_has_ended(
    scheduling: Scheduling,
) -> None:
    scheduling.add()
    ids = age(scheduling, 3)
    job = insert_restore_job(scheduling.db, snapshot_id=ids[0])

    assert expiring(scheduling).delete() == (ids[1],)

    scheduling.db.transact(lambda tx: restore_jobs.finish(tx, job.id, at=NOW))
    assert expiring(scheduling).delete() == (ids[0],)


def test_a_snapshot_stays_while_a_download_of_it_is_offered(scheduling: Scheduling) -> None:
    scheduling.add()
    ids = age(scheduling, 2)
    job = insert_restore_job(
        scheduling.db,
        snapshot_id=ids[0],
        delivery_type=DeliveryType.DOWNLOAD,
        expires_at=scheduling.clock() + timedelta(hours=4),
    )
    scheduling.db.transact(lambda tx: restore_jobs.finish(tx, job.id, at=scheduling.clock()))
    scheduling.clock.advance(hours=4, seconds=-1)
    assert expiring(scheduling).delete() == ()

    scheduling.clock.advance(seconds=1)
    assert expiring(scheduling).delete() == (ids[0],)


def test_a_restore_that_begins_after_the_plan_keeps_its_snapshot(scheduling: Scheduling) -> None:
    """Whoever has seen that a snapshot is to go looks again when it is asked to."""
    scheduling.add()
    ids = age(scheduling, 2)

    class Overtaken(Database):
        def look(self, work):  # type: ignore[no-untyped-def]  # as the one it stands for
            seen = super().look(work)
            insert_restore_job(scheduling.db, snapshot_id=ids[0])
            return seen

    assert expiring(scheduling, Overtaken(scheduling.db.engine)).delete() == ()
    assert shown(scheduling) == ids


@pytest.mark.parametrize(("kind", "stay"), [(InstanceKind.FLEX, 8), (InstanceKind.SERVERLESS, 1)])
def test_the_last_ones_of_a_server_that_was_off_for_long_stay(
    scheduling: Scheduling, kind: InstanceKind, stay: int
) -> None:
    scheduling.add(kind=kind)
    for number in range(12):
        scheduling.good(
            number,
            expires_at=scheduling.clock() + DAY,
            snapshot_type=SnapshotType.SCHEDULED,
        )
        scheduling.clock.advance(hours=1)
    scheduling.clock.advance(days=300)

    expiring(scheduling).delete()

    assert len(shown(scheduling)) == stay


def test_of_a_deleted_instance_nothing_stays_for_longer_than_was_said(
    scheduling: Scheduling,
) -> None:
    scheduling.add()
    ids = age(scheduling, 2)
    scheduling.good(9, expires_at=scheduling.clock() + 5 * DAY)
    scheduling.db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))

    assert expiring(scheduling).delete() == tuple(ids)
    scheduling.clock.advance(days=5)
    expiring(scheduling).delete()

    assert shown(scheduling) == []


def test_a_long_history_goes_in_bounded_transactions(
    scheduling: Scheduling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expired_snapshots, "_DELETIONS_AT_ONCE", 2)
    scheduling.add()
    ids = age(scheduling, 6)

    with pytest.raises(CrashError):
        expiring(scheduling, CrashingDatabase(scheduling.db, at=2, after=True)).delete()
    assert shown(scheduling) == ids[4:]

    assert expiring(scheduling).delete() == (ids[4],)


def test_two_at_once_ask_for_each_deletion_once(scheduling: Scheduling) -> None:
    scheduling.add()
    scheduling.add(id=SECOND_INSTANCE, name="Second")
    ids = age(scheduling, 20)

    with ThreadPoolExecutor(2) as threads:
        made = list(threads.map(lambda _: expiring(scheduling).delete(), range(2)))

    assert sorted(itertools.chain(*made)) == ids[:19]


def test_the_plan_changes_nothing_and_gives_a_reason_for_each(scheduling: Scheduling) -> None:
    scheduling.add()
    ids = age(scheduling, 3)
    insert_snapshot(scheduling.db, id="f" * 24, requested_at=scheduling.clock())

    (plan,) = expiring(scheduling).plan()

    assert (plan.instance_name, shown(scheduling)) == ("Instance0", [*ids, "f" * 24])
    assert [verdict.reason for verdict in plan.verdicts] == [
        Reason.EXPIRED,
        Reason.EXPIRED,
        Reason.NEWEST,
        Reason.BEING_TAKEN,
    ]


def test_what_was_asked_for_is_gone_from_repository_and_database_once_the_jobs_have_run(
    world: World, scheduling: Scheduling
) -> None:
    scheduling.add()
    ids = age(scheduling, 3)
    for snapshot_id in ids:
        with Repository.open(world.store).begin() as writer:
            writer.commit(replace(manifest(snapshot_id), collections=()))

    expiring(scheduling).delete()
    handler = DeleteSnapshot(world.db, Repository.open(world.store))
    for subject in [*scheduling.made_ids, *scheduling.made_ids]:  # each twice, as after a crash
        handler.run(subject, plainly)

    assert Repository.open(world.store).snapshot_ids() == (ids[2],)
    assert scheduling.db.look(snapshots.owners) == (INSTANCE,)
    assert shown(scheduling) == [ids[2]]


def test_one_that_could_not_be_deleted_is_asked_for_again(scheduling: Scheduling) -> None:
    scheduling.add()
    ids = age(scheduling, 2)
    expiring(scheduling).delete()
    deletion_id = scheduling.made_ids[0]

    scheduling.db.transact(lambda tx: snapshots.show_again(tx, deletion_id))

    assert expiring(scheduling).delete() == (ids[0],)
    assert len(set(scheduling.made_ids)) == 2
