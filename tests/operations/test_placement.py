"""On which machine a new managed instance is."""

from pathlib import Path

import pytest

from telamon.errors import FeatureUnsupported
from telamon.operations.placement import Placement
from telamon.state import instances, workers
from telamon.state.database import Database
from telamon.state.workers import LivingWorker
from tests.state.samples import INSTANCE, SECOND_INSTANCE, instance

MONGOD = Path("/usr/bin/mongod")


def placement(*, mongod: Path | None = None, machine: str | None = None) -> Placement:
    return Placement(mongod=mongod, machine=machine, on_fleet=True, lease_seconds=60)


def be_there(db: Database, machine: str, *, has_mongod: bool = True) -> None:
    living = LivingWorker(id=f"w-{machine}", machine=machine, has_mongod=has_mongod, version="v")
    db.transact(lambda tx: workers.insert(tx, living))


def test_with_one_machine_there_is_no_choice(db: Database) -> None:
    alone = Placement(mongod=MONGOD, machine=None, on_fleet=False, lease_seconds=60)

    assert db.look(alone.choose) is None


@pytest.mark.parametrize("on_fleet", [False, True])
def test_where_no_mongod_is_there_can_be_no_instance(db: Database, on_fleet: bool) -> None:
    be_there(db, "a", has_mongod=False)
    nowhere = Placement(mongod=None, machine="b", on_fleet=on_fleet, lease_seconds=60)

    with pytest.raises(FeatureUnsupported, match="mongod"):
        db.look(nowhere.choose)


def test_it_goes_where_the_fewest_are(db: Database) -> None:
    for machine in ("a", "b"):
        be_there(db, machine)
    assert db.look(placement().choose) == "a"

    db.transact(lambda tx: instances.insert(tx, instance(), sealed_credentials=b"", machine="a"))
    assert db.look(placement().choose) == "b"

    other = instance(id=SECOND_INSTANCE, name="Second")
    db.transact(lambda tx: instances.insert(tx, other, sealed_credentials=b"", machine="b"))
    assert db.look(placement().choose) == "a"
    assert db.look(placement(mongod=MONGOD, machine="c").choose) == "c"


def test_those_of_a_machine_are_watched_over_there(db: Database) -> None:
    for number, machine in ((0, None), (1, "a"), (2, "b")):
        made = instance(id=f"{INSTANCE[:-1]}{number}", name=f"I{number}")
        db.transact(
            lambda tx, made=made, machine=machine: instances.insert(  # type: ignore[misc]
                tx, made, sealed_credentials=b"", machine=machine
            )
        )

    found = {
        machine: [one.name for one in db.look(lambda tx, m=machine: instances.managed(tx, m))]  # type: ignore[misc]
        for machine in (None, "a", "b", "c")
    }

    assert found == {None: ["I0"], "a": ["I1"], "b": ["I2"], "c": []}
    assert db.look(lambda tx: instances.machine(tx, f"{INSTANCE[:-1]}1")) == "a"
    assert db.look(lambda tx: instances.machine(tx, "unknown")) is None
