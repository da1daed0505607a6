"""Restore jobs that are kept apart have numbers without gaps of their own."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from telamon.model.page import Page
from telamon.model.restore_job import RestoreJob
from telamon.state import collection_restore_jobs as rows
from telamon.state import restore_jobs
from telamon.state.database import Database
from tests.state.samples import INSTANCE, NOW, SECOND_INSTANCE, insert_instance, restore_job


@pytest.fixture
def made(db: Database) -> Database:
    """Two instances: one with five parts and a whole restore, all ended but the newest; one with none."""
    insert_instance(db)
    insert_instance(db, id=SECOND_INSTANCE, name="Second")
    for number in range(1, 6):
        add(db, number, created_at=NOW + timedelta(hours=number), ends=number < 5)

    def whole(tx: Connection) -> None:
        job = restore_job(id="e" * 24, sequence=1, created_at=NOW, target_instance_id=None)
        restore_jobs.insert(tx, job)
        restore_jobs.finish(tx, job.id, at=NOW)

    db.transact(whole)
    return db


def add(db: Database, number: int, *, ends: bool, **changes: object) -> None:
    def work(tx: Connection) -> None:
        sequence = rows.next_number(tx, INSTANCE)
        job = restore_job(id=f"{number:024x}", sequence=sequence, **changes)
        restore_jobs.insert(tx, job)
        if ends:
            restore_jobs.finish(tx, job.id, at=NOW)

    db.transact(work)


def listed(page: Page[RestoreJob]) -> tuple[list[int], int]:
    return [int(job.id, 16) for job in page.items], page.total


@pytest.mark.parametrize(
    ("limit", "offset", "expected"),
    [(9, 0, [5, 4, 3, 2, 1]), (2, 0, [5, 4]), (2, 2, [3, 2]), (2, 4, [1]), (2, 6, [])],
)
def test_a_page_is_a_range_newest_first(
    made: Database, limit: int, offset: int, expected: list[int]
) -> None:
    page = made.look(lambda tx: rows.page(tx, INSTANCE, limit=limit, offset=offset))

    assert listed(page) == (expected, 5)


def test_an_instance_without_any_has_an_empty_list(made: Database) -> None:
    page = made.look(lambda tx: rows.page(tx, SECOND_INSTANCE, limit=9, offset=0))

    assert listed(page) == ([], 0)


@pytest.mark.parametrize(
    ("hours", "limit", "left"),
    [
        (0, 9, [5, 4, 3, 2, 1]),
        (2, 9, [5, 4, 3]),
        (9, 2, [5, 4, 3]),
        (9, 9, [5]),
    ],
)
def test_the_oldest_go_first_and_one_that_has_not_ended_stays(
    made: Database, hours: int, limit: int, left: list[int]
) -> None:
    before = NOW + timedelta(hours=hours)

    went = made.transact(lambda tx: rows.prune(tx, INSTANCE, before, limit=limit))

    page = made.look(lambda tx: rows.page(tx, INSTANCE, limit=9, offset=0))
    assert (went, *listed(page)) == (5 - len(left), left, len(left))
    assert made.look(lambda tx: restore_jobs.by_id(tx, "e" * 24)).sequence == 1


def test_numbers_go_on_after_some_went(made: Database) -> None:
    made.transact(lambda tx: rows.prune(tx, INSTANCE, NOW + timedelta(hours=9), limit=3))
    made.transact(lambda tx: restore_jobs.finish(tx, f"{5:024x}", at=NOW))
    add(made, 6, ends=True)

    page = made.look(lambda tx: rows.page(tx, INSTANCE, limit=9, offset=0))

    assert listed(page) == ([6, 5, 4], 3)


@pytest.mark.parametrize(("hours", "owners"), [(0, ()), (1, (INSTANCE,)), (9, (INSTANCE,))])
def test_owners_of_old_ones_are_found(made: Database, hours: int, owners: tuple[str, ...]) -> None:
    before = NOW + timedelta(hours=hours)

    assert made.look(lambda tx: rows.owners_of_old(tx, before)) == owners
