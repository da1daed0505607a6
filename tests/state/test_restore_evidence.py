"""Rows of what restores have proven."""

from dataclasses import replace

import pytest

from telamon.model.manifest import CollectionKind, Namespace
from telamon.model.restore_evidence import NamespaceEvidence, SkippedIndex
from telamon.state import old_restore_jobs, restore_evidence, restore_jobs
from telamon.state.database import Database
from tests.state.samples import INSTANCE, JOB, NOW, insert_instance, insert_restore_job

ORDERS = NamespaceEvidence(
    namespace=Namespace("shop", "orders"),
    kind=CollectionKind.COLLECTION,
    documents=3_000_000_000,
    size_bytes=5_000_000_000_000,
    content_hash="ab" * 32,
    indexes=2,
    seconds=1.5,
    skipped_indexes=(SkippedIndex(name="a_1", definition='{"v": 2}', reason="no"),),
)
VIEW = replace(
    ORDERS,
    namespace=Namespace("shop", "Zoo"),
    kind=CollectionKind.VIEW,
    content_hash=None,
    skipped_indexes=(),
)
OTHER = replace(ORDERS, namespace=Namespace("a", "z"))


@pytest.fixture(autouse=True)
def _job(db: Database) -> None:
    insert_instance(db)
    insert_restore_job(db)


def put(db: Database, found: NamespaceEvidence) -> None:
    db.transact(lambda tx: restore_evidence.put(tx, JOB, found))


def listed(db: Database, *, limit: int = 10, offset: int = 0) -> tuple[NamespaceEvidence, ...]:
    return db.look(lambda tx: restore_evidence.page(tx, JOB, limit=limit, offset=offset)).items


def test_evidence_is_read_as_it_was_written_by_namespace(db: Database) -> None:
    for found in (ORDERS, OTHER, VIEW):
        put(db, found)

    assert listed(db) == (OTHER, VIEW, ORDERS)
    assert listed(db, limit=1, offset=1) == (VIEW,)
    assert db.look(lambda tx: restore_evidence.page(tx, JOB, limit=1, offset=9)).total == 3


def test_what_is_proven_again_takes_the_place_of_what_was(db: Database) -> None:
    put(db, ORDERS)
    put(db, ORDERS)
    again = replace(ORDERS, documents=4, skipped_indexes=())
    put(db, again)

    assert listed(db) == (again,)


def test_it_goes_with_its_job(db: Database) -> None:
    put(db, ORDERS)
    db.transact(lambda tx: restore_jobs.finish(tx, JOB, at=NOW))

    assert db.transact(lambda tx: old_restore_jobs.prune(tx, INSTANCE, NOW, limit=9)) == 1

    assert listed(db) == ()
