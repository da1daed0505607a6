"""Rows of what restores of a part of a moment consist of."""

from dataclasses import replace

import pytest

from telamon.model.contents import SnapshotCollection
from telamon.model.manifest import CollectionKind, Namespace
from telamon.state import old_restore_jobs, restore_jobs, restored_collections
from telamon.state.database import Database
from tests.state.samples import INSTANCE, JOB, NOW, insert_instance, insert_restore_job

ORDERS = SnapshotCollection(
    namespace=Namespace("shop", "orders"),
    kind=CollectionKind.COLLECTION,
    documents=3_000_000_000,
    size_bytes=5_000_000_000_000,
)
VIEW = replace(ORDERS, namespace=Namespace("shop", "Zoo"), kind=CollectionKind.VIEW)
OTHER = replace(ORDERS, namespace=Namespace("a", "z"), kind=CollectionKind.TIMESERIES)


@pytest.fixture(autouse=True)
def _job(db: Database) -> None:
    insert_instance(db)
    insert_restore_job(db)


def put(db: Database, *contents: SnapshotCollection) -> None:
    db.transact(lambda tx: restored_collections.put(tx, JOB, contents))


def whole(db: Database) -> tuple[SnapshotCollection, ...]:
    return db.look(lambda tx: restored_collections.whole(tx, JOB))


def test_they_are_read_as_they_were_written_by_namespace(db: Database) -> None:
    assert whole(db) == ()
    put(db, ORDERS, VIEW, OTHER)
    assert whole(db) == (OTHER, VIEW, ORDERS)


def test_those_of_a_later_attempt_take_their_place(db: Database) -> None:
    put(db, ORDERS, VIEW)
    put(db, replace(ORDERS, documents=1), OTHER)
    assert whole(db) == (OTHER, replace(ORDERS, documents=1))
    put(db)
    assert whole(db) == ()


def test_they_go_with_their_job(db: Database) -> None:
    put(db, ORDERS)
    db.transact(lambda tx: restore_jobs.finish(tx, JOB, at=NOW))
    db.transact(lambda tx: old_restore_jobs.prune(tx, INSTANCE, NOW, limit=10))
    assert whole(db) == ()
