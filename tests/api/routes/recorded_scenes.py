"""What was there when Atlas was asked, and what was asked: see recorded_backups.py."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from telamon.model.instance import Instance, InstanceState
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from telamon.state import instances
from tests.api.routes.backups import add_finished_jobs, add_restore_job, add_snapshot
from tests.api.routes.downloads import add_download, prepare, store_snapshot
from tests.api.routes.kinds import DEDICATED_ID, FLEX_ID, add_dedicated, add_flex
from tests.api.routes.world import V2_TYPE, World

JOB_ID = "65a0000000000000000000c9"


class Scene:
    """What was there when Atlas was asked."""

    def __init__(self, world: World) -> None:
        self.world = world

    def serverless(self, state: InstanceState = InstanceState.IDLE) -> None:
        self._tag(self.world.add_instance(state=state))

    def flex(self, state: InstanceState = InstanceState.IDLE) -> Instance:
        made = add_flex(self.world)
        self.world.set_state(FLEX_ID, state)
        return made

    def flex_snapshots(self) -> None:
        add_snapshot(self.world, self.flex())

    def flex_job(self, stage: RestoreStage) -> None:
        flex = self.flex()
        add_snapshot(self.world, flex)
        add_restore_job(self.world, flex, stage, restore_job_id=JOB_ID)

    def more_jobs_than_a_page(self) -> None:
        add_finished_jobs(self.world, self.flex(), 101)

    def dedicated(self) -> Instance:
        return add_dedicated(self.world)

    def snapshot(self, status: SnapshotStatus = SnapshotStatus.COMPLETED) -> None:
        add_snapshot(self.world, self.dedicated(), status)

        def describe(tx: sa.Connection) -> None:
            tx.execute(sa.text("UPDATE snapshot SET description = 'test-snapshot'"))

        self.world.db.transact(describe)

    def job(self, stage: RestoreStage) -> None:
        self.snapshot()
        dedicated = self.world.db.look(lambda tx: instances.by_id(tx, DEDICATED_ID))
        add_restore_job(self.world, dedicated, stage, restore_job_id=JOB_ID)

    def download(self) -> None:
        """Of a dedicated cluster's snapshot, ready."""
        store_snapshot(self.world, self.dedicated())
        dedicated = self.world.db.look(lambda tx: instances.by_id(tx, DEDICATED_ID))
        prepare(self.world, add_download(self.world, dedicated, job_id=JOB_ID))

    def without_schedule(self) -> None:
        self.dedicated()
        self.world.db.transact(lambda tx: tx.execute(sa.text("DELETE FROM backup_schedule")))

    def protected(self) -> None:
        self.dedicated()
        protect = sa.text("UPDATE instance SET termination_protection = 1")
        self.world.db.transact(lambda tx: tx.execute(protect))

    def leaving(self) -> None:
        self.dedicated()
        self.world.set_state(DEDICATED_ID, InstanceState.DELETING)

    def _tag(self, instance: Instance) -> None:
        tag = sa.text("UPDATE instance SET tags = :tags WHERE id = :id")
        given = {"tags": json.dumps([["env", "test"]]), "id": instance.id}
        self.world.db.transact(lambda tx: tx.execute(tag, given))


@dataclass(frozen=True)
class Case:
    """``setting`` sets the scene, ``first`` are requests before the one that counts.

    ``less`` are keys that the recording has and Telamon leaves out.
    """

    recordings: tuple[str, ...]
    method: str
    url: str
    setting: Callable[[Scene], object]
    body: object = None
    accept: str = V2_TYPE
    less: set[str] = field(default_factory=set)
    first: tuple[tuple[str, str, object], ...] = ()
