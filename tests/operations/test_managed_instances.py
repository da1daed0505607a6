"""Instances that Telamon runs itself, on a real mongod."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from telamon.errors import ConfigurationError, DeploymentUnavailable
from telamon.model.instance import Instance, InstanceState
from telamon.mongo.connect import open_client
from telamon.operations.instances import CreateInstance, DeleteInstance
from telamon.operations.managed_instances import ManagedInstances
from telamon.state import instances
from tests.databases import on_sqlite
from tests.operations.conftest import World
from tests.operations.crashes import plainly, twice
from tests.state.samples import INSTANCE, NOW, SECOND_INSTANCE, clock, instance

pytestmark = on_sqlite


def insert(world: World, instance_id: str, name: str, state: InstanceState) -> None:
    made = instance(id=instance_id, name=name, state=state)
    sealed = world.credentials.seal_new_passwords(instance_id)
    world.db.transact(lambda tx: instances.insert(tx, made, sealed_credentials=sealed))


def row(world: World, instance_id: str = INSTANCE) -> Instance:
    return world.db.look(lambda tx: instances.by_id(tx, instance_id))


def owner_uri(world: World) -> str:
    return world.db.look(lambda tx: world.credentials.owner_uri(tx, instances.by_id(tx, INSTANCE)))


def processes(folder: Path) -> list[int]:
    """Every process whose command line names a directory below ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes() if entry.name.isdecimal() else b""
        except OSError:
            continue
        if str(folder).encode() in words:
            found.append(int(entry.name))
    return found


@pytest.fixture
def managed(world: World, mongod_program: Path, tmp_path: Path) -> Iterator[ManagedInstances]:
    made = ManagedInstances(
        world.db, world.credentials, mongod=mongod_program, root=tmp_path / "instances"
    )
    yield made
    for process in made._processes.values():
        process.stop()


@pytest.fixture
def broken(world: World, managed: ManagedInstances, tmp_path: Path) -> ManagedInstances:
    """The mongod of its one instance cannot start."""
    insert(world, INSTANCE, "Instance0", InstanceState.IDLE)
    data = tmp_path / "instances" / INSTANCE / "db"
    data.mkdir(parents=True)
    (data / "storage.bson").write_bytes(b"not what mongod wrote")
    return managed


def test_an_instance_is_made_survives_a_kill_and_is_taken_away(
    world: World, managed: ManagedInstances, tmp_path: Path
) -> None:
    """One story, since each mongod takes its time to start."""
    root = tmp_path / "instances"
    insert(world, INSTANCE, "Instance0", InstanceState.CREATING)

    CreateInstance(world.db, managed).run(INSTANCE, twice)

    made = row(world)
    assert made.state is InstanceState.IDLE
    assert made.address == f"mongodb://127.0.0.1:{made.port}/?replicaSet=telamon"
    with open_client(owner_uri(world)) as client:
        client.shop.orders.insert_one({"_id": 1})
        assert made.mongodb_version == client.server_info()["version"]

    [pid] = processes(root)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    managed.revive()

    assert row(world).state is InstanceState.IDLE
    [revived] = processes(root)
    assert revived != pid
    with open_client(owner_uri(world)) as client:
        assert client.shop.orders.find_one() == {"_id": 1}

    managed.revive()
    assert processes(root) == [revived]

    delete = DeleteInstance(world.db, managed, clock)
    delete.run(INSTANCE, twice)

    assert processes(root) == []
    assert not (root / INSTANCE).exists()
    assert row(world).state is InstanceState.DELETING


def test_threads_that_start_one_instance_start_one_mongod(
    world: World, managed: ManagedInstances, tmp_path: Path
) -> None:
    insert(world, INSTANCE, "Instance0", InstanceState.CREATING)
    barrier = Barrier(3)

    def start(_thread: int) -> None:
        barrier.wait()
        managed.start(INSTANCE)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(start, range(3)))

    assert len(processes(tmp_path / "instances")) == 1
    assert row(world).state is InstanceState.IDLE


def test_closing_stops_every_mongod_also_those_that_another_process_started(
    world: World, managed: ManagedInstances, mongod_program: Path, tmp_path: Path
) -> None:
    root = tmp_path / "instances"
    insert(world, INSTANCE, "Instance0", InstanceState.CREATING)
    insert(world, SECOND_INSTANCE, "Second", InstanceState.CREATING)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(managed.start, (INSTANCE, SECOND_INSTANCE)))
    assert len(processes(root)) == 2
    successor = ManagedInstances(world.db, world.credentials, mongod=mongod_program, root=root)
    successor.open()

    successor.close()

    assert processes(root) == []
    assert row(world).state is InstanceState.IDLE


def test_nothing_is_started_any_more_once_it_is_closed(
    world: World, managed: ManagedInstances, tmp_path: Path
) -> None:
    insert(world, INSTANCE, "Instance0", InstanceState.CREATING)
    managed.close()

    managed.start(INSTANCE)

    assert processes(tmp_path / "instances") == []
    assert row(world).state is InstanceState.CREATING


def test_an_instance_that_is_being_deleted_is_not_started(
    world: World, managed: ManagedInstances, tmp_path: Path
) -> None:
    """As when the watch saw it down before it was deleted: nobody would ever stop it."""
    insert(world, INSTANCE, "Instance0", InstanceState.DELETING)

    managed.start(INSTANCE)

    assert processes(tmp_path / "instances") == []
    assert not (tmp_path / "instances" / INSTANCE).exists()


def test_removing_what_was_never_made_does_nothing(world: World, managed: ManagedInstances) -> None:
    insert(world, INSTANCE, "Instance0", InstanceState.DELETING)

    DeleteInstance(world.db, managed, clock).run(INSTANCE, plainly)

    assert row(world).state is InstanceState.DELETING


def test_an_attached_deployment_is_forgotten_and_nothing_else(
    world: World, managed: ManagedInstances
) -> None:
    world.attach("mongodb://127.0.0.1:1")

    DeleteInstance(world.db, managed, clock).run(INSTANCE, plainly)

    world.db.transact(lambda tx: instances.settle_deleted(tx, [INSTANCE]))
    assert row(world).state is InstanceState.DELETING


def test_a_mongod_that_cannot_start_is_repairing_and_tried_again_after_growing_pauses(
    world: World, broken: ManagedInstances
) -> None:
    pauses = []
    for _ in range(8):
        broken.revive()
        _when, pause = broken._next_try[INSTANCE]
        pauses.append(pause)
        broken._next_try[INSTANCE] = (0.0, pause)

    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    assert row(world).state is InstanceState.REPAIRING


def test_until_the_next_try_a_broken_mongod_is_left_alone(
    world: World, broken: ManagedInstances
) -> None:
    broken._next_try[INSTANCE] = (float("inf"), 4.0)

    broken.revive()

    assert broken._next_try[INSTANCE] == (float("inf"), 4.0)
    assert row(world).state is InstanceState.IDLE


def test_a_repaired_mongod_is_idle_and_its_pauses_are_forgotten(
    world: World, broken: ManagedInstances, tmp_path: Path
) -> None:
    broken.revive()
    (tmp_path / "instances" / INSTANCE / "db" / "storage.bson").unlink()
    broken._next_try[INSTANCE] = (0.0, 2.0)

    broken.revive()

    assert row(world).state is InstanceState.IDLE
    assert broken._next_try == {}


def test_a_creation_that_fails_is_left_to_the_watch(world: World, broken: ManagedInstances) -> None:
    create = CreateInstance(world.db, broken)
    with pytest.raises(DeploymentUnavailable) as caught:
        create.run(INSTANCE, plainly)

    create.fail(INSTANCE, caught.value)

    assert row(world).state is InstanceState.REPAIRING
    assert [one.id for one in world.db.look(instances.managed)] == [INSTANCE]


def test_a_deletion_that_fails_still_lets_the_instance_go(
    world: World, managed: ManagedInstances
) -> None:
    insert(world, INSTANCE, "Instance0", InstanceState.DELETING)

    DeleteInstance(world.db, managed, clock).fail(INSTANCE, DeploymentUnavailable("no"))

    world.db.transact(lambda tx: instances.settle_deleted(tx, [INSTANCE]))
    insert(world, SECOND_INSTANCE, "Instance0", InstanceState.CREATING)


def test_without_a_mongod_there_are_no_managed_instances(world: World, tmp_path: Path) -> None:
    without = ManagedInstances(world.db, world.credentials, mongod=None, root=tmp_path)
    insert(world, INSTANCE, "Instance0", InstanceState.IDLE)

    with pytest.raises(ConfigurationError) as caught:
        without.start(INSTANCE)

    assert caught.value.message == "No mongod is installed to run managed instances with."
    without.close()


def test_the_watch_goes_on_without_a_mongod(world: World, tmp_path: Path) -> None:
    """Attached deployments work all the same."""
    without = ManagedInstances(world.db, world.credentials, mongod=None, root=tmp_path)
    insert(world, INSTANCE, "Instance0", InstanceState.IDLE)

    without.open()
    without.close()

    assert row(world).created_at == NOW
