"""Rows of protected deployments."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from telamon.errors import DuplicateClusterName, InstanceNotFound
from telamon.model.instance import InstanceState, Provider
from telamon.state import instances
from telamon.state.database import Database
from telamon.state.tables import instance as table
from tests.state.samples import (
    GROUP,
    INSTANCE,
    NOW,
    OTHER_GROUP,
    SECOND_INSTANCE,
    insert_instance,
    instance,
)


def test_an_instance_is_read_as_it_was_inserted(db: Database) -> None:
    made = insert_instance(
        db,
        provider=Provider(backing_provider_name="GCP", region_name="EUROPE"),
        tags=(("env", "dev"), ("", "ü")),
        termination_protection=True,
    )

    assert db.look(lambda tx: instances.by_name(tx, GROUP, "Instance0")) == made
    assert db.look(lambda tx: instances.by_id(tx, INSTANCE)) == made
    assert db.look(lambda tx: instances.sealed_credentials(tx, INSTANCE)) == b"sealed"


def test_an_unknown_instance_is_not_found(db: Database) -> None:
    with pytest.raises(InstanceNotFound) as caught:
        db.look(lambda tx: instances.by_name(tx, GROUP, "Nobody"))
    assert caught.value.parameters == ("Nobody", GROUP)

    with pytest.raises(InstanceNotFound):
        db.look(lambda tx: instances.by_id(tx, INSTANCE))


def test_names_are_unique_in_a_group(db: Database) -> None:
    insert_instance(db)

    with pytest.raises(DuplicateClusterName) as caught:
        insert_instance(db, id=SECOND_INSTANCE)

    assert caught.value.parameters == ("cluster or serverless instance", "Instance0", GROUP)


def test_two_groups_may_use_one_name(db: Database) -> None:
    insert_instance(db)
    insert_instance(db, id=SECOND_INSTANCE, group_id=OTHER_GROUP)

    found = db.look(lambda tx: instances.by_name(tx, OTHER_GROUP, "Instance0"))
    assert found.id == SECOND_INSTANCE


def test_names_differ_by_case(db: Database) -> None:
    insert_instance(db)

    insert_instance(db, id=SECOND_INSTANCE, name="INSTANCE0")

    assert db.look(lambda tx: instances.by_name(tx, GROUP, "Instance0")).id == INSTANCE


def test_an_instance_belongs_to_a_group_that_exists(db: Database) -> None:
    with pytest.raises((DuplicateClusterName, IntegrityError)):
        insert_instance(db, group_id="65f0000000000000000000ff")


def test_an_instance_that_is_being_deleted_still_has_its_name(db: Database) -> None:
    insert_instance(db)
    db.transact(lambda tx: instances.set_state(tx, INSTANCE, InstanceState.DELETING))

    with pytest.raises(DuplicateClusterName):
        insert_instance(db, id=SECOND_INSTANCE)


def test_a_deleted_instance_makes_room_even_if_nobody_saw_its_end(db: Database) -> None:
    insert_instance(db)
    db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))

    insert_instance(db, id=SECOND_INSTANCE)

    assert db.look(lambda tx: instances.by_name(tx, GROUP, "Instance0")).id == SECOND_INSTANCE
    assert db.look(lambda tx: instances.page(tx, GROUP, limit=9, offset=0)).total == 1


def test_a_deleted_instance_is_shown_as_deleting_until_it_is_settled(db: Database) -> None:
    insert_instance(db)
    db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))
    shown = db.look(lambda tx: instances.by_name(tx, GROUP, "Instance0"))
    assert shown.state is InstanceState.DELETING

    db.transact(lambda tx: instances.settle_deleted(tx, [INSTANCE]))

    with pytest.raises(InstanceNotFound):
        db.look(lambda tx: instances.by_name(tx, GROUP, "Instance0"))
    assert db.look(lambda tx: instances.page(tx, GROUP, limit=9, offset=0)).items == ()


def test_an_instance_that_is_gone_can_still_be_found_by_its_id(db: Database) -> None:
    insert_instance(db)
    db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))
    db.transact(lambda tx: instances.settle_deleted(tx, [INSTANCE]))

    assert db.look(lambda tx: instances.by_id(tx, INSTANCE)).name == "Instance0"


@pytest.mark.parametrize("state", [InstanceState.IDLE, InstanceState.DELETING])
def test_settling_hides_only_what_is_deleted(db: Database, state: InstanceState) -> None:
    insert_instance(db, state=state)

    db.transact(lambda tx: instances.settle_deleted(tx, [INSTANCE]))

    assert db.look(lambda tx: instances.by_name(tx, GROUP, "Instance0")).state is state


def test_settling_nothing_hides_nothing(db: Database) -> None:
    insert_instance(db)
    db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))

    db.transact(lambda tx: instances.settle_deleted(tx, []))

    assert db.look(lambda tx: instances.page(tx, GROUP, limit=9, offset=0)).total == 1


def test_deleting_is_final(db: Database) -> None:
    insert_instance(db, state=InstanceState.DELETING)

    db.transact(lambda tx: instances.set_state(tx, INSTANCE, InstanceState.IDLE))

    assert db.look(lambda tx: instances.by_id(tx, INSTANCE)).state is InstanceState.DELETING


def test_a_mongod_that_answers_does_not_revive_a_deleting_instance(db: Database) -> None:
    insert_instance(db, state=InstanceState.DELETING)

    db.transact(
        lambda tx: instances.set_running(
            tx, INSTANCE, address="mongodb://x", port=1, mongodb_version="6.0.5"
        )
    )

    assert db.look(lambda tx: instances.by_id(tx, INSTANCE)).state is InstanceState.DELETING


def test_a_running_instance_is_idle_and_has_an_address(db: Database) -> None:
    insert_instance(db, state=InstanceState.CREATING)

    db.transact(
        lambda tx: instances.set_running(
            tx, INSTANCE, address="mongodb://127.0.0.1:1", port=1, mongodb_version="6.0.5"
        )
    )

    assert db.look(lambda tx: instances.by_id(tx, INSTANCE)) == instance(
        state=InstanceState.IDLE,
        address="mongodb://127.0.0.1:1",
        port=1,
        mongodb_version="6.0.5",
    )


def test_the_moment_of_the_end_is_written_once(db: Database) -> None:
    insert_instance(db)
    db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW))

    db.transact(lambda tx: instances.set_deleted(tx, INSTANCE, NOW + timedelta(hours=1)))

    found = db.look(lambda tx: tx.execute(sa.select(table.c.deleted_at)).scalar_one())
    assert found == 1769085000


def test_managed_instances_are_those_whose_mongod_should_run(db: Database) -> None:
    kinds = [
        ("idle", InstanceState.IDLE, True),
        ("repairing", InstanceState.REPAIRING, True),
        ("creating", InstanceState.CREATING, True),
        ("deleting", InstanceState.DELETING, True),
        ("attached", InstanceState.IDLE, False),
        ("deleted", InstanceState.IDLE, True),
    ]
    for number, (name, state, managed) in enumerate(kinds):
        insert_instance(db, id=f"{number:024}", name=name, state=state, managed=managed)
    db.transact(lambda tx: instances.set_deleted(tx, f"{5:024}", NOW))

    found = db.look(instances.managed)

    assert [one.name for one in found] == ["idle", "repairing"]


def test_pages_are_by_name(db: Database) -> None:
    for number, name in enumerate(["b", "c", "a"]):
        insert_instance(db, id=f"{number:024}", name=name)

    def names(limit: int, offset: int) -> list[str]:
        found = db.look(lambda tx: instances.page(tx, GROUP, limit=limit, offset=offset))
        assert found.total == 3
        return [one.name for one in found.items]

    assert names(2, 0) == ["a", "b"]
    assert names(2, 2) == ["c"]
    assert names(2, 4) == []


def test_attempts_are_counted(db: Database) -> None:
    insert_instance(db)

    counts = [db.transact(lambda tx: instances.count_attempt(tx, INSTANCE)) for _ in range(3)]

    assert counts == [1, 2, 3]


def test_restore_jobs_are_numbered_from_one_without_gaps(db: Database) -> None:
    insert_instance(db)
    assert db.look(lambda tx: instances.restore_job_bounds(tx, INSTANCE)) == (1, 0)

    numbers = [db.transact(lambda tx: instances.next_restore_job(tx, INSTANCE)) for _ in range(3)]

    assert numbers == [1, 2, 3]
    assert db.look(lambda tx: instances.restore_job_bounds(tx, INSTANCE)) == (1, 3)
