"""Rows to begin with. Everything is the same in every run."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from telamon.model.access import ApiKey, Organization, Project, Role, RoleAssignment
from telamon.model.instance import Instance, InstanceKind, InstanceState, Provider
from telamon.model.manifest import ClusterTime, Consistency, Manifest
from telamon.model.restore_job import DeliveryType, RestoreJob, RestoreStage
from telamon.model.snapshot import Snapshot, SnapshotStatus, SnapshotType
from telamon.state import access, instances, restore_jobs, snapshots
from telamon.state.database import Database
from tests.places import Place

NOW = datetime(2026, 1, 22, 12, 30, tzinfo=UTC)
ORG = "65f0000000000000000000a0"
OTHER_ORG = "65f0000000000000000000a1"
GROUP = "65f0000000000000000000b0"
OTHER_GROUP = "65f0000000000000000000b1"
FOREIGN_GROUP = "65f0000000000000000000b2"
INSTANCE = "65f0000000000000000000c0"
SECOND_INSTANCE = "65f0000000000000000000c1"
SNAPSHOT = "65f0000000000000000000d0"
JOB = "65f0000000000000000000e0"


def clock() -> datetime:
    return NOW


def open_database(path: Path) -> Database:
    """A file with two projects of one organization, and one of another."""
    fill_database(Place(str(path)))
    return Database.sqlite(path)


def fill_database(place: Place) -> None:
    """Migrate, and insert the samples' projects."""
    with closing(place.open()) as db:
        db.migrate()
        fill_projects(db)


def fill_projects(db: Database) -> None:
    db.transact(_projects)


def _projects(tx: Connection) -> None:
    for org_id in (ORG, OTHER_ORG):
        organization = Organization(
            id=org_id, name="Org", created_at=NOW, requires_access_list=True
        )
        access.insert_organization(tx, organization)
    for group_id, org_id in ((GROUP, ORG), (OTHER_GROUP, ORG), (FOREIGN_GROUP, OTHER_ORG)):
        project = Project(id=group_id, org_id=org_id, name=f"P {group_id}", created_at=NOW)
        access.insert_project(tx, project)


def api_key(*roles: RoleAssignment, **changes: Any) -> ApiKey:
    key = ApiKey(
        id="65f0000000000000000000f0",
        org_id=ORG,
        public_key="abcdefgh",
        description="",
        created_at=NOW,
        roles=roles or (RoleAssignment(role=Role.ORG_OWNER),),
        access_list=("127.0.0.1/32",),
        org_requires_access_list=True,
    )
    return replace(key, **changes)


def instance(**changes: Any) -> Instance:
    made = Instance(
        id=INSTANCE,
        group_id=GROUP,
        kind=InstanceKind.SERVERLESS,
        name="Instance0",
        state=InstanceState.IDLE,
        created_at=NOW,
        managed=True,
        address=None,
        port=None,
        mongodb_version=None,
        deployment_item_name="atlas-abcdef",
        provider=Provider(backing_provider_name="AWS", region_name="US_EAST_1"),
        tags=(),
        termination_protection=False,
    )
    return replace(made, **changes)


def snapshot(**changes: Any) -> Snapshot:
    made = Snapshot(
        id=SNAPSHOT,
        group_id=GROUP,
        instance_id=INSTANCE,
        instance_name="Instance0",
        status=SnapshotStatus.QUEUED,
        snapshot_type=SnapshotType.ON_DEMAND,
        requested_at=NOW,
        finished_at=None,
        expires_at=NOW + timedelta(days=35),
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
    return replace(made, **changes)


def manifest(snapshot_id: str = SNAPSHOT) -> Manifest:
    return Manifest(
        snapshot_id=snapshot_id,
        group_id=GROUP,
        instance_id=INSTANCE,
        instance_name="Instance0",
        taken_at=NOW,
        cluster_time=ClusterTime(seconds=1769085000, increment=7),
        consistency=Consistency.SNAPSHOT,
        mongodb_version="6.0.5",
        feature_compatibility_version="6.0",
        collections=(),
    )


def restore_job(**changes: Any) -> RestoreJob:
    made = RestoreJob(
        id=JOB,
        group_id=GROUP,
        instance_id=INSTANCE,
        sequence=1,
        delivery_type=DeliveryType.AUTOMATED,
        snapshot_id=SNAPSHOT,
        snapshot_taken_at=NOW,
        target_group_id=GROUP,
        target_instance_id=INSTANCE,
        target_cluster_name="Instance0",
        target_deployment_item_name="atlas-abcdef",
        created_at=NOW,
        expires_at=NOW + timedelta(days=365),
        finished_at=None,
        stage=RestoreStage.QUEUED,
        cancelled=False,
        failure=None,
        documents=0,
        documents_total=10,
        size_bytes=0,
        size_bytes_total=1000,
    )
    return replace(made, **changes)


def insert_instance(db: Database, **changes: Any) -> Instance:
    made = instance(**changes)
    db.transact(lambda tx: instances.insert(tx, made, sealed_credentials=b"sealed"))
    return made


def insert_snapshot(db: Database, **changes: Any) -> Snapshot:
    made = snapshot(**changes)
    db.transact(lambda tx: snapshots.insert(tx, made))
    return made


def insert_restore_job(db: Database, **changes: Any) -> RestoreJob:
    """As an operation does it: with the next number of its instance."""

    def work(tx: Connection) -> RestoreJob:
        made = restore_job(**changes)
        sequence = instances.next_restore_job(tx, made.instance_id)
        made = replace(made, sequence=sequence)
        restore_jobs.insert(tx, made)
        return made

    return db.transact(work)
