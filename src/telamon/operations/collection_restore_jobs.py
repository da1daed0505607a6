"""Restores of a part of a dedicated cluster's snapshot: what callers can see of them.

They are asked for as all restores are. Atlas has a list of their own for them, and shows how far
each collection is.
"""

from sqlalchemy import Connection

from telamon.errors import NamespaceNotFound, RestoreJobNotFound
from telamon.model.access import ApiKey
from telamon.model.instance import Instance, InstanceKind
from telamon.model.page import Page
from telamon.model.restore_job import RestoreJob, RestoreStage
from telamon.model.restore_options import RestoreOptions
from telamon.operations.kinds import RESTORE_READERS, find_of_kind
from telamon.operations.selecting import PlacedCollection, collections_of
from telamon.state import collection_restore_jobs as rows
from telamon.state import instances, restore_jobs
from telamon.state.database import Database

_KIND = InstanceKind.DEDICATED


def next_number(tx: Connection, source: Instance, options: RestoreOptions) -> int:
    """The number of a new restore job in the list that it belongs to."""
    if options.selection is not None and source.kind is _KIND:
        return rows.next_number(tx, source.id)
    return instances.next_restore_job(tx, source.id)


class CollectionRestoreJobs:
    """All raise what ``find_of_kind`` does, and RestoreJobNotFound."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(
        self, caller: ApiKey, group_id: str, cluster_name: str, *, limit: int, offset: int
    ) -> Page[RestoreJob]:
        """Newest first."""

        def work(tx: Connection) -> Page[RestoreJob]:
            cluster = _cluster(tx, caller, group_id, cluster_name)
            return rows.page(tx, cluster.id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def get(
        self, caller: ApiKey, group_id: str, cluster_name: str, restore_job_id: str
    ) -> RestoreJob:
        return await self._db.read(
            lambda tx: _job(tx, caller, group_id, cluster_name, restore_job_id)
        )

    async def collections(
        self, caller: ApiKey, group_id: str, cluster_name: str, restore_job_id: str
    ) -> tuple[RestoreJob, tuple[PlacedCollection, ...]]:
        """What the job restores, by name; nothing as long as no worker has begun."""

        def work(tx: Connection) -> tuple[RestoreJob, tuple[PlacedCollection, ...]]:
            job = _job(tx, caller, group_id, cluster_name, restore_job_id)
            return job, () if job.stage is RestoreStage.QUEUED else collections_of(tx, job)

        return await self._db.read(work)

    async def collection(
        self,
        caller: ApiKey,
        group_id: str,
        cluster_name: str,
        restore_job_id: str,
        source_namespace: str,
    ) -> tuple[RestoreJob, PlacedCollection]:
        """Raises NamespaceNotFound."""
        job, found = await self.collections(caller, group_id, cluster_name, restore_job_id)
        for each in found:
            if str(each.source.namespace) == source_namespace:
                return job, each
        raise NamespaceNotFound(f"collection {source_namespace}", job.snapshot_id)


def _cluster(tx: Connection, caller: ApiKey, group_id: str, name: str) -> Instance:
    return find_of_kind(tx, caller, group_id, name, _KIND, roles=RESTORE_READERS[_KIND])


def _job(
    tx: Connection, caller: ApiKey, group_id: str, cluster_name: str, restore_job_id: str
) -> RestoreJob:
    cluster = _cluster(tx, caller, group_id, cluster_name)
    found = restore_jobs.of_instance(tx, cluster.id, cluster.name, restore_job_id)
    if not found.is_of_part:
        raise RestoreJobNotFound(restore_job_id, cluster.name)
    return found
