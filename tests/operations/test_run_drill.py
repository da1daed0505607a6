"""The job that proves that a snapshot can be restored, on real deployments."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from telamon.blobs.base import BlobStore
from telamon.errors import DrillFailed, LockLost, TelamonError
from telamon.jobs.worker import Steps
from telamon.model.drill import Drill, DrillState
from telamon.mongo.process import MongodProcess
from telamon.mongo.proof import Proving
from telamon.mongo.restore import Restore
from telamon.mongo.throwaway import Throwaways
from telamon.operations import run_drill as module
from telamon.operations.confirming import ALWAYS, Confirm
from telamon.operations.drill_signing import DrillKey, check
from telamon.operations.run_drill import RunDrill
from telamon.repository.repository import Repository
from telamon.state import drills, ended_jobs
from telamon.state.database import Database
from tests.conftest import Mongod
from tests.drills import DRILL, queued_drill
from tests.mongo import zoo
from tests.operations.conftest import World
from tests.operations.crashes import CrashingSteps, fill, plainly
from tests.repository.wrapped_stores import CrashError
from tests.state.samples import NOW, SNAPSHOT, clock

KEY = DrillKey(bytes(32))
# The statements are those of tests/state/test_drills.py; a drill takes seconds.
pytestmark = pytest.mark.parametrize("maker", ["sqlite"], indirect=True, scope="session")


@dataclass(frozen=True)
class Drilling:
    """A snapshot, and where it is drilled."""

    world: World
    program: Path
    root: Path

    def handler(
        self,
        *,
        db: Database | None = None,
        program: Path | None = None,
        store: BlobStore | None = None,
        confirm: Confirm = ALWAYS,
    ) -> RunDrill:
        """As after a restart: it knows of no other."""
        return RunDrill(
            db or self.world.db,
            Repository.open(store or self.world.store),
            Throwaways(program or self.program, self.root),
            KEY,
            clock=clock,
            confirm=confirm,
        )

    def ask(self) -> None:
        self.world.db.transact(lambda tx: drills.insert(tx, queued_drill()))

    @property
    def drill(self) -> Drill:
        return self.world.db.look(lambda tx: drills.by_id(tx, DRILL))

    @property
    def report(self) -> dict[str, Any]:
        signed = self.world.db.look(lambda tx: drills.report(tx, DRILL))
        assert signed is not None
        return check(signed, KEY.public).fields

    @property
    def left(self) -> list[Path]:
        return list(self.root.glob("*"))

    def run_to_failure(self, handler: RunDrill, steps: Steps = plainly) -> str:
        """As the worker does it; answers the reason."""
        with pytest.raises(TelamonError) as caught:
            handler.run(DRILL, steps)
        handler.fail(DRILL, caught.value)
        handler.fail(DRILL, caught.value)
        assert self.left == []
        drill = self.drill
        assert (drill.state, drill.finished_at) == (DrillState.FAILED, NOW)
        assert self.report["reason"] == drill.failure == caught.value.message
        assert self.report["outcome"] == "failed"
        return caught.value.message

    def require_passed(self) -> None:
        drill = self.drill
        assert (drill.state, drill.failure, drill.finished_at) == (DrillState.PASSED, None, NOW)
        assert (self.report["outcome"], self.left) == ("passed", [])


def take(world: World, source: Mongod) -> None:
    world.attach(source.uri)
    world.ask_for_snapshot()
    world.snapshot_handler().run(SNAPSHOT, plainly)


@pytest.fixture
def drilling(
    world: World, source: Mongod, mongod_program: Path, tmp_path: Path
) -> Iterator[Drilling]:
    """Of a small deployment; a drill is queued."""
    fill(source.client)
    take(world, source)
    made = Drilling(world, mongod_program, tmp_path / "drills")
    made.ask()
    yield made
    Throwaways(mongod_program, made.root).remove_all()


def test_a_drill_of_the_zoo_passes(
    world: World, source: Mongod, mongod_program: Path, tmp_path: Path
) -> None:
    zoo.fill(source.client)
    take(world, source)
    drilling = Drilling(world, mongod_program, tmp_path / "drills")
    drilling.ask()

    drilling.handler().run(DRILL, plainly)

    drilling.require_passed()
    report, taken = drilling.report, world.snapshot()
    found = {each["namespace"]: each for each in report["namespaces"]}
    assert len(found) == taken.namespaces_total
    assert sum(each["documents"] for each in found.values()) == taken.documents
    assert sum(each["bytes"] for each in found.values()) == taken.size_bytes
    assert {each["difference"] for each in found.values()} == {None}
    assert {each["kind"] for each in found.values()} == {"collection", "timeseries", "view"}


def test_a_report_tells_of_everything(drilling: Drilling, source: Mongod) -> None:
    drilling.handler().run(DRILL, plainly)

    report, taken = drilling.report, drilling.world.snapshot()
    assert report["clusterTime"] == str(taken.cluster_time)
    assert report["instance"]["name"] == taken.instance_name
    assert (report["drillId"], report["snapshotId"]) == (DRILL, SNAPSHOT)
    assert report["repositoryId"] == Repository.open(drilling.world.store).repository_id
    version = source.client.server_info()["version"]
    assert (report["mongodVersion"], report["snapshotMongodVersion"]) == (version, version)
    durations = report["durations"]
    assert all(seconds > 0 for seconds in durations.values())
    parts = sum(seconds for name, seconds in durations.items() if name != "totalSeconds")
    assert parts <= durations["totalSeconds"] + 0.01
    orders = next(each for each in report["namespaces"] if each["namespace"] == "shop.orders")
    assert (orders["documents"], orders["indexes"]) == (300, 2)
    assert orders["restoreSeconds"] > 0
    assert len({each["contentHash"] for each in report["namespaces"]}) == 3
    ended = {
        (each.kind, each.outcome): each.jobs for each in drilling.world.db.look(ended_jobs.totals)
    }
    assert (ended["drill", "finished"], ended["drill", "failed"]) == (1, 0)


# What makes it fail


def damage(store: BlobStore) -> None:
    pack = next(store.list("packs/")).key
    blob = bytearray(store.get(pack))
    blob[len(blob) // 3] ^= 1
    store.delete(pack)
    store.put(pack, bytes(blob))


def test_a_damaged_chunk_is_named_with_its_namespace(drilling: Drilling) -> None:
    damage(drilling.world.store)

    failure = drilling.run_to_failure(drilling.handler())

    assert failure.startswith(("shop.", "only_source."))
    assert " cannot be restored: Chunk " in failure
    report = drilling.report
    assert (report["namespaces"], report["durations"]["verifySeconds"]) == ([], None)
    assert report["durations"]["destroySeconds"] > 0
    ended = {
        (each.kind, each.outcome): each.jobs for each in drilling.world.db.look(ended_jobs.totals)
    }
    assert (ended["drill", "finished"], ended["drill", "failed"]) == (0, 1)


class Meddling(Proving):
    """Somebody changes what was restored before it is read back."""

    def prove(self, expected: Any) -> Any:
        shop = self._client["shop"]
        shop["people"].update_one({"_id": 7}, {"$set": {"name": "nobody"}})
        shop["orders"].drop_index("n_1")
        return super().prove(expected)


def test_what_differs_fails_the_drill_and_is_named(
    drilling: Drilling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "Proving", Meddling)

    failure = drilling.run_to_failure(drilling.handler())

    assert failure == ("shop.orders is not restored: its indexes differ in n_1. 1 more differ.")
    differences = {
        each["namespace"]: each["difference"]
        for each in drilling.report["namespaces"]
        if each["difference"]
    }
    assert sorted(differences) == ["shop.orders", "shop.people"]


def test_a_mongod_that_does_not_start_is_the_reason(drilling: Drilling, tmp_path: Path) -> None:
    broken = tmp_path / "mongod"
    broken.write_text("#!/bin/sh\necho it cannot be\nexit 1\n")
    broken.chmod(0o700)

    failure = drilling.run_to_failure(drilling.handler(program=broken))

    assert failure.startswith("The throwaway mongod failed. mongod in ")
    assert failure.endswith(" ended: it cannot be")
    assert drilling.report["mongodVersion"] is None


def test_without_a_mongod_nothing_is_pretended(drilling: Drilling) -> None:
    handler = drilling.handler()
    handler._throwaways = Throwaways(None, drilling.root)

    failure = drilling.run_to_failure(handler)

    assert failure.startswith("The worker has no mongod to restore into")


def test_an_older_mongod_than_the_snapshot_needs_is_not_tried(
    drilling: Drilling, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Repository.manifest

    def newer(self: Repository, snapshot_id: str) -> Any:
        return replace(manifest(self, snapshot_id), feature_compatibility_version="99.0")

    monkeypatch.setattr(Repository, "manifest", newer)

    failure = drilling.run_to_failure(drilling.handler())

    assert failure.startswith("The snapshot needs a mongod of 99.0 or later, and the worker's is ")
    assert drilling.report["durations"]["restoreSeconds"] is None


def test_a_snapshot_that_is_gone_is_the_reason(drilling: Drilling) -> None:
    drilling.world.store.delete(f"snapshots/{SNAPSHOT}")

    failure = drilling.run_to_failure(drilling.handler())

    assert failure == f"The snapshot {SNAPSHOT} has been deleted."


# Twice, killed, begun again


def test_a_drill_that_has_ended_is_not_done_again(drilling: Drilling) -> None:
    """Also where the worker was killed before it knew of the end."""
    with pytest.raises(CrashError):
        drilling.handler().run(DRILL, CrashingSteps(2))
    report = drilling.report
    damage(drilling.world.store)

    drilling.handler().run(DRILL, plainly)
    drilling.handler().fail(DRILL, DrillFailed("too late"))

    assert drilling.report == report
    drilling.require_passed()


PHASES = [
    (module, "examine"),  # started
    (Restore, "swap"),
    (Proving, "prove"),
    (RunDrill, "_end"),
]


class KilledError(BaseException):
    """The end of the process: nothing is cleaned up."""


@pytest.mark.parametrize(("owner", "name"), PHASES, ids=lambda it: getattr(it, "__name__", it))
def test_what_a_worker_that_was_killed_left_is_taken_away_by_the_next_attempt(
    drilling: Drilling, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    def kill(*_: object) -> None:
        raise KilledError

    killed = drilling.handler()
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, kill)
        if name != "_end":  # which comes after the mongod is destroyed
            patch.setattr(Throwaways, "remove", lambda self, name: None)
        with pytest.raises(KilledError):
            killed.run(DRILL, plainly)
    left = MongodProcess(drilling.program, drilling.root / DRILL)
    pid = left.pid
    assert (pid is None) == (name == "_end")

    drilling.handler().run(DRILL, plainly)

    drilling.require_passed()
    killed._throwaways.remove(DRILL)  # its child is still to be waited for
    assert not Path(f"/proc/{pid}").exists()


def test_after_three_crashes_it_fails(drilling: Drilling) -> None:
    for _ in range(3):
        drilling.world.db.transact(lambda tx: drills.start(tx, DRILL, at=NOW))
    (drilling.root / DRILL).mkdir(parents=True)

    failure = drilling.run_to_failure(drilling.handler())

    assert failure == "The worker ended 3 times in the middle of this drill."


def test_a_begin_that_is_handed_back_does_not_count(drilling: Drilling) -> None:
    def begin() -> int:
        return drilling.world.db.transact(lambda tx: drills.start(tx, DRILL, at=NOW))

    assert begin() == 1
    drilling.world.db.transact(lambda tx: drills.hand_back(tx, DRILL))

    assert begin() == 1


class Lost:
    """The lock of the repository was lost while the drill read."""

    def __call__(self, subject_id: str) -> None:
        raise LockLost(f"lost by {subject_id}")

    def lately(self, subject_id: str) -> None: ...


def test_what_looks_like_damage_without_the_lock_is_none(drilling: Drilling) -> None:
    """A prune may have moved the chunk meanwhile."""
    damage(drilling.world.store)

    with pytest.raises(LockLost):
        drilling.handler(confirm=Lost()).run(DRILL, plainly)

    assert (drilling.drill.state, drilling.left) == (DrillState.RUNNING, [])
