"""Which recorded answer of Atlas is held against which answer of Telamon, and what that leaves out."""

from telamon.model.instance import InstanceState
from telamon.model.restore_job import RestoreStage
from telamon.model.snapshot import SnapshotStatus
from tests.api.routes.kinds import DEDICATED, FLEX, FLEX_TYPE
from tests.api.routes.recorded_scenes import JOB_ID, Case, Scene
from tests.api.routes.world import GROUP, SNAPSHOT_ID, V2

TAGS = [{"key": "env", "value": "test"}]
SETTINGS = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
LIST = "?includeCount=true&pageNum=1&itemsPerPage=100"

SERVERLESS = f"{V2}/groups/{GROUP}/serverless"
FLEXES = f"{V2}/groups/{GROUP}/flexClusters"
CLUSTERS = f"{V2}/groups/{GROUP}/clusters"
FLEX_BACKUP = f"{FLEXES}/{FLEX}/backup"
BACKUP = f"{CLUSTERS}/{DEDICATED}/backup"
JOBS, FLEX_JOBS = f"{BACKUP}/restoreJobs", f"{FLEX_BACKUP}/restoreJobs"
SNAPSHOTS, FLEX_SNAPSHOTS = f"{BACKUP}/snapshots", f"{FLEX_BACKUP}/snapshots"
RESTORE = {
    "deliveryType": "automated",
    "snapshotId": SNAPSHOT_ID,
    "targetClusterName": DEDICATED,
    "targetGroupId": GROUP,
}
FLEX_RESTORE = {
    "instanceName": FLEX,
    "snapshotId": SNAPSHOT_ID,
    "targetDeploymentItemName": FLEX,
    "targetProjectId": GROUP,
}
RULES = [
    {
        "frequencyInterval": interval,
        "frequencyType": frequency,
        "retentionUnit": unit,
        "retentionValue": value,
    }
    for frequency, interval, unit, value in (
        ("hourly", 6, "days", 7),
        ("daily", 1, "days", 7),
        ("weekly", 6, "weeks", 4),
        ("monthly", 40, "months", 12),
        ("yearly", 12, "years", 1),
    )
]
SCHEDULE = {"policies": [{"policyItems": RULES}]}

# Atlas's own machinery, of which Telamon has none.
SERVERLESS_LESS = {
    f"providerSettings.{name}"
    for name in (
        "effectiveDiskSizeGBLimit",
        "effectiveInstanceSizeName",
        "effectiveProviderName",
        "nextBackupDate",
        "tenantBackupEnabled",
    )
}
FLEX_LESS = {"providerSettings.diskSizeGB"}
# Known only once there is a deployment.
UNBORN = {"connectionStrings.standardSrv", "mongoDBVersion"}

CASES = (
    Case(
        ("201__POST__groups_ID_serverless__latest__20260102",),
        "POST",
        SERVERLESS,
        lambda _: None,
        {"name": "orders", "providerSettings": SETTINGS, "tags": TAGS},
        less=SERVERLESS_LESS | UNBORN,
    ),
    Case(
        (
            "200__GET__groups_ID_serverless_NAME__CREATING_tags__20260102",
            "200__GET__groups_ID_serverless_NAME__life__20260102",
        ),
        "GET",
        f"{SERVERLESS}/orders",
        lambda scene: scene.serverless(InstanceState.CREATING),
        less=SERVERLESS_LESS | UNBORN,
    ),
    Case(
        (
            "200__GET__groups_ID_serverless_NAME__latest__20260102",
            "200__GET__groups_ID_serverless_NAME__UPDATING_tags__20250808",
        ),
        "GET",
        f"{SERVERLESS}/orders",
        Scene.serverless,
        less=SERVERLESS_LESS,
    ),
    Case(
        ("200__GET__groups_ID_serverless__latest__20260102",),
        "GET",
        f"{SERVERLESS}{LIST}",
        Scene.serverless,
        less={f"results.{key}" for key in SERVERLESS_LESS},
    ),
    Case(
        ("200__PATCH__groups_ID_serverless_NAME__latest__20260102",),
        "PATCH",
        f"{SERVERLESS}/orders",
        Scene.serverless,
        {"tags": TAGS},
        less=SERVERLESS_LESS,
    ),
    Case(
        ("200__PATCH__groups_ID_serverless_NAME__CREATING_tags__20250829",),
        "PATCH",
        f"{SERVERLESS}/orders",
        lambda scene: scene.serverless(InstanceState.CREATING),
        {"tags": TAGS},
        less=SERVERLESS_LESS | UNBORN,
    ),
    Case(
        ("202__DELETE__groups_ID_serverless_NAME__latest__20260102",),
        "DELETE",
        f"{SERVERLESS}/orders",
        Scene.serverless,
    ),
    Case(
        ("201__POST__groups_ID_flexClusters__latest__20260810",),
        "POST",
        FLEXES,
        lambda _: None,
        {"name": "fresh", "providerSettings": SETTINGS, "tags": TAGS},
        FLEX_TYPE,
        FLEX_LESS | UNBORN,
    ),
    Case(
        ("201__POST__groups_ID_flexClusters__life__20260810",),
        "POST",
        FLEXES,
        lambda _: None,
        {"name": "fresh", "providerSettings": SETTINGS},
        FLEX_TYPE,
        FLEX_LESS | UNBORN,
    ),
    Case(
        ("200__GET__groups_ID_flexClusters_NAME__CREATING__20260519",),
        "GET",
        f"{FLEXES}/fresh",
        lambda _: None,
        None,
        FLEX_TYPE,
        FLEX_LESS | UNBORN,
        (("POST", FLEXES, {"name": "fresh", "providerSettings": SETTINGS}),),
    ),
    Case(
        (
            "200__GET__groups_ID_flexClusters_NAME__IDLE__20260810",
            "200__GET__groups_ID_flexClusters_NAME__UPDATING__20260706",
        ),
        "GET",
        f"{FLEXES}/{FLEX}",
        Scene.flex,
        None,
        FLEX_TYPE,
        FLEX_LESS,
    ),
    Case(  # DELETING; Telamon has taken the addresses away by then
        ("200__GET__groups_ID_flexClusters_NAME__latest__20260810",),
        "GET",
        f"{FLEXES}/{FLEX}",
        lambda scene: scene.flex(InstanceState.DELETING),
        None,
        FLEX_TYPE,
        FLEX_LESS | {"connectionStrings.standard", "connectionStrings.standardSrv"},
    ),
    Case(
        ("200__GET__groups_ID_flexClusters__latest__20260810",),
        "GET",
        f"{FLEXES}{LIST}",
        Scene.flex,
        None,
        FLEX_TYPE,
        {f"results.{key}" for key in FLEX_LESS},
    ),
    Case(
        ("204__DELETE__groups_ID_flexClusters_NAME__latest__20260810",),
        "DELETE",
        f"{FLEXES}/{FLEX}",
        Scene.flex,
        None,
        FLEX_TYPE,
    ),
    Case(
        (
            "200__GET__groups_ID_flexClusters_NAME_backup_snapshots_ID__latest__20260810",
            "200__GET__groups_ID_flexClusters_NAME_backup_snapshots_ID__life__20260810",
        ),
        "GET",
        f"{FLEX_SNAPSHOTS}/{SNAPSHOT_ID}",
        Scene.flex_snapshots,
        None,
        FLEX_TYPE,
    ),
    Case(
        ("200__GET__groups_ID_flexClusters_NAME_backup_snapshots__latest__20260810",),
        "GET",
        f"{FLEX_SNAPSHOTS}{LIST}",
        Scene.flex_snapshots,
        None,
        FLEX_TYPE,
    ),
    Case(
        (
            "200__POST__groups_ID_flexClusters_NAME_backup_restoreJobs__earliest__20250331",
            "200__POST__groups_ID_flexClusters_NAME_backup_restoreJobs__latest__20260810",
            "200__POST__groups_ID_flexClusters_NAME_backup_restoreJobs__life__20260810",
        ),
        "POST",
        FLEX_JOBS,
        Scene.flex_snapshots,
        FLEX_RESTORE,
        FLEX_TYPE,
    ),
    Case(
        (
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__PENDING__20260706",
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__QUEUED__20250606",
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__earliest__20250331",
        ),
        "GET",
        f"{FLEX_JOBS}/{JOB_ID}",
        lambda scene: scene.flex_job(RestoreStage.QUEUED),
        None,
        FLEX_TYPE,
    ),
    Case(
        (
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__RUNNING__20260810",
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__life__20260810",
        ),
        "GET",
        f"{FLEX_JOBS}/{JOB_ID}",
        lambda scene: scene.flex_job(RestoreStage.LOADING),
        None,
        FLEX_TYPE,
    ),
    Case(
        (
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__latest__20260810",
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__life__20260810_2",
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs_ID__life__20260810_3",
        ),
        "GET",
        f"{FLEX_JOBS}/{JOB_ID}",
        lambda scene: scene.flex_job(RestoreStage.FINISHED),
        None,
        FLEX_TYPE,
    ),
    Case(
        (
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs__earliest__20250331",
            "200__GET__groups_ID_flexClusters_NAME_backup_restoreJobs__latest__20260810",
        ),
        "GET",
        f"{FLEX_JOBS}{LIST}",
        Scene.more_jobs_than_a_page,
        None,
        FLEX_TYPE,
    ),
    Case(
        ("200__POST__groups_ID_clusters_NAME_backup_snapshots__latest__20260810",),
        "POST",
        SNAPSHOTS,
        Scene.dedicated,
        {"description": "test-snapshot", "retentionInDays": 1},
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_snapshots_ID__queued__20260205",),
        "GET",
        f"{SNAPSHOTS}/{SNAPSHOT_ID}",
        lambda scene: scene.snapshot(SnapshotStatus.QUEUED),
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_snapshots_ID__inProgress__20260810",),
        "GET",
        f"{SNAPSHOTS}/{SNAPSHOT_ID}",
        lambda scene: scene.snapshot(SnapshotStatus.IN_PROGRESS),
        less={"cloudProvider"},
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_snapshots_ID__latest__20260810",),
        "GET",
        f"{SNAPSHOTS}/{SNAPSHOT_ID}",
        Scene.snapshot,
        less={"cloudProvider"},
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_snapshots__latest__20260810",),
        "GET",
        f"{SNAPSHOTS}{LIST}",
        Scene.snapshot,
        less={"results.cloudProvider"},
    ),
    Case(
        ("204__DELETE__groups_ID_clusters_NAME_backup_snapshots_ID__latest__20260810",),
        "DELETE",
        f"{SNAPSHOTS}/{SNAPSHOT_ID}",
        Scene.snapshot,
    ),
    Case(
        (
            "200__POST__groups_ID_clusters_NAME_backup_restoreJobs__automated_pending__20260810",
            "200__POST__groups_ID_clusters_NAME_backup_restoreJobs__earliest__20250331",
        ),
        "POST",
        JOBS,
        Scene.snapshot,
        RESTORE,
    ),
    Case(
        ("200__POST__groups_ID_clusters_NAME_backup_restoreJobs__latest__20260810",),
        "POST",
        JOBS,
        Scene.snapshot,
        {**RESTORE, "deliveryType": "download", "targetClusterName": "", "targetGroupId": ""},
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_restoreJobs_ID__latest__20260810",),
        "GET",
        f"{JOBS}/{JOB_ID}",
        Scene.download,
    ),
    Case(
        (
            "200__GET__groups_ID_clusters_NAME_backup_restoreJobs_ID__"
            "download_failed_cancelled_finished__20250402",
        ),
        "GET",
        f"{JOBS}/{JOB_ID}",
        Scene.download,
        first=(("DELETE", f"{JOBS}/{JOB_ID}", None),),
    ),
    Case(
        (
            "200__GET__groups_ID_clusters_NAME_backup_restoreJobs_ID__automated_pending__20260810",
            "200__GET__groups_ID_clusters_NAME_backup_restoreJobs_ID__earliest__20250331",
        ),
        "GET",
        f"{JOBS}/{JOB_ID}",
        lambda scene: scene.job(RestoreStage.LOADING),
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_restoreJobs_ID__automated_finished__20260810",),
        "GET",
        f"{JOBS}/{JOB_ID}",
        lambda scene: scene.job(RestoreStage.FINISHED),
    ),
    Case(
        (
            "200__GET__groups_ID_clusters_NAME_backup_restoreJobs__earliest__20250331",
            "200__GET__groups_ID_clusters_NAME_backup_restoreJobs__latest__20260810",
        ),
        "GET",
        f"{JOBS}{LIST}",
        lambda scene: scene.job(RestoreStage.FINISHED),
    ),
    Case(
        ("200__GET__groups_ID_clusters_NAME_backup_schedule__latest__20260810",),
        "GET",
        f"{BACKUP}/schedule",
        Scene.dedicated,
        first=(("PATCH", f"{BACKUP}/schedule", SCHEDULE),),
    ),
    Case(
        ("200__PATCH__groups_ID_clusters_NAME_backup_schedule__latest__20260810",),
        "PATCH",
        f"{BACKUP}/schedule",
        Scene.dedicated,
        {"useOrgAndGroupNamesInExportPrefix": True, **SCHEDULE},
    ),
    Case(
        ("200__DELETE__groups_ID_clusters_NAME_backup_schedule__latest__20260810",),
        "DELETE",
        f"{BACKUP}/schedule",
        Scene.dedicated,
        accept="application/vnd.atlas.2024-08-05+json",
        first=(("PATCH", f"{BACKUP}/schedule", SCHEDULE),),
    ),
)

NO_SCHEDULE = (
    "404_BACKUP_CONFIG_NOT_FOUND__{}__groups_ID_clusters_NAME_backup_schedule__err__20250606"
)
PROTECTED = "CANNOT_TERMINATE_CLUSTER_WHEN_TERMINATION_PROTECTION_ENABLED"
NON_FLEX = "400_CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API__GET__groups_ID_flexClusters_NAME_backup_"
FLEX_HERE = "400_CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"
WRONG_FLEX = f"{FLEXES}/{DEDICATED}/backup"

ERRORS = (
    *(
        Case((NO_SCHEDULE.format(method),), method, f"{BACKUP}/schedule", Scene.without_schedule)
        for method in ("GET", "PATCH", "DELETE")
    ),
    Case(
        tuple(
            f"400_{PROTECTED}__DELETE__groups_ID_clusters_NAME__err__{day}"
            for day in ("20251013", "20260810")
        ),
        "DELETE",
        f"{CLUSTERS}/{DEDICATED}",
        Scene.protected,
    ),
    Case(
        tuple(
            f"{FLEX_HERE}__DELETE__groups_ID_clusters_NAME__err__{day}"
            for day in ("20251013", "20260810")
        ),
        "DELETE",
        f"{CLUSTERS}/{FLEX}",
        Scene.flex,
    ),
    Case(
        tuple(
            f"{FLEX_HERE}__GET__groups_ID_clusters_NAME__err__{day}"
            for day in ("20250401", "20251013", "20260330")
        ),
        "GET",
        f"{CLUSTERS}/{FLEX}",
        Scene.flex,
    ),
    Case(
        ("400_CLUSTER_ALREADY_REQUESTED_DELETION__DELETE__groups_ID_clusters_NAME__err__20250606",),
        "DELETE",
        f"{CLUSTERS}/{DEDICATED}",
        Scene.leaving,
    ),
    Case(
        tuple(
            f"404_CLUSTER_NOT_FOUND__GET__groups_ID_clusters_NAME__err__{day}"
            for day in ("20251013", "20260810")
        ),
        "GET",
        f"{CLUSTERS}/nobody",
        lambda _: None,
    ),
    Case(
        tuple(
            f"404_CLUSTER_NOT_FOUND__GET__groups_ID_flexClusters_NAME__err__{day}"
            for day in ("20251013", "20260810")
        ),
        "GET",
        f"{FLEXES}/nobody",
        lambda _: None,
    ),
    Case(
        ("400_DUPLICATE_CLUSTER_NAME__POST__groups_ID_flexClusters__err__20250620",),
        "POST",
        FLEXES,
        Scene.flex,
        {"name": FLEX, "providerSettings": SETTINGS},
    ),
    *(
        Case(
            tuple(f"{NON_FLEX}{name}__err__{day}" for day in ("20251013", "20260810")),
            "GET",
            f"{WRONG_FLEX}/{path}",
            Scene.dedicated,
        )
        for name, path in (
            ("restoreJobs", "restoreJobs"),
            ("restoreJobs_ID", f"restoreJobs/{JOB_ID}"),
            ("snapshots", "snapshots"),
            ("snapshots_ID", f"snapshots/{SNAPSHOT_ID}"),
        )
    ),
)

# With what would answer them still to come, or the concern of other tests.
LEFT = {
    "400_ATLAS_GENERAL_ERROR__PATCH__groups_ID_clusters_NAME__err__20250606",  # no such route
}
