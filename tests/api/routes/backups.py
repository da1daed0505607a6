"""Snapshots and restore jobs in every state that a worker can leave them in."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from telamon.model.instance import Instance
from telamon.model.manifest import (
    ChunkRef,
    ClusterTime,
    CollectionKind,
    CollectionSpec,
    Consistency,
    Manifest,
    Namespace,
    StoredCollection,
)
from telamon.model.repository_job import (
    CheckOutcome,
    RepositoryJob,
    RepositoryJobKind,
    RepositoryReport,
)
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.model.restore_options import USUAL, RestoreOptions
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType
from telamon.operations.collection_restore_jobs import next_number
from telamon.state import drills as drill_rows
from telamon.state import repository_jobs as repository_job_rows
from telamon.state import restore_jobs as restore_job_rows
from telamon.state import snapshots as snapshot_rows
from tests.api.routes.world import DRILL_KEY, SNAPSHOT_ID, World
from tests.drills import queued_drill, report

ODD = "a/b c.é%"
"""The name of a collection that has to be encoded in a path."""
TAKEN_AT = datetime(2026, 3, 1, 11, 30, 0, tzinfo=UTC)
DOCUMENTS = 1_000
SIZE_BYTES = 3_000_000_000  # more than 31 bits


def add_snapshot(
    world: World,
    instance: Instance,
    status: SnapshotStatus = SnapshotStatus.COMPLETED,
    *,
    snapshot_id: str = SNAPSHOT_ID,
    requested_at: datetime = TAKEN_AT,
    failure: str = "The deployment does not answer: connection refused",
) -> str:
    """The snapshot's id. One that is completed was taken when it was asked for."""
    new = Snapshot(
        id=snapshot_id,
        group_id=instance.group_id,
        instance_id=instance.id,
        instance_name=instance.name,
        status=SnapshotStatus.QUEUED,
        snapshot_type=SnapshotType.ON_DEMAND,
        requested_at=requested_at,
        finished_at=None,
        expires_at=requested_at + timedelta(days=35),
        taken_at=None,
        cluster_time=None,
        consistency=None,
        mongodb_version=None,
        documents=0,
        size_bytes=0,
        expected_bytes=0,
        new_bytes=0,
        failure=None,
    )
    ended_at = requested_at + timedelta(seconds=20)

    def work(tx: sa.Connection) -> None:
        snapshot_rows.insert(tx, new)
        if status is SnapshotStatus.QUEUED:
            return
        snapshot_rows.start(tx, new.id, mongodb_version="6.0.5", at=requested_at)
        if status is SnapshotStatus.COMPLETED:
            snapshot_rows.complete(tx, manifest_of(new), new_bytes=4_096, at=ended_at)
        elif status is SnapshotStatus.FAILED:
            snapshot_rows.fail(tx, new.id, failure=failure, at=ended_at)

    world.db.transact(work)
    return new.id


def add_contents(world: World, cluster: Instance) -> None:
    """A completed snapshot of two databases, with one of every kind."""
    add_snapshot(world, cluster, SnapshotStatus.IN_PROGRESS)
    collections = (
        stored("shop", "orders", CollectionKind.COLLECTION),
        stored("shop", "expensive", CollectionKind.VIEW),
        stored("shop", ODD, CollectionKind.COLLECTION),
        stored("metrics", "cpu", CollectionKind.TIMESERIES, documents=5),
    )

    def work(tx: sa.Connection) -> None:
        manifest = manifest_of(snapshot_rows.by_id(tx, SNAPSHOT_ID))
        completed = replace(manifest, collections=collections)
        snapshot_rows.complete(tx, completed, new_bytes=1, at=world.clock())

    world.db.transact(work)


def stored(database: str, name: str, kind: CollectionKind, documents: int = 3) -> StoredCollection:
    spec = CollectionSpec(
        namespace=Namespace(database, name), kind=kind, options=b"", indexes=(), uuid=None
    )
    chunk = ChunkRef(chunk_id=b"\0" * 32, documents=documents, size_bytes=100 * documents)
    return StoredCollection(spec=spec, chunks=() if kind is CollectionKind.VIEW else (chunk,))


def manifest_of(snapshot: Snapshot) -> Manifest:
    spec = CollectionSpec(
        namespace=Namespace("shop", "orders"),
        kind=CollectionKind.COLLECTION,
        options=b"",
        indexes=(),
        uuid=None,
    )
    chunk = ChunkRef(chunk_id=b"\0" * 32, documents=DOCUMENTS, size_bytes=SIZE_BYTES)
    return Manifest(
        snapshot_id=snapshot.id,
        group_id=snapshot.group_id,
        instance_id=snapshot.instance_id,
        instance_name=snapshot.instance_name,
        taken_at=snapshot.requested_at,
        cluster_time=ClusterTime(seconds=int(snapshot.requested_at.timestamp()), increment=7),
        consistency=Consistency.SNAPSHOT,
        mongodb_version="6.0.5",
        feature_compatibility_version="6.0",
        collections=(StoredCollection(spec=spec, chunks=(chunk,)),),
    )


def add_drill(
    world: World, instance: Instance, *, drill_id: str, failure: str | None = None
) -> bytes:
    """Its signed report; it was asked for and has ended now."""
    now = world.clock()
    new = queued_drill(
        id=drill_id, instance_id=instance.id, snapshot_id=SNAPSHOT_ID, requested_at=now
    )
    signed = DRILL_KEY.sign(report(drill_id=drill_id, reason=failure))

    def work(tx: sa.Connection) -> None:
        drill_rows.insert(tx, new)
        drill_rows.start(tx, new.id, at=now)
        drill_rows.finish(tx, new.id, failure=failure, report=signed, at=now)

    world.db.transact(work)
    return signed


def add_restore_job(
    world: World,
    source: Instance,
    stage: RestoreStage = RestoreStage.FINISHED,
    *,
    target: Instance | None = None,
    restore_job_id: str | None = None,
    snapshot_id: str = SNAPSHOT_ID,
    failure: str = "The deployment does not answer: connection refused",
    options: RestoreOptions = USUAL,
) -> str:
    """The job's id; it was created now, and ended 90 s later if it has."""

    def work(tx: sa.Connection) -> str:
        made = restore_job_of(
            tx, world, source, target or source, restore_job_id=restore_job_id, options=options
        )
        new = replace(made, snapshot_id=snapshot_id)
        restore_job_rows.insert(tx, new)
        _advance(tx, new, stage, failure)
        return new.id

    return world.db.transact(work)


def add_finished_jobs(world: World, source: Instance, count: int) -> None:
    """``count`` finished jobs, in one transaction; the ids end in 1 and so on."""

    def work(tx: sa.Connection) -> None:
        for number in range(1, count + 1):
            new = restore_job_of(tx, world, source, source, restore_job_id=f"65a0{number:020x}")
            restore_job_rows.insert(tx, new)
            restore_job_rows.finish(tx, new.id, at=new.created_at)

    world.db.transact(work)


def restore_job_of(
    tx: sa.Connection,
    world: World,
    source: Instance,
    target: Instance,
    *,
    restore_job_id: str | None,
    options: RestoreOptions = USUAL,
) -> RestoreJob:
    now = world.clock()
    return RestoreJob(
        id=restore_job_id or world.new_id(now),
        group_id=source.group_id,
        instance_id=source.id,
        sequence=next_number(tx, source, options),
        delivery_type=DeliveryType.AUTOMATED,
        snapshot_id=SNAPSHOT_ID,
        snapshot_taken_at=TAKEN_AT,
        target_group_id=target.group_id,
        target_instance_id=target.id,
        target_cluster_name=target.name,
        target_deployment_item_name=target.deployment_item_name,
        created_at=now,
        expires_at=now + timedelta(days=365),
        finished_at=None,
        stage=RestoreStage.QUEUED,
        cancelled=False,
        failure=None,
        documents=0,
        documents_total=DOCUMENTS,
        size_bytes=0,
        size_bytes_total=SIZE_BYTES,
        snapshot_finished_at=TAKEN_AT + timedelta(seconds=20),
        options=options,
    )


def _advance(tx: sa.Connection, job: RestoreJob, stage: RestoreStage, failure: str) -> None:
    ended_at = job.created_at + timedelta(seconds=90)
    if stage is RestoreStage.QUEUED:
        return
    restore_job_rows.start(tx, job.id)
    restore_job_rows.set_progress(tx, job.id, documents=250, size_bytes=750_000_000, namespaces=1)
    if stage is RestoreStage.LOADING:
        return
    if stage is RestoreStage.FAILED:
        restore_job_rows.fail(tx, job.id, failure=failure, at=ended_at)
        return
    restore_job_rows.set_swapping(tx, job.id)
    if stage is RestoreStage.FINISHED:
        restore_job_rows.finish(tx, job.id, at=ended_at)


def add_repository_job(world: World, *, job_id: str) -> RepositoryJob:
    """A check that found nothing."""
    made = RepositoryJob(id=job_id, kind=RepositoryJobKind.CHECK, requested_at=TAKEN_AT)
    found = CheckOutcome(
        snapshots=1,
        packs=2,
        chunks=3,
        unneeded_chunks=0,
        read_bytes=SIZE_BYTES,
        findings=(),
        notes=("packs/x is no part of a repository.",),
    )

    def work(tx: sa.Connection) -> None:
        repository_job_rows.insert(tx, made)
        repository_job_rows.start(tx, job_id, at=TAKEN_AT)
        report = RepositoryReport(check=found)
        repository_job_rows.finish(tx, made, report, findings=0, at=TAKEN_AT)

    world.db.transact(work)
    return made
