"""Downloads in every state, of snapshots whose documents are really there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx
import sqlalchemy as sa

from telamon.api.asgi import Options
from telamon.model.instance import Instance
from telamon.model.restore_job import DeliveryType
from telamon.operations.downloads import PrepareDownload
from telamon.state import restore_jobs as rows
from tests.api.routes.backups import add_snapshot, restore_job_of
from tests.api.routes.world import SNAPSHOT_ID, World
from tests.operations.crashes import plainly
from tests.repository.samples import noise, orders, take

DOWNLOAD_ID = "65a0000000000000000000d1"
CONTENTS: Mapping[str, Sequence[bytes]] = {
    "orders": orders(40),
    "empty": [],
    # Of several members of the file, so that ranges differ from each other.
    "noise": noise(24, noise_bytes=100_000),
}
FILE_NAME = f"restore-{SNAPSHOT_ID}.archive.gz"


@dataclass(frozen=True)
class Link:
    """The URL of a download, and clients of it that have no credentials."""

    world: World
    url: str

    def client(self, *, address: str = "203.0.113.9") -> httpx.AsyncClient:
        client = self.world.client(app=self.world.app(Options()), address=address)
        del client.headers["Accept"]
        return client

    async def get(self, **fields: str) -> httpx.Response:
        """With header fields whose names have underscores for hyphens."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        return await self.client().get(self.url, headers=headers)


def store_snapshot(world: World, instance: Instance) -> None:
    """A completed snapshot, its row and its documents."""
    take(world.repository, SNAPSHOT_ID, CONTENTS)
    add_snapshot(world, instance)


def add_download(world: World, instance: Instance, *, job_id: str = DOWNLOAD_ID) -> str:
    """A queued one."""

    def work(tx: sa.Connection) -> str:
        made = restore_job_of(tx, world, instance, instance, restore_job_id=job_id)
        new = replace(
            made,
            delivery_type=DeliveryType.DOWNLOAD,
            target_group_id="",
            target_instance_id=None,
            target_cluster_name="",
            target_deployment_item_name="",
        )
        rows.insert(tx, new)
        return new.id

    return world.db.transact(work)


def prepare(world: World, job_id: str = DOWNLOAD_ID) -> None:
    """What the worker does."""
    PrepareDownload(world.db, world.repository, world.clock).run(job_id, plainly)


def link_to(world: World, job_id: str = DOWNLOAD_ID) -> Link:
    """To the file of a download that is ready."""
    job = world.db.look(lambda tx: rows.by_id(tx, job_id))
    token = world.services().download_files.token(job)
    return Link(world, f"http://telamon.test/api/telamon/v1/downloads/{token}/{FILE_NAME}")
