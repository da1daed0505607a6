"""Snapshots and restore jobs as every family of paths answers them; what differs is how they look."""

from collections.abc import Callable

from telamon.api.call import Call, Reply, Surface, Wire
from telamon.model.instance import InstanceKind
from telamon.model.restore_job import RestoreJob
from telamon.model.snapshot import Snapshot
from telamon.operations.restore_jobs import NewRestoreJob

ShownSnapshot = Callable[[Call, Snapshot], Wire]
ShownJob = Callable[[Call, RestoreJob], Wire]


async def list_snapshots(call: Call, kind: InstanceKind, shown: ShownSnapshot) -> Reply:
    page = await call.services.snapshots.list(
        call.caller,
        call.group_id,
        call.instance_name,
        kind,
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed([shown(call, each) for each in page.items], page.total)


async def get_snapshot(call: Call, kind: InstanceKind, shown: ShownSnapshot) -> Reply:
    found = await call.services.snapshots.get(
        call.caller, call.group_id, call.instance_name, call.path_params["snapshotId"], kind
    )
    return Reply(body=shown(call, found))


async def list_restore_jobs(call: Call, kind: InstanceKind, shown: ShownJob) -> Reply:
    page = await call.services.restore_jobs.list(
        call.caller,
        call.group_id,
        call.instance_name,
        kind,
        limit=call.page.items_per_page,
        offset=call.page.offset,
    )
    return call.listed_jobs(page, shown)


async def get_restore_job(call: Call, kind: InstanceKind, shown: ShownJob) -> Reply:
    job = await call.services.restore_jobs.get(
        call.caller, call.group_id, call.instance_name, call.path_params["restoreJobId"], kind
    )
    return Reply(body=shown(call, job))


async def create_restore_job(
    call: Call, kind: InstanceKind, wanted: Callable[[bytes], NewRestoreJob], shown: ShownJob
) -> Reply:
    """201 on v1.0 and 200 on v2, as each of them is documented.

    ``wanted`` reads the body, which is looked at only once the caller is known to be allowed to.
    """
    restore_jobs = call.services.restore_jobs
    await restore_jobs.require_creator(call.caller, call.group_id, call.instance_name, kind)
    new = wanted(await call.read_body())
    job = await restore_jobs.create(call.caller, call.group_id, call.instance_name, new, kind)
    return Reply(status=201 if call.surface is Surface.V1 else 200, body=shown(call, job))
