"""The options of a restore job, there and back."""

from dataclasses import fields, replace

import pytest

from telamon.model.manifest import Namespace
from telamon.model.restore_options import USUAL, IndexFailures, RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection
from telamon.state import restore_jobs, restore_options
from telamon.state.database import Database
from tests.state.samples import JOB, insert_instance, insert_restore_job

UNUSUAL = RestoreOptions(
    index_failures=IndexFailures.SKIP,
    selection=Selection(
        namespaces=("shop", "audit.log"),
        renames=(("shop", "store"), ("audit.log", "a.l.g")),
        database_suffix="_d",
        collection_suffix="_c",
        indexes=IndexStrategy.ALL_EXCEPT_TTL,
        existing=Existing.RENAME,
        query='{"tenant": 42}',
    ),
    moved=((Namespace("shop", "a.b"), Namespace("store", "a.b_restored")),),
)


def test_the_usual_options_take_no_space() -> None:
    assert restore_options.to_json(USUAL) == {}
    assert restore_options.from_json({}) == USUAL


def test_every_option_has_another_value_here() -> None:
    """Or the test below would not see that one is lost."""
    same = [
        field.name
        for field in fields(RestoreOptions)
        if getattr(UNUSUAL, field.name) == getattr(USUAL, field.name)
    ]
    assert same == []


@pytest.mark.parametrize("options", [USUAL, UNUSUAL])
def test_a_job_keeps_its_options(db: Database, options: RestoreOptions) -> None:
    insert_instance(db)
    insert_restore_job(db, options=options)

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)).options == options


def test_a_job_notes_where_things_went(db: Database) -> None:
    insert_instance(db)
    insert_restore_job(db, options=replace(UNUSUAL, moved=()))

    db.transact(lambda tx: restore_jobs.set_moved(tx, JOB, UNUSUAL.moved))

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)).options == UNUSUAL


def test_a_job_learns_how_much_it_restores(db: Database) -> None:
    insert_instance(db)
    insert_restore_job(db)

    db.transact(lambda tx: restore_jobs.set_documents_total(tx, JOB, 7))

    assert db.look(lambda tx: restore_jobs.by_id(tx, JOB)).documents_total == 7
