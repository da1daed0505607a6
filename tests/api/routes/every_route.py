"""Every route on each of its surfaces, a request for it, and a database that has what it names."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.model.access import NewApiKey, Role, RoleAssignment
from telamon.model.service_account import NewServiceAccount
from telamon.state.database import Database
from tests.api.routes.access_cases import (
    ACCESS_CASES,
    BACKUP_MANAGERS,
    EVERYBODY,
    HELD,
    ORG_OWNERS,
    OWNERS,
    READERS,
    Case,
)
from tests.api.routes.backup_cases import BACKUP_CASES, fill, names_for
from tests.api.routes.backups import (
    add_drill,
    add_repository_job,
    add_restore_job,
    add_snapshot,
)
from tests.api.routes.conftest import Beginning
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    ORG,
    OTHER_INSTANCE_ID,
    SNAPSHOT_ID,
    CountingIds,
    World,
)

JOB_ID = "65a0000000000000000000c1"
REPOSITORY_JOB_ID = "65a0000000000000000000e1"
DRILL_ID = "65a0000000000000000000f1"

CASES = {
    **ACCESS_CASES,
    **BACKUP_CASES,
    "listServerlessInstances": Case(READERS),
    "createServerlessInstance": Case(
        OWNERS,
        201,
        body={
            "name": "fresh",
            "providerSettings": {"backingProviderName": "AWS", "regionName": "US_EAST_1"},
        },
    ),
    "getServerlessInstance": Case(READERS),
    "updateServerlessInstance": Case(OWNERS, body={"tags": []}),
    "deleteServerlessInstance": Case(OWNERS, 202),
    "listServerlessBackupRestoreJobs": Case(OWNERS),
    "createServerlessBackupRestoreJob": Case(
        OWNERS,
        200,
        201,
        body={
            "deliveryType": "automated",
            "snapshotId": SNAPSHOT_ID,
            "targetClusterName": "orders",
            "targetGroupId": GROUP,
        },
    ),
    "getServerlessBackupRestoreJob": Case(OWNERS),
    "listServerlessBackups": Case(READERS),
    "getServerlessBackup": Case(READERS),
    # Refused only once it is known that the caller may ask.
    "attachInstance": Case(OWNERS, 400, body={"name": "attached", "uri": "mongodb://u:p@"}),
    "takeSnapshot": Case(BACKUP_MANAGERS, 201, body={}),
    "getSnapshotDetails": Case(READERS),
    "listSnapshotDetails": Case(READERS),
    "getRestoreJobDetails": Case(OWNERS),
    "cancelRestoreJob": Case(OWNERS, 400),  # it has ended
    "listRestoredNamespaces": Case(OWNERS),
    "getContinuousBackup": Case(READERS),
    "switchContinuousBackup": Case(OWNERS, body={"enabled": True}),
    "startRestoreJob": Case(OWNERS, 201, body={"snapshotId": SNAPSHOT_ID}),
    "startRepositoryJob": Case(ORG_OWNERS, 201, body={"kind": "prune"}),
    "listRepositoryJobs": Case(ORG_OWNERS),
    "getRepositoryJob": Case(ORG_OWNERS),
    "startDrill": Case(BACKUP_MANAGERS, 201, body={}),
    "listDrills": Case(READERS),
    "getDrill": Case(READERS),
    "getDrillReport": Case(BACKUP_MANAGERS),
    "getDrillKey": Case(EVERYBODY),
}
AT = [(route, surface) for route in ROUTES for surface in route.surfaces]


def _each(
    pairs: list[tuple[Route, Surface]],
) -> pytest.MarkDecorator:
    named = [
        pytest.param(route, surface, id=f"{route.operation_id}-{surface.name}")
        for route, surface in pairs
    ]
    return pytest.mark.parametrize(("route", "surface"), named)


EVERY_ROUTE = _each(AT)
EVERY_GROUP_ROUTE = _each([pair for pair in AT if "{groupId}" in pair[0].path])


@dataclass(frozen=True)
class Filled:
    """A database with whatever paths and bodies name, and who may call."""

    path: Path
    keys: dict[str, NewApiKey]
    account: NewServiceAccount
    foreigner: NewApiKey
    names: dict[str, str]


async def ask(
    client: httpx.AsyncClient, route: Route, surface: Surface, names: dict[str, str]
) -> httpx.Response:
    version = route.versions[-1].isoformat()
    return await client.request(
        route.method,
        f"{surface.value}{route.path.format(**names_for(route, names))}",
        json=CASES[route.operation_id].body,
        headers={"Accept": f"application/vnd.atlas.{version}+json"},
    )


def expected(route: Route, surface: Surface) -> int:
    """The status of the answer to who may."""
    case = CASES[route.operation_id]
    return (case.status_v1 if surface is Surface.V1 else None) or case.status


def fill_all(beginning: Beginning, folder: Path) -> Filled:
    """Whatever the paths and bodies name, and a key for each row of ``HELD``, in a file."""
    path = Path(shutil.copy(beginning.with_orders, folder))
    organization = beginning.organization
    with contextlib.closing(World(Database.sqlite(path), path, new_id=CountingIds(1))) as world:
        add_snapshot(world, beginning.orders)
        add_restore_job(world, beginning.orders, restore_job_id=JOB_ID)
        add_repository_job(world, job_id=REPOSITORY_JOB_ID)
        add_drill(world, beginning.orders, drill_id=DRILL_ID)
        fill(world)
        foreign = world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP])
        world.add_instance("orders", instance_id=OTHER_INSTANCE_ID, group_id=FOREIGN_GROUP)
        keys = {name: world.add_key(organization, held) for name, held in HELD.items()}
        # What paths name is another than who calls, and may little: its owners may change it.
        member = RoleAssignment(role=Role.ORG_MEMBER)
        reader = RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=GROUP)
        named = world.add_key(organization, [member, reader], access_list=["192.0.2.7"])
        account = world.add_service_account(
            organization, [member, reader], access_list=["192.0.2.7/32"]
        )
        world.add_permission(GROUP, "192.0.2.7/32")
        return Filled(
            path,
            keys,
            world.add_service_account(organization),
            world.add_key(foreign),
            {
                "orgId": ORG,
                "groupId": GROUP,
                "groupName": f"project {GROUP}",
                "instanceName": "orders",
                "snapshotId": SNAPSHOT_ID,
                "restoreJobId": JOB_ID,
                "repositoryJobId": REPOSITORY_JOB_ID,
                "drillId": DRILL_ID,
                "apiUserId": named.key.id,
                "ipAddress": "192.0.2.7",
                "entryValue": "192.0.2.7",
                "clientId": account.account.public_key,
                "secretId": account.secret.secret.id,
                "endpointSetId": "projects_group",
            },
        )
