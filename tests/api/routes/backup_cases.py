"""Who may do what to flex and dedicated clusters and their backups."""

from telamon.api.call import Route
from telamon.model.restore_job import RestoreStage
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Selection
from tests.api.routes.access_cases import BACKUP_MANAGERS, OWNERS, READERS, Case
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.kinds import DEDICATED, FLEX, add_dedicated, add_flex
from tests.api.routes.world import GROUP, World

FLEX_SNAPSHOT_ID = "65a0000000000000000000b7"
FLEX_JOB_ID = "65a0000000000000000000c7"
DEDICATED_SNAPSHOT_ID = "65a0000000000000000000b8"
DEDICATED_JOB_ID = "65a0000000000000000000c8"
COLLECTION_JOB_ID = "65a0000000000000000000c9"

FLEX_NAMES = {
    "instanceName": FLEX,
    "snapshotId": FLEX_SNAPSHOT_ID,
    "restoreJobId": FLEX_JOB_ID,
}
DEDICATED_NAMES = {
    "instanceName": DEDICATED,
    "snapshotId": DEDICATED_SNAPSHOT_ID,
    "restoreJobId": DEDICATED_JOB_ID,
    "databaseName": "shop",
    "collectionName": "orders",
    "sourceNamespace": "shop.orders",
}

RETENTION = {"retentionUnit": "WEEKS", "retentionValue": 5}
FLEX_CASES = {
    "listFlexClusters": Case(READERS),
    "createFlexCluster": Case(
        OWNERS,
        201,
        body={
            "name": "fresh",
            "providerSettings": {"backingProviderName": "AWS", "regionName": "US_EAST_1"},
        },
    ),
    "getFlexCluster": Case(READERS),
    "updateFlexCluster": Case(OWNERS, body={"tags": []}),
    "deleteFlexCluster": Case(OWNERS, 204),
    "listFlexBackups": Case(READERS),
    "getFlexBackup": Case(READERS),
    "listFlexBackupRestoreJobs": Case(READERS),
    "createFlexBackupRestoreJob": Case(
        BACKUP_MANAGERS,
        body={"snapshotId": FLEX_SNAPSHOT_ID, "targetDeploymentItemName": "orders"},
    ),
    "getFlexBackupRestoreJob": Case(READERS),
    "downloadFlexBackup": Case(BACKUP_MANAGERS, body={"snapshotId": FLEX_SNAPSHOT_ID}),
}
DEDICATED_CASES = {
    "listClusters": Case(READERS),
    "getCluster": Case(READERS),
    "deleteCluster": Case(OWNERS, 202),
    "listReplicaSetBackups": Case(READERS),
    "takeSnapshots": Case(BACKUP_MANAGERS, body={"description": "mine"}),
    "getReplicaSetBackup": Case(READERS),
    "updateSnapshotRetention": Case(BACKUP_MANAGERS, body=RETENTION),
    "deleteReplicaSetBackup": Case(BACKUP_MANAGERS, 204),
    "listBackupRestoreJobs": Case(BACKUP_MANAGERS),
    "createBackupRestoreJob": Case(
        BACKUP_MANAGERS,
        200,
        201,
        body={
            "deliveryType": "automated",
            "snapshotId": DEDICATED_SNAPSHOT_ID,
            "targetClusterName": "orders",
            "targetGroupId": GROUP,
        },
    ),
    "getBackupRestoreJob": Case(BACKUP_MANAGERS),
    "cancelBackupRestoreJob": Case(BACKUP_MANAGERS, 204),
    "getBackupSchedule": Case(READERS),
    "updateBackupSchedule": Case(BACKUP_MANAGERS, body={"referenceHourOfDay": 4}),
    "deleteAllBackupSchedules": Case(BACKUP_MANAGERS),
    "listBackupSnapshotDatabases": Case(BACKUP_MANAGERS),
    "getBackupSnapshotDatabase": Case(BACKUP_MANAGERS),
    "listSnapshotDatabaseCollections": Case(BACKUP_MANAGERS),
    "getSnapshotDatabaseCollection": Case(BACKUP_MANAGERS),
    "listCollectionRestoreJobs": Case(BACKUP_MANAGERS),
    "createCollectionRestoreJob": Case(
        BACKUP_MANAGERS,
        body={
            "collections": [{"sourceNamespace": "shop.orders", "targetNamespace": "shop.old"}],
            "indexStrategy": "ALL",
            "snapshotId": DEDICATED_SNAPSHOT_ID,
            "targetClusterName": "orders",
            "targetGroupId": GROUP,
            "writeStrategy": "CREATE_NEW",
        },
    ),
    "getCollectionRestoreJob": Case(BACKUP_MANAGERS),
    "listRestoreJobCollections": Case(BACKUP_MANAGERS),
    "getRestoreJobCollection": Case(BACKUP_MANAGERS),
}
BACKUP_CASES = {**FLEX_CASES, **DEDICATED_CASES, "listInstances": Case(READERS)}


def fill(world: World) -> None:
    """What the paths and bodies name. The job of the dedicated cluster has not begun."""
    flex, dedicated = add_flex(world), add_dedicated(world)
    add_snapshot(world, flex, snapshot_id=FLEX_SNAPSHOT_ID)
    add_restore_job(world, flex, restore_job_id=FLEX_JOB_ID, snapshot_id=FLEX_SNAPSHOT_ID)
    add_snapshot(world, dedicated, snapshot_id=DEDICATED_SNAPSHOT_ID)
    add_restore_job(world, dedicated, RestoreStage.QUEUED, restore_job_id=DEDICATED_JOB_ID)
    add_restore_job(
        world,
        dedicated,
        target=flex,
        restore_job_id=COLLECTION_JOB_ID,
        snapshot_id=DEDICATED_SNAPSHOT_ID,
        options=RestoreOptions(selection=Selection(namespaces=("shop",))),
    )


def names_for(route: Route, names: dict[str, str]) -> dict[str, str]:
    """What the path of a route names: an instance of its own kind, with its own backups."""
    if "/flexClusters" in route.path:
        return {**names, **FLEX_NAMES}
    if "/collectionRestoreJobs" in route.path:
        return {**names, **DEDICATED_NAMES, "restoreJobId": COLLECTION_JOB_ID}
    if "/clusters" in route.path:
        return {**names, **DEDICATED_NAMES}
    return names
