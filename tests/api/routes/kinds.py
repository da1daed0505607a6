"""A flex and a dedicated cluster beside the serverless instance of most tests, and their paths."""

from dataclasses import replace

import sqlalchemy as sa

from telamon.model.instance import Instance, InstanceKind, InstanceState, Provider
from telamon.operations.backup_schedules import begin_schedule
from telamon.state import instances as rows
from tests.api.routes.world import GROUP, World

FLEX = "pliant"
FLEX_ID = "65a0000000000000000000a7"
FLEX_TYPE = "application/vnd.atlas.2024-11-13+json"
DEDICATED = "fixed"
DEDICATED_ID = "65a0000000000000000000a8"
POLICY_ID = "65a0000000000000000000e1"
CONTENTS_TYPE = "application/vnd.atlas.2025-03-12+json"


def add_flex(world: World, name: str = FLEX, *, instance_id: str = FLEX_ID) -> Instance:
    """A managed one, IDLE."""
    made = replace(
        _instance(world, name, instance_id), kind=InstanceKind.FLEX, managed=True, address=None
    )

    def work(tx: sa.Connection) -> Instance:
        sealed = world.credentials.seal_new_passwords(instance_id)
        rows.insert(tx, made, sealed_credentials=sealed)
        rows.set_running(
            tx,
            instance_id,
            address="mongodb://127.0.0.1:27102/",
            port=27102,
            mongodb_version="6.0.5",
        )
        return rows.by_id(tx, instance_id)

    return world.db.transact(work)


def add_dedicated(
    world: World, name: str = DEDICATED, *, instance_id: str = DEDICATED_ID
) -> Instance:
    """As it is when it has been attached."""
    made = _instance(world, name, instance_id)

    def work(tx: sa.Connection) -> Instance:
        sealed = world.credentials.seal_uri(instance_id, "mongodb://u:secret@192.0.2.1/")
        rows.insert(tx, made, sealed_credentials=sealed)
        begin_schedule(tx, instance_id, policy_id=POLICY_ID, at=made.created_at)
        return rows.by_id(tx, instance_id)

    return world.db.transact(work)


def _instance(world: World, name: str, instance_id: str) -> Instance:
    return Instance(
        id=instance_id,
        group_id=GROUP,
        kind=InstanceKind.DEDICATED,
        name=name,
        state=InstanceState.IDLE,
        created_at=world.clock(),
        managed=False,
        address="mongodb://192.0.2.1/",
        port=None,
        mongodb_version="6.0.5",
        deployment_item_name=f"atlas-{instance_id[-2:]}c3d4",
        provider=Provider(backing_provider_name="AWS", region_name="US_EAST_1"),
        tags=(),
        termination_protection=False,
    )
