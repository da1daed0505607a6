"""Operations over a real database, a real repository on disk, and real deployments."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from telamon.blobs.base import BlobStore
from telamon.blobs.local import LocalBlobStore
from telamon.model.instance import Instance
from telamon.model.restore_job import RestoreJob
from telamon.model.snapshot import Snapshot
from telamon.mongo.connect import connected
from telamon.operations import run_restore as restore_operations
from telamon.operations import snapshots as snapshot_operations
from telamon.operations.credentials import Credentials
from telamon.operations.run_restore import RunRestore
from telamon.operations.snapshots import TakeSnapshot
from telamon.repository.repository import Repository
from telamon.state import instances, restore_jobs, snapshots
from telamon.state.database import Database
from telamon.state.sealing import Sealer
from tests.operations.schedules import Scheduling
from tests.operations.schedules import scheduling as begin_scheduling
from tests.repository.samples import counting_bytes
from tests.state.conftest import db, place, prepared_database
from tests.state.samples import (
    INSTANCE,
    JOB,
    SECOND_INSTANCE,
    SNAPSHOT,
    clock,
    insert_restore_job,
    insert_snapshot,
    instance,
)

__all__ = ["db", "place", "prepared_database"]  # fixtures


@dataclass(frozen=True)
class World:
    """What the handlers of jobs work on."""

    db: Database
    sealer: Sealer
    credentials: Credentials
    store: BlobStore

    def attach(self, uri: str, *, instance_id: str = INSTANCE, name: str = "Instance0") -> Instance:
        made = instance(id=instance_id, name=name, managed=False, address="mongodb://x")
        sealed = self.credentials.seal_uri(instance_id, uri)
        self.db.transact(lambda tx: instances.insert(tx, made, sealed_credentials=sealed))
        return made

    def snapshot_handler(
        self, *, db: Database | None = None, store: BlobStore | None = None
    ) -> TakeSnapshot:
        repository = Repository.open(store or self.store)
        return TakeSnapshot(db or self.db, self.credentials, repository, clock)

    def restore_handler(self, *, db: Database | None = None) -> RunRestore:
        return RunRestore(db or self.db, self.credentials, Repository.open(self.store), clock)

    def ask_for_snapshot(self) -> None:
        insert_snapshot(self.db)

    def ask_for_restore(self) -> None:
        found = self.snapshot()
        insert_restore_job(
            self.db,
            target_instance_id=SECOND_INSTANCE,
            documents_total=found.documents,
            size_bytes_total=found.size_bytes,
            namespaces_total=found.namespaces_total,
        )

    def snapshot(self) -> Snapshot:
        return self.db.look(lambda tx: snapshots.by_id(tx, SNAPSHOT))

    def restore_job(self) -> RestoreJob:
        return self.db.look(lambda tx: restore_jobs.by_id(tx, JOB))


@pytest.fixture
def world(db: Database, tmp_path: Path) -> World:
    store = LocalBlobStore(tmp_path / "repository")
    Repository.create(store, counting_bytes)
    sealer = Sealer(bytes(32))
    return World(db=db, sealer=sealer, credentials=Credentials(sealer), store=store)


@pytest.fixture
def scheduling(db: Database) -> Iterator[Scheduling]:
    """The samples' projects, and queues."""
    made = begin_scheduling(db)
    yield made
    made.queue.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs take a deployment for unreachable after a moment instead of ten seconds."""
    soon = partial(connected, selection_seconds=0.3)
    monkeypatch.setattr(snapshot_operations, "connected", soon)
    monkeypatch.setattr(restore_operations, "connected", soon)
    monkeypatch.setattr(restore_operations, "_DISCARD_SECONDS", 0.3)
