"""Restore jobs that were listed before."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from telamon.model.restore_job import RestoreJob
from telamon.state import restore_jobs
from telamon.state.database import Database
from telamon.state.ended_restore_jobs import EndedRestoreJobs
from telamon.state.tables import restore_job as table
from tests.state.samples import INSTANCE, NOW, insert_instance, insert_restore_job

OF_INSTANCE = table.c.instance_id == INSTANCE
LATER = NOW + timedelta(minutes=1)
JOBS = [f"{number:024x}" for number in range(1, 6)]


@pytest.fixture
def jobs(db: Database) -> Database:
    """Five of one instance, of which the last is not done."""
    insert_instance(db)
    for number, job_id in enumerate(JOBS, start=1):
        insert_restore_job(db, id=job_id, target_instance_id=f"{number:024x}")
        if job_id != JOBS[-1]:
            finish(db, job_id)
    return db


@pytest.fixture
def read(jobs: Database) -> Iterator[list[int]]:
    """How many rows each statement named that reads whole ones."""
    counts: list[int] = []

    def note(*about: object) -> None:
        statement, parameters = str(about[2]), about[3]
        if "failure" in statement and statement.startswith("SELECT"):
            assert isinstance(parameters, tuple | dict)
            counts.append(len(parameters))

    event.listen(jobs.engine, "before_cursor_execute", note)
    yield counts
    event.remove(jobs.engine, "before_cursor_execute", note)


def finish(db: Database, job_id: str) -> None:
    db.transact(lambda tx: restore_jobs.finish(tx, job_id, at=LATER))


def listed(db: Database, ended: EndedRestoreJobs) -> list[RestoreJob]:
    order = table.c.sequence.desc()
    found = db.look(lambda tx: ended.listed(tx, OF_INSTANCE, order))
    assert found == db.look(lambda tx: restore_jobs.listed(tx, OF_INSTANCE, order))
    return list(found)


def test_they_are_listed_as_their_rows_are(jobs: Database) -> None:
    ended = EndedRestoreJobs()
    for _ in range(2):
        assert [job.id for job in listed(jobs, ended)] == JOBS[::-1]


def test_one_that_has_not_ended_is_read_each_time(jobs: Database) -> None:
    ended = EndedRestoreJobs()
    assert listed(jobs, ended)[0].finished_at is None

    finish(jobs, JOBS[-1])

    assert listed(jobs, ended)[0].finished_at == LATER


def test_one_that_has_ended_is_read_once(jobs: Database, read: list[int]) -> None:
    ended = EndedRestoreJobs()

    def look() -> None:
        jobs.look(lambda tx: ended.listed(tx, OF_INSTANCE, table.c.sequence))

    look()
    look()
    finish(jobs, JOBS[-1])
    look()
    look()

    assert read == [5, 1, 1]


def test_one_whose_row_is_gone_is_not_listed(jobs: Database) -> None:
    ended = EndedRestoreJobs()
    listed(jobs, ended)

    jobs.transact(lambda tx: tx.execute(sa.delete(table).where(table.c.id == JOBS[0])))

    assert [job.id for job in listed(jobs, ended)] == JOBS[:0:-1]


def test_so_many_are_remembered_and_no_more(jobs: Database, read: list[int]) -> None:
    ended = EndedRestoreJobs(most=2)

    for _ in range(2):
        found = jobs.look(lambda tx: ended.listed(tx, OF_INSTANCE, table.c.sequence))
        assert [job.id for job in found] == JOBS

    assert read == [5, 3]
