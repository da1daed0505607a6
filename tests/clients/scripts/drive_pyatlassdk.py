"""The story with pyatlassdk, for the interpreter that has it: JSON comes in, JSON goes out."""

import json
import sys

from pyatlassdk.admin import AtlasAdminClient, AtlasApiError
from pyatlassdk.admin.models.flex_backup_restore_job_create20241113 import (
    FlexBackupRestoreJobCreate20241113,
)

RESTORES = 3
PER_PAGE = 2


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def restore(client: AtlasAdminClient, group: str, name: str, snapshot_id: str) -> object:
    """A job from its order to its end."""
    body = FlexBackupRestoreJobCreate20241113(
        snapshot_id=snapshot_id, target_deployment_item_name=name, target_project_id=group
    )
    jobs = client.flex_restore_jobs
    job = jobs.create_group_flex_cluster_backup_restore_job(group, name, body)
    while job.status not in ("COMPLETED", "FAILED"):
        job = jobs.get_group_flex_cluster_backup_restore_job(group, name, job.id)
    return [job.id, job.status]


def main() -> None:
    given = json.load(sys.stdin)
    group, flex = given["groupId"], given["flex"]
    with AtlasAdminClient(**given["client"]) as client:
        tell(projects=[one.id for one in client.projects.list_groups().results])
        serverless = client.serverless_instances.list_group_serverless_instances(group)
        tell(serverless=[[one.name, one.state_name] for one in serverless.results])
        clusters = client.flex_clusters.list_group_flex_clusters(group)
        tell(flex=[[one.name, one.state_name] for one in clusters.results])
        snapshots = client.flex_snapshots.list_group_flex_cluster_backup_snapshots(group, flex)
        tell(snapshots=[[one.id, one.status] for one in snapshots.results])

        tell(restored=[restore(client, group, flex, given["snapshotId"]) for _ in range(RESTORES)])

        pages: list[list[str]] = []
        total = 1
        while sum(map(len, pages)) < total:
            page = client.flex_restore_jobs.list_group_flex_cluster_backup_restore_jobs(
                group, flex, items_per_page=PER_PAGE, page_num=len(pages) + 1
            )
            total = page.total_count
            pages.append([one.id for one in page.results])
        tell(pages=pages)

        try:
            client.serverless_instances.get_group_serverless_instance(group, given["unknown"])
        except AtlasApiError as error:
            tell(error={"status": error.status_code, **error.payload})


main()
