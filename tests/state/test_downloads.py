"""Rows of downloads."""

from datetime import timedelta
from typing import Any

import pytest

from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.state import downloads, ended_jobs, restore_jobs
from telamon.state.database import Database
from tests.state.samples import (
    GROUP,
    JOB,
    NOW,
    OTHER_GROUP,
    SECOND_INSTANCE,
    SNAPSHOT,
    insert_instance,
    insert_restore_job,
)

SECOND_JOB = "65f0000000000000000000e1"
LATER = NOW + timedelta(hours=4)
CHECKSUMS = (0, 1, 2**63, 2**64 - 1)


def insert_download(db: Database, **changes: Any) -> RestoreJob:
    target = {"target_group_id": "", "target_instance_id": None, "target_cluster_name": ""}
    return insert_restore_job(
        db,
        **{
            "delivery_type": DeliveryType.DOWNLOAD,
            "target_deployment_item_name": "",
            **target,
            **changes,
        },
    )


@pytest.fixture
def asked(db: Database) -> Database:
    insert_instance(db)
    insert_download(db)
    return db


def finish(db: Database, restore_job_id: str = JOB) -> None:
    db.transact(
        lambda tx: downloads.finish(
            tx, restore_job_id, checksums=CHECKSUMS, at=NOW, expires_at=LATER
        )
    )


def cancel(db: Database, restore_job_id: str = JOB) -> bool:
    return db.transact(
        lambda tx: downloads.cancel(tx, restore_job_id, failure="It was cancelled.", at=NOW)
    )


def job(db: Database) -> RestoreJob:
    return db.look(lambda tx: restore_jobs.by_id(tx, JOB))


def is_in_use(db: Database, *, after: timedelta = timedelta()) -> bool:
    return db.look(lambda tx: restore_jobs.is_in_use(tx, SNAPSHOT, at=NOW + after))


def test_a_download_has_no_target(asked: Database) -> None:
    found = job(asked)

    assert (found.target_instance_id, found.target_cluster_name) == (None, "")


def test_any_number_of_downloads_run_beside_each_other(asked: Database) -> None:
    assert insert_download(asked, id=SECOND_JOB).sequence == 2


def test_a_finished_download_has_its_checksums_and_its_time(asked: Database) -> None:
    finish(asked)

    assert asked.look(lambda tx: downloads.checksums(tx, JOB)) == CHECKSUMS
    found = job(asked)
    assert (found.stage, found.finished_at, found.expires_at) == (
        RestoreStage.FINISHED,
        NOW,
        LATER,
    )
    assert (found.documents, found.size_bytes) == (10, 1000)


def test_finishing_twice_changes_nothing(asked: Database) -> None:
    finish(asked)
    before = job(asked)

    asked.transact(lambda tx: downloads.finish(tx, JOB, checksums=(), at=LATER, expires_at=LATER))

    assert job(asked) == before
    assert asked.look(lambda tx: downloads.checksums(tx, JOB)) == CHECKSUMS


@pytest.mark.parametrize("is_ready", [False, True])
def test_a_download_is_cancelled_once(asked: Database, is_ready: bool) -> None:
    if is_ready:
        finish(asked)

    assert [cancel(asked), cancel(asked)] == [True, False]
    found = job(asked)
    assert (found.stage, found.cancelled, found.failure, found.is_ready) == (
        RestoreStage.FAILED,
        True,
        "It was cancelled.",
        False,
    )


def test_one_that_was_cancelled_does_not_finish(asked: Database) -> None:
    cancel(asked)

    finish(asked)

    assert job(asked).stage is RestoreStage.FAILED


def test_a_restore_is_not_cancelled_as_a_download(db: Database) -> None:
    insert_instance(db)
    insert_restore_job(db)

    assert not cancel(db)


def test_what_is_being_prepared_is_known_by_its_snapshot(asked: Database) -> None:
    def is_being_prepared(snapshot_id: str) -> bool:
        return asked.look(lambda tx: downloads.is_being_prepared(tx, snapshot_id))

    assert (is_being_prepared(SNAPSHOT), is_being_prepared(JOB)) == (True, False)
    finish(asked)
    assert not is_being_prepared(SNAPSHOT)


def test_a_restore_is_no_download_that_is_being_prepared(db: Database) -> None:
    insert_instance(db)
    insert_restore_job(db)

    assert not db.look(lambda tx: downloads.is_being_prepared(tx, SNAPSHOT))
    assert db.look(lambda tx: downloads.count_being_prepared(tx, GROUP)) == 0


def test_those_of_a_project_are_counted_until_they_end(asked: Database) -> None:
    insert_instance(asked, id=SECOND_INSTANCE, group_id=OTHER_GROUP, name="Second")
    insert_download(asked, id=SECOND_JOB)
    insert_download(asked, id="65f0000000000000000000e2", instance_id=SECOND_INSTANCE)

    def counts() -> list[int]:
        return [
            asked.look(lambda tx: downloads.count_being_prepared(tx, group_id))  # noqa: B023
            for group_id in (GROUP, OTHER_GROUP)
        ]

    assert counts() == [2, 1]
    finish(asked)
    cancel(asked, SECOND_JOB)
    assert counts() == [0, 1]


def test_a_snapshot_is_offered_from_the_request_until_the_link_expires(asked: Database) -> None:
    assert is_in_use(asked, after=timedelta(days=9))
    finish(asked)
    assert is_in_use(asked, after=timedelta(hours=4, seconds=-1))
    assert not is_in_use(asked, after=timedelta(hours=4))


def test_a_snapshot_whose_download_failed_or_was_cancelled_is_not_offered(asked: Database) -> None:
    finish(asked)
    cancel(asked)

    assert not is_in_use(asked)


def counted(db: Database) -> dict[str, int]:
    """Restore jobs that have ended, by how, those that nothing ended in left out."""
    return {
        one.outcome: one.jobs
        for one in db.look(ended_jobs.totals)
        if one.kind == ended_jobs.Counted.RESTORE and one.jobs
    }


def test_a_download_that_is_ready_is_counted_once_whatever_becomes_of_it(asked: Database) -> None:
    finish(asked)
    finish(asked)
    assert counted(asked) == {"finished": 1}

    assert cancel(asked)
    assert counted(asked) == {"finished": 1}


def test_a_download_that_is_cancelled_before_it_is_ready_is_counted_as_that(
    asked: Database,
) -> None:
    assert cancel(asked)
    assert cancel(asked) is False

    assert counted(asked) == {"cancelled": 1}
