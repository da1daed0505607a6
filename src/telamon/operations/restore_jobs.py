"""Restore jobs: asked for, shown, cancelled. ``run_restore`` carries them out."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    CannotCancel,
    CannotRestoreToTarget,
    RestoreNotPossible,
    Unauthorized,
)
from telamon.ids import IdFactory
from telamon.jobs.queue import JobKind, JobQueue
from telamon.model.access import ApiKey
from telamon.model.instance import Instance, InstanceKind, InstanceState
from telamon.model.manifest import ClusterTime
from telamon.model.page import Page
from telamon.model.restore_evidence import NamespaceEvidence
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.model.restore_options import USUAL, RestoreOptions
from telamon.model.snapshot import Snapshot, SnapshotStatus
from telamon.operations.access import authorize
from telamon.operations.collection_restore_jobs import CollectionRestoreJobs, next_number
from telamon.operations.downloads import Downloads
from telamon.operations.kinds import (
    RESTORE_CREATORS,
    RESTORE_READERS,
    find_of_kind,
    of_any_kind,
    restore_job_of,
    snapshot_of,
)
from telamon.operations.points_in_time import way_to
from telamon.operations.selecting import amounts_of
from telamon.state import restore_evidence
from telamon.state import restore_jobs as rows
from telamon.state.database import Database
from telamon.state.ended_restore_jobs import EndedRestoreJobs

RECORD_KEPT_DAYS = 365
_IN_THE_SWAP = (
    "it puts the snapshot in place of the target's data, and stopping now would leave a mixture"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRestoreJob:
    """What a caller asks for. A download's target is whatever the caller wrote, or nothing.

    For a point in time there is a moment and no snapshot: the job takes the latest from before.
    """

    delivery_type: DeliveryType
    snapshot_id: str
    target_group_id: str
    target_cluster_name: str
    options: RestoreOptions = USUAL
    point_in_time: ClusterTime | None = None


class RestoreJobs:
    """What callers can do with restore jobs; whose, depends on the kind of instance as on Atlas."""

    def __init__(self, db: Database, queue: JobQueue, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._queue = queue
        self._clock = clock
        self._new_id = new_id
        self._downloads = Downloads(queue, clock)
        self._ended = EndedRestoreJobs()

    async def require_creator(
        self, caller: ApiKey, group_id: str, instance_name: str, kind: InstanceKind | None
    ) -> None:
        """For a caller who wants a restore and whose request has yet to be read."""
        roles = RESTORE_CREATORS[kind]
        await self._db.read(
            lambda tx: find_of_kind(tx, caller, group_id, instance_name, kind, roles=roles)
        )

    async def create(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        new: NewRestoreJob,
        kind: InstanceKind | None = None,
    ) -> RestoreJob:
        """Ask for a restore of one of the instance's snapshots; it is queued when this returns.

        The target is of any kind. Raises SnapshotNotFound, what ``amounts_of`` and ``way_to`` do, what
        ``named`` does (source or target), CannotRestoreToTarget, RestoreNotPossible,
        RestoreInProgress; for a download what ``Downloads.require`` does. Whether a moment has what
        is chosen of it is found out by the job.
        """

        def work(tx: Connection) -> RestoreJob:
            source = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=RESTORE_CREATORS[kind]
            )
            if new.point_in_time is not None:
                snapshot = way_to(tx, source.id, new.point_in_time).snapshot
            else:
                snapshot = snapshot_of(tx, source, new.snapshot_id, kind)
            if new.delivery_type is DeliveryType.DOWNLOAD:
                self._downloads.require(tx, snapshot)
                return self._downloads.ask(tx, self._restore_job(tx, source, snapshot, new, None))
            if snapshot.status is not SnapshotStatus.COMPLETED:
                raise RestoreNotPossible(
                    f"the snapshot {snapshot.id} is {snapshot.status.value}, not completed"
                )
            target = self._target(tx, caller, group_id, new, kind)
            job = self._restore_job(tx, source, snapshot, new, target)
            rows.insert(tx, job)
            self._queue.enqueue(tx, JobKind.RESTORE, job.id, lock=target.id)
            return job

        return await self._db.run(work)

    async def cancel(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        restore_job_id: str,
        kind: InstanceKind | None = None,
    ) -> None:
        """End a job. One that a worker has begun ends some seconds later.

        Raises RestoreJobNotFound; CannotCancel for one that has ended, or is in its swap.
        """

        def work(tx: Connection) -> None:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=RESTORE_CREATORS[kind]
            )
            job = restore_job_of(tx, instance, restore_job_id, kind)
            if job.delivery_type is DeliveryType.DOWNLOAD:
                self._downloads.cancel(tx, job)
                return
            if job.finished_at is not None:
                raise CannotCancel(job.id, "it has ended")
            failure = "It was cancelled before it began. The target's own data is as it was."
            now = self._clock()
            if rows.cancel(tx, job.id, failure=failure, at=now):
                return
            if not rows.request_cancel(tx, job.id, at=now):
                raise CannotCancel(job.id, _IN_THE_SWAP)

        await self._db.run(work)

    async def get(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        restore_job_id: str,
        kind: InstanceKind | None = None,
    ) -> RestoreJob:
        """Raises what ``named`` does, and RestoreJobNotFound."""

        def work(tx: Connection) -> RestoreJob:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=RESTORE_READERS[kind]
            )
            return restore_job_of(tx, instance, restore_job_id, kind)

        key = ("restore job", caller, group_id, instance_name, restore_job_id, kind)
        return await self._db.recall(key, work)

    async def namespaces(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        restore_job_id: str,
        *,
        limit: int,
        offset: int,
    ) -> Page[NamespaceEvidence]:
        """What the job has proven so far, by namespace. Raises as ``get``."""

        def work(tx: Connection) -> Page[NamespaceEvidence]:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, None, roles=RESTORE_READERS[None]
            )
            job = restore_job_of(tx, instance, restore_job_id, None)
            return restore_evidence.page(tx, job.id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def list(
        self,
        caller: ApiKey,
        group_id: str,
        instance_name: str,
        kind: InstanceKind | None = None,
        *,
        limit: int,
        offset: int,
    ) -> Page[RestoreJob]:
        """Newest first, any page at the same cost. Raises what ``named`` does."""

        def work(tx: Connection) -> Page[RestoreJob]:
            instance = find_of_kind(
                tx, caller, group_id, instance_name, kind, roles=RESTORE_READERS[kind]
            )
            return rows.page(tx, instance.id, limit=limit, offset=offset, read=self._ended.listed)

        key = ("restore jobs", caller, group_id, instance_name, kind, limit, offset)
        return await self._db.recall(key, work)

    @property
    def of_collections(self) -> CollectionRestoreJobs:
        """What callers can ask of restores of a part of a dedicated cluster's snapshot."""
        return CollectionRestoreJobs(self._db)

    @staticmethod
    def _target(
        tx: Connection,
        caller: ApiKey,
        group_id: str,
        new: NewRestoreJob,
        kind: InstanceKind | None,
    ) -> Instance:
        if new.target_group_id != group_id:
            try:
                authorize(tx, caller, new.target_group_id, RESTORE_CREATORS[kind])
            except Unauthorized as error:
                raise CannotRestoreToTarget from error
        target = of_any_kind(tx, new.target_group_id, new.target_cluster_name, kind)
        if target.state is InstanceState.DELETING:
            raise RestoreNotPossible(f"the target {target.name} is being deleted")
        return target

    def _restore_job(
        self,
        tx: Connection,
        source: Instance,
        snapshot: Snapshot,
        new: NewRestoreJob,
        target: Instance | None,
    ) -> RestoreJob:
        now = self._clock()
        assert snapshot.taken_at is not None
        amounts = amounts_of(tx, snapshot, new.options, is_of_moment=new.point_in_time is not None)
        return RestoreJob(
            id=self._new_id(now),
            group_id=source.group_id,
            instance_id=source.id,
            sequence=next_number(tx, source, new.options),
            delivery_type=new.delivery_type,
            snapshot_id=snapshot.id,
            snapshot_taken_at=snapshot.taken_at,
            target_group_id=new.target_group_id,
            target_instance_id=target.id if target else None,
            target_cluster_name=target.name if target else new.target_cluster_name,
            target_deployment_item_name=target.deployment_item_name if target else "",
            created_at=now,
            expires_at=now + timedelta(days=RECORD_KEPT_DAYS),
            finished_at=None,
            stage=RestoreStage.QUEUED,
            cancelled=False,
            failure=None,
            documents=0,
            documents_total=amounts.documents,
            size_bytes=0,
            size_bytes_total=amounts.size_bytes,
            namespaces_total=amounts.namespaces,
            snapshot_finished_at=snapshot.finished_at,
            point_in_time=new.point_in_time,
            options=new.options,
        )
