"""Continuous backup in tests: a worker that captures, and what it has captured."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from telamon.jobs.lease import Lease
from telamon.model.oplog import OplogWindow
from telamon.mongo.connect import Client
from telamon.operations.oplog_capture import OplogCapture
from telamon.repository.repository import Repository
from telamon.state import oplogs, tables, workers
from telamon.state.database import Database
from telamon.state.workers import LivingWorker
from tests.conftest import Mongod
from tests.operations.conftest import World
from tests.operations.crashes import plainly
from tests.state.samples import INSTANCE, SECOND_INSTANCE, SNAPSHOT

WORKER = "65f00000000000000000aa01"
OTHER_WORKER = "65f00000000000000000aa02"


def wall_clock() -> datetime:
    return datetime.now(UTC)


def living(worker_id: str) -> LivingWorker:
    return LivingWorker(id=worker_id, machine="m", has_mongod=False, version="v")


def fenced(world: World, worker_id: str) -> Database:
    """What a worker writes to; nothing if it has no row."""
    worker = living(worker_id)
    return Lease(world.db, worker, beat_seconds=60, lease_seconds=60, lost=lambda: None).fenced


def hire(world: World, worker_id: str) -> None:
    world.db.transact(lambda tx: workers.insert(tx, living(worker_id)))


def dismiss(world: World, worker_id: str) -> None:
    world.db.transact(lambda tx: workers.delete(tx, worker_id))


def capture_of(world: World, worker_id: str = WORKER, **changes: Any) -> OplogCapture:
    arguments: dict[str, Any] = {
        "db": fenced(world, worker_id),
        "credentials": world.credentials,
        "repository": Repository.open(world.store),
        "worker_id": worker_id,
        "machine": None,
        "clock": wall_clock,
        **changes,
    }
    return OplogCapture(
        arguments.pop("db"), arguments.pop("credentials"), arguments.pop("repository"), **arguments
    )


def take_continuous(world: World, source: Mongod, target: Mongod) -> None:
    """Take a snapshot of ``source``, whose oplog is captured from then on; ``target`` is there, too."""
    world.attach(source.uri)
    world.attach(target.uri, instance_id=SECOND_INSTANCE, name="Target")
    world.ask_for_snapshot()
    world.snapshot_handler().run(SNAPSHOT, plainly)
    make_continuous(world)
    hire(world, WORKER)


@contextmanager
def capturing(world: World) -> Iterator[OplogCapture]:
    """What captures its oplog, in small slices, and has begun to."""
    made = capture_of(world, slice_bytes=50_000)
    made.pass_over(INSTANCE)
    yield made
    made.close()


def make_continuous(world: World, instance_id: str = INSTANCE, *, on: bool = True) -> None:
    changed = {"continuous_backup": on}
    world.db.transact(
        lambda tx: tx.execute(
            tables.instance.update().where(tables.instance.c.id == instance_id).values(changed)
        )
    )


def windows(world: World) -> tuple[OplogWindow, ...]:
    return world.db.look(lambda tx: oplogs.windows(tx, INSTANCE))


def slice_count(world: World) -> int:
    """Of rows, each of which has its blob."""
    rows = world.db.look(lambda tx: oplogs.slices(tx, INSTANCE))
    assert len(rows) <= len(list(Repository.open(world.store).slices()))
    return len(rows)


def write(client: Client, number: int, *, count: int = 1) -> None:
    documents = [{"_id": n, "pad": "x" * 100} for n in range(number, number + count)]
    client["d"]["c"].insert_many(documents)
