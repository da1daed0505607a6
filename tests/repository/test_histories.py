"""Any history of a repository against a dictionary: take, change, delete, prune, crash, reopen, rescan."""

import contextlib
import random
import secrets
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import bson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from telamon.blobs.base import BlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.model.access import Organization
from telamon.operations.rescan import Rescan
from telamon.repository import pack
from telamon.repository.check import Check
from telamon.repository.cut import CutParameters
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository
from telamon.repository.stats import read_stats
from telamon.state import access, snapshots
from telamon.state.database import Database
from telamon.state.tables import metadata
from tests.repository.samples import collection, manifest
from tests.repository.wrapped_stores import CrashError, CrashingStore, WrappedStore
from tests.state.samples import NOW

SECRET = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
CUT = CutParameters(target_bytes=1024, large_target_bytes=4096, large_document_bytes=512)


def document(number: int, version: int) -> bytes:
    chance = random.Random(number)
    text = " ".join(f"{chance.randrange(10**9):x}" for _ in range(8))
    return bson.encode({"_id": number, "version": version, "text": text})


class CrashingDeletes(WrappedStore):
    """Crashes before its nth delete."""

    def __init__(self, inner: BlobStore, at: int) -> None:
        super().__init__(inner)
        self._left = at

    def delete(self, key: str) -> None:
        self._left -= 1
        if self._left <= 0:
            raise CrashError
        super().delete(key)


class Histories(RuleBasedStateMachine):
    """``expected`` is what each snapshot must hold; ``documents`` the deployment as it is now."""

    def __init__(self) -> None:
        super().__init__()
        self._pack_target_bytes = pack.PACK_TARGET_BYTES
        pack.PACK_TARGET_BYTES = 2000
        self.store = MemoryBlobStore()
        self.secret: RepositorySecret | None = None
        self.expected: dict[str, bytes] = {}
        self.documents: dict[int, bytes] = {}
        self.versions = 0
        self.taken = 0
        self.next_id = 0

    def teardown(self) -> None:
        pack.PACK_TARGET_BYTES = self._pack_target_bytes

    @initialize(encrypted=st.booleans())
    def create(self, encrypted: bool) -> None:
        self.secret = SECRET if encrypted else None
        self.repository = Repository.create(self.store, secrets.token_bytes, CUT, self.secret)

    @rule(count=st.integers(1, 60))
    def insert(self, count: int) -> None:
        for _ in range(count):
            self.documents[self.next_id] = document(self.next_id, 0)
            self.next_id += 1

    @rule(seed=st.integers(0, 99), part=st.floats(0, 0.3))
    def update(self, seed: int, part: float) -> None:
        self.versions += 1
        chance = random.Random(seed)
        for number in self.documents:
            if chance.random() < part:
                self.documents[number] = document(number, self.versions)

    @rule(seed=st.integers(0, 99), part=st.floats(0, 0.3))
    def remove(self, seed: int, part: float) -> None:
        chance = random.Random(seed)
        self.documents = {n: d for n, d in self.documents.items() if chance.random() >= part}

    @rule(follows=st.booleans())
    def take(self, follows: bool) -> None:
        self._take(self.repository, follows)
        self.expected[self._snapshot_id()] = b"".join(self.documents.values())

    @rule(follows=st.booleans(), at=st.integers(1, 6), after=st.booleans())
    def crash_while_taking(self, follows: bool, at: int, after: bool) -> None:
        crashing = Repository.open(CrashingStore(self.store, at=at, after=after), self.secret)
        with contextlib.suppress(CrashError):
            self._take(crashing, follows)
        self.reopen()
        if self.repository.has_manifest(self._snapshot_id()):
            self.expected[self._snapshot_id()] = b"".join(self.documents.values())

    @precondition(lambda self: self.expected)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        snapshot_id = data.draw(st.sampled_from(sorted(self.expected)))
        self.repository.delete_snapshot(snapshot_id)
        del self.expected[snapshot_id]

    @rule(percent=st.sampled_from([0, 5, 50]))
    def prune(self, percent: float) -> None:
        Prune(self.repository, max_unused_percent=percent).execute()
        if percent == 0:
            assert read_stats(self.repository).unused_bytes == 0

    @rule(at=st.integers(1, 4), after=st.booleans())
    def crash_while_pruning(self, at: int, after: bool) -> None:
        crashing = Repository.open(CrashingStore(self.store, at=at, after=after), self.secret)
        with contextlib.suppress(CrashError):
            Prune(crashing, max_unused_percent=0).execute()
        self.reopen()

    @rule(at=st.integers(1, 4))
    def crash_while_deleting_packs(self, at: int) -> None:
        crashing = Repository.open(CrashingDeletes(self.store, at), self.secret)
        with contextlib.suppress(CrashError):
            Prune(crashing, max_unused_percent=0).execute()

    @rule()
    def rescan(self) -> None:
        """With a new database, as after the loss of the old one."""
        with (
            TemporaryDirectory() as folder,
            closing(Database.sqlite(Path(folder) / "new.db")) as db,
        ):
            metadata.create_all(db.engine)
            organization = Organization(
                id="65f0000000000000000000f1", name="New", created_at=NOW, requires_access_list=True
            )
            db.transact(lambda tx: access.insert_organization(tx, organization))
            report = Rescan(db, self.repository, clock=lambda: NOW).run()
            assert set(report.snapshots) == set(self.expected)
            assert set(db.look(snapshots.completed_ids)) == set(self.expected)
            for snapshot_id, content in self.expected.items():
                found = db.look(partial(snapshots.by_id, snapshot_id=snapshot_id))
                assert found.size_bytes == len(content)

    @rule()
    def reopen(self) -> None:
        self.repository = Repository.open(self.store, self.secret)

    @invariant()
    def every_snapshot_is_what_it_was(self) -> None:
        if not hasattr(self, "repository"):
            return
        self.repository.index.refresh()
        assert set(self.repository.snapshot_ids()) == set(self.expected)
        for snapshot_id, content in self.expected.items():
            (stored,) = self.repository.manifest(snapshot_id).collections
            assert b"".join(self.repository.documents(stored)) == content
        report = Check(Repository.open(self.store, self.secret), random.Random(1)).run(
            read_data_percent=100
        )
        assert report.findings == ()

    def _snapshot_id(self) -> str:
        return f"{self.taken:024x}"

    def _take(self, repository: Repository, follows: bool) -> None:
        """Of the deployment as it is, after the newest snapshot there is if it ``follows`` one."""
        self.taken += 1
        newest = max(self.expected, default=None)
        follows = follows and newest is not None
        before = self.repository.manifest(str(newest)).collections[0].chunks if follows else ()
        with repository.begin() as writer:
            chunks = writer.add([b"".join(self.documents.values())], before)
            writer.commit(manifest(self._snapshot_id(), [collection("orders", chunks)]))


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
