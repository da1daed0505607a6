"""Which role may do what: one table for every route that there is."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.model.access import NewApiKey, Role, RoleAssignment
from telamon.state.database import Database
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.conftest import Beginning
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    MISSING_GROUP,
    OTHER_GROUP,
    OTHER_INSTANCE_ID,
    SNAPSHOT_ID,
    CountingIds,
    World,
    copied,
)

JOB_ID = "65a0000000000000000000c1"

HELD = {
    "ORG_OWNER": (RoleAssignment(role=Role.ORG_OWNER),),
    "ORG_READ_ONLY": (RoleAssignment(role=Role.ORG_READ_ONLY),),
    "ORG_MEMBER": (RoleAssignment(role=Role.ORG_MEMBER),),
    "ORG_GROUP_CREATOR": (RoleAssignment(role=Role.ORG_GROUP_CREATOR),),
    "GROUP_OWNER": (RoleAssignment(role=Role.GROUP_OWNER, group_id=GROUP),),
    "GROUP_OWNER of another": (RoleAssignment(role=Role.GROUP_OWNER, group_id=OTHER_GROUP),),
    "GROUP_BACKUP_MANAGER": (RoleAssignment(role=Role.GROUP_BACKUP_MANAGER, group_id=GROUP),),
    "GROUP_CLUSTER_MANAGER": (RoleAssignment(role=Role.GROUP_CLUSTER_MANAGER, group_id=GROUP),),
    "GROUP_READ_ONLY": (RoleAssignment(role=Role.GROUP_READ_ONLY, group_id=GROUP),),
    "no role": (),
}
OWNERS = {"ORG_OWNER", "GROUP_OWNER"}
BACKUP_MANAGERS = {*OWNERS, "GROUP_BACKUP_MANAGER"}
READERS = {*BACKUP_MANAGERS, "ORG_READ_ONLY", "GROUP_CLUSTER_MANAGER", "GROUP_READ_ONLY"}


@dataclass(frozen=True)
class Case:
    """Who may do it, a body, and the status of the answer to who may."""

    allowed: set[str]
    status: int = 200
    status_v1: int | None = None
    body: object = None


CASES = {
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
    "getRestoreJobDetails": Case(OWNERS),
}

EVERY_ROUTE = pytest.mark.parametrize(
    ("route", "surface"),
    [
        pytest.param(route, surface, id=f"{route.operation_id}-{surface.name}")
        for route in ROUTES
        for surface in route.surfaces
    ],
)


async def ask(
    client: httpx.AsyncClient, route: Route, surface: Surface, group_id: str
) -> httpx.Response:
    path = route.path.format(
        groupId=group_id, instanceName="orders", snapshotId=SNAPSHOT_ID, restoreJobId=JOB_ID
    )
    body = CASES[route.operation_id].body
    return await client.request(route.method, f"{surface.value}{path}", json=body)


Filled = tuple[Path, dict[str, NewApiKey]]


@pytest.fixture(scope="module")
def filled(beginning: Beginning, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Whatever the paths and bodies name, and a key for each row of ``HELD``."""
    path = Path(shutil.copy(beginning.with_orders, tmp_path_factory.mktemp("filled")))
    with contextlib.closing(World(Database.sqlite(path), path, new_id=CountingIds(1))) as world:
        add_snapshot(world, beginning.orders)
        add_restore_job(world, beginning.orders, restore_job_id=JOB_ID)
        world.add_organization(FOREIGN_ORG, groups=[FOREIGN_GROUP])
        world.add_instance("orders", instance_id=OTHER_INSTANCE_ID, group_id=FOREIGN_GROUP)
        return path, {
            name: world.add_key(beginning.organization, held) for name, held in HELD.items()
        }


@pytest.fixture
def world(filled: Filled, reused_file: tuple[Database, Path]) -> Iterator[World]:
    with copied(filled[0], reused_file) as world:
        yield world


@pytest.fixture
def keys(filled: Filled) -> dict[str, NewApiKey]:
    return filled[1]


def test_the_table_has_a_row_for_every_route() -> None:
    assert set(CASES) == {route.operation_id for route in ROUTES}


def test_no_two_routes_share_an_operation_id() -> None:
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("held", HELD)
@EVERY_ROUTE
async def test_a_role_may_do_what_the_table_says_and_nothing_else(
    world: World, keys: dict[str, NewApiKey], route: Route, surface: Surface, held: str
) -> None:
    client = world.client(keys[held])
    case = CASES[route.operation_id]
    allowed = (case.status_v1 if surface is Surface.V1 else None) or case.status

    answer = await ask(client, route, surface, GROUP)

    assert answer.status_code == (allowed if held in case.allowed else 401)


UNAUTHORIZED = {
    "detail": "Current user is not authorized to perform this action.",
    "error": 401,
    "errorCode": "USER_UNAUTHORIZED",
    "parameters": [],
    "reason": "Unauthorized",
}
NOT_IN_GROUP = {
    "detail": "The current user is not in the group, or the group does not exist.",
    "error": 401,
    "errorCode": "NOT_IN_GROUP",
    "parameters": [],
    "reason": "Unauthorized",
}


@EVERY_ROUTE
async def test_a_missing_role_is_told_in_these_words(
    world: World, keys: dict[str, NewApiKey], route: Route, surface: Surface
) -> None:
    client = world.client(keys["ORG_MEMBER"])

    answer = await ask(client, route, surface, GROUP)

    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


@EVERY_ROUTE
async def test_a_missing_role_is_no_reason_to_sign_again(
    world: World, keys: dict[str, NewApiKey], route: Route, surface: Surface
) -> None:
    client = world.client(keys["ORG_MEMBER"])

    answer = await ask(client, route, surface, GROUP)

    assert "WWW-Authenticate" not in answer.headers


@EVERY_ROUTE
async def test_a_project_of_another_organization_cannot_be_told_from_none(
    client: httpx.AsyncClient, route: Route, surface: Surface
) -> None:
    answer = await ask(client, route, surface, FOREIGN_GROUP)

    assert (answer.status_code, answer.json()) == (401, NOT_IN_GROUP)


@pytest.mark.parametrize("held", ["GROUP_OWNER", "ORG_MEMBER"])
@EVERY_ROUTE
async def test_an_unknown_project_is_not_told_to_who_could_not_see_it(
    world: World, keys: dict[str, NewApiKey], route: Route, surface: Surface, held: str
) -> None:
    client = world.client(keys[held])

    answer = await ask(client, route, surface, MISSING_GROUP)

    assert (answer.status_code, answer.json()) == (401, NOT_IN_GROUP)


@pytest.mark.parametrize("held", ["ORG_OWNER", "ORG_READ_ONLY"])
@EVERY_ROUTE
async def test_an_unknown_project_is_told_to_who_sees_all_of_the_organization(
    world: World, keys: dict[str, NewApiKey], route: Route, surface: Surface, held: str
) -> None:
    client = world.client(keys[held])

    answer = await ask(client, route, surface, MISSING_GROUP)

    assert (answer.status_code, answer.json()) == (
        404,
        {
            "detail": "No group with ID 65f00000000000000000000f exists.",
            "error": 404,
            "errorCode": "GROUP_NOT_FOUND",
            "parameters": ["65f00000000000000000000f"],
            "reason": "Not Found",
        },
    )
