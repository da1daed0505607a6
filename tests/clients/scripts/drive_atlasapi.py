"""The story with atlasapi, for the interpreter that has it: JSON comes in, JSON goes out."""

import json
import sys

from atlasapi.atlas import Atlas
from atlasapi.cloud_backup import SnapshotRestoreResponse
from atlasapi.errors import ErrAtlasNotFound


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def read_jobs(
    atlas: Atlas, cluster: str, job_id: str | None = None
) -> list[SnapshotRestoreResponse]:
    return list(atlas.CloudBackups.get_snapshot_restore_requests(cluster, restore_id=job_id))


def main() -> None:
    given = json.load(sys.stdin)
    atlas = Atlas(given["publicKey"], given["privateKey"], given["groupId"])
    cluster, backups = given["cluster"], atlas.CloudBackups

    tell(organizations=[one.id for one in atlas.Organizations.organizations])
    tell(projects=[one.id for one in atlas.Projects.projects])
    tell(
        of_organization=[
            one.id for one in atlas.Organizations.get_all_projects_for_org(given["orgId"])
        ]
    )
    pages = atlas.Clusters.get_all_clusters(itemsPerPage=1, iterable=True)
    tell(clusters=[one["name"] for one in pages])

    asked = backups.create_snapshot_for_cluster(cluster, retention_days=3, as_obj=False)
    (taken,) = backups.get_backup_snapshot_for_cluster(cluster, asked["id"])
    while taken.status.name not in ("COMPLETED", "FAILED"):
        (taken,) = backups.get_backup_snapshot_for_cluster(cluster, taken.id)
    tell(taken=taken.id)
    tell(
        snapshots=[
            [one.id, one.status.name] for one in backups.get_backup_snapshots_for_cluster(cluster)
        ]
    )

    job = backups.request_snapshot_restore(cluster, given["snapshotId"], cluster, allow_same=True)
    while not job.finished_at:
        (job,) = read_jobs(atlas, cluster, job.restore_id)
    tell(job={"id": job.restore_id, "snapshotId": job.snapshot_id, "cancelled": job.cancelled})
    tell(jobs=[one.restore_id for one in read_jobs(atlas, cluster)])

    try:
        atlas.Clusters.get_single_cluster(given["unknown"])
    except ErrAtlasNotFound as error:
        status, answer = error.getAtlasResponse()
        tell(error={"status": status, **answer})


main()
