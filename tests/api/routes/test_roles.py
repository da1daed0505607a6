"""Who may do what: one table for every route that there is, and for everybody who may call it."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute

from telamon.api import downloads, oauth
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
    OWNERS,
    READERS,
    Case,
)
from tests.api.routes.backup_cases import BACKUP_CASES, fill, names_for
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.conftest import Beginning
from tests.api.routes.signing import CHALLENGE
from tests.api.routes.world import (
    FOREIGN_GROUP,
    FOREIGN_ORG,
    GROUP,
    MISSING_GROUP,
    ORG,
    OTHER_INSTANCE_ID,
    SNAPSHOT_ID,
    CountingIds,
    World,
    copied,
)

JOB_ID = "65a0000000000000000000c1"

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
}
# These know their callers in another way; see test_oauth.py.
OPEN_PATHS = {("POST", oauth.TOKEN_PATH), ("POST", oauth.REVOKE_PATH)} | {
    (method, f"{downloads.PREFIX}{{token}}/{{name}}") for method in ("GET", "HEAD")
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


@pytest.fixture(scope="module")
def filled(beginning: Beginning, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """Whatever the paths and bodies name, and a key for each row of ``HELD``."""
    path = Path(shutil.copy(beginning.with_orders, tmp_path_factory.mktemp("filled")))
    organization = beginning.organization
    with contextlib.closing(World(Database.sqlite(path), path, new_id=CountingIds(1))) as world:
        add_snapshot(world, beginning.orders)
        add_restore_job(world, beginning.orders, restore_job_id=JOB_ID)
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
                "apiUserId": named.key.id,
                "ipAddress": "192.0.2.7",
                "entryValue": "192.0.2.7",
                "clientId": account.account.public_key,
                "secretId": account.secret.secret.id,
                "endpointSetId": "projects_group",
            },
        )


@pytest.fixture
def world(filled: Filled, reused_file: tuple[Database, Path]) -> Iterator[World]:
    with copied(filled.path, reused_file) as world:
        world.new_id.made = 1_000
        yield world


def test_the_table_has_a_row_for_every_route() -> None:
    assert set(CASES) == {route.operation_id for route in ROUTES}


def test_no_two_routes_share_an_operation_id() -> None:
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)


def test_the_application_serves_no_path_that_is_not_in_the_table(world: World) -> None:
    app = world.app()
    assert isinstance(app, Starlette)
    mounted = [route for route in app.routes if isinstance(route, StarletteRoute)]

    served = {(method, route.path) for route in mounted for method in route.methods or ()}

    assert len(mounted) == len(app.routes)
    assert served - OPEN_PATHS == {
        (route.method, f"{surface.value}{route.path}")
        for route in ROUTES
        for surface in route.surfaces
    }


# Nobody that is known


@EVERY_ROUTE
async def test_nobody_gets_a_challenge(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    answer = await ask(world.client(), route, surface, filled.names)

    assert answer.status_code == 401
    assert CHALLENGE.fullmatch(answer.headers["WWW-Authenticate"])
    assert "X-Error-Code" not in answer.headers


@EVERY_ROUTE
async def test_a_wrong_key_gets_what_nobody_gets(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    owner = filled.keys["ORG_OWNER"]
    wrong = NewApiKey(key=owner.key, private_key="a guess")

    answer = await ask(world.client(wrong), route, surface, filled.names)
    nobody = await ask(world.client(), route, surface, filled.names)

    assert (answer.status_code, answer.content) == (401, nobody.content)
    assert CHALLENGE.fullmatch(answer.headers["WWW-Authenticate"])


@EVERY_ROUTE
async def test_a_revoked_key_gets_what_nobody_gets(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    revoked = filled.keys["ORG_OWNER"]
    client = world.client(revoked)
    assert (await client.get("/api/atlas/v1.0")).status_code == 200
    world.delete_key(revoked)

    answer = await ask(client, route, surface, filled.names)
    nobody = await ask(world.client(), route, surface, filled.names)

    assert (answer.status_code, answer.content) == (401, nobody.content)
    assert CHALLENGE.fullmatch(answer.headers["WWW-Authenticate"])


@EVERY_ROUTE
async def test_an_expired_token_gets_an_empty_401(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    token = await world.buy_token(filled.account)
    world.clock.advance(hours=1)

    answer = await ask(world.bearer(token), route, surface, filled.names)

    assert (answer.status_code, answer.content) == (401, b"")
    assert CHALLENGE.fullmatch(answer.headers["WWW-Authenticate"])


# Known, but not here


@EVERY_ROUTE
async def test_another_organizations_owner_finds_nothing_here(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    answer = await ask(world.client(filled.foreigner), route, surface, filled.names)

    if "{orgId}" in route.path:
        assert answer.status_code == 401
        assert answer.json()["errorCode"] == "USER_CANNOT_ACCESS_ORG"
    elif "{groupId}" in route.path:
        assert (answer.status_code, answer.json()) == (401, NOT_IN_GROUP)
    elif route.operation_id == "createProject":
        assert answer.json()["errorCode"] == "USER_CANNOT_ACCESS_ORG"
    elif route.operation_id == "getProjectByName":
        assert answer.json()["errorCode"] == "GROUP_NAME_NOT_FOUND"
    else:  # about the caller itself
        assert answer.status_code == expected(route, surface)
        assert ORG not in answer.text
        assert GROUP not in answer.text


@EVERY_ROUTE
async def test_an_owner_at_an_address_off_the_list_is_refused(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    client = world.client(filled.keys["ORG_OWNER"], address="203.0.113.9")

    answer = await ask(client, route, surface, filled.names)

    assert answer.status_code == 403
    assert answer.headers["X-Error-Code"] == "IP_ADDRESS_NOT_ON_ACCESS_LIST"


@EVERY_ROUTE
async def test_a_token_at_an_address_off_the_list_is_refused(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    token = await world.buy_token(filled.account)

    answer = await ask(world.bearer(token, address="203.0.113.9"), route, surface, filled.names)

    assert answer.status_code == 403
    assert answer.headers["X-Error-Code"] == "IP_ADDRESS_NOT_ON_ACCESS_LIST"


# Roles

ALLOWED = [
    pytest.param(route, surface, held, id=f"{route.operation_id}-{surface.name}-{held}")
    for route, surface in AT
    for held in sorted(CASES[route.operation_id].allowed if route.operation_id in CASES else ())
]


@pytest.mark.parametrize(("route", "surface", "held"), ALLOWED)
async def test_who_holds_a_role_of_the_table_may(
    world: World, filled: Filled, route: Route, surface: Surface, held: str
) -> None:
    answer = await ask(world.client(filled.keys[held]), route, surface, filled.names)

    assert answer.status_code == expected(route, surface)


@EVERY_ROUTE
async def test_who_holds_another_role_may_not(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    case = CASES[route.operation_id]
    others = EVERYBODY - case.allowed
    app = world.app()

    answers = {
        held: await ask(world.client(filled.keys[held], app=app), route, surface, filled.names)
        for held in others
    }

    assert {held: answer.status_code for held, answer in answers.items()} == dict.fromkeys(
        others, 401
    )
    assert {answer.json()["errorCode"] for answer in answers.values()} <= case.codes
    # A missing role is no reason to sign again.
    assert all("WWW-Authenticate" not in answer.headers for answer in answers.values())


@EVERY_ROUTE
async def test_a_token_may_what_its_service_account_may(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    token = await world.buy_token(filled.account)

    answer = await ask(world.bearer(token), route, surface, filled.names)

    assert answer.status_code == expected(route, surface)


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


@EVERY_GROUP_ROUTE
async def test_a_missing_role_is_told_in_these_words(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    client = world.client(filled.keys["ORG_MEMBER"])

    answer = await ask(client, route, surface, filled.names)

    assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)


@EVERY_GROUP_ROUTE
async def test_an_unknown_project_is_not_told_to_who_could_not_see_it(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    missing = {**filled.names, "groupId": MISSING_GROUP}

    for held in ("GROUP_OWNER", "ORG_MEMBER"):
        answer = await ask(world.client(filled.keys[held]), route, surface, missing)
        assert (answer.status_code, answer.json()) == (401, NOT_IN_GROUP)


@EVERY_GROUP_ROUTE
async def test_an_unknown_project_is_told_to_who_sees_all_of_the_organization(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    missing = {**filled.names, "groupId": MISSING_GROUP}

    for held in ("ORG_OWNER", "ORG_READ_ONLY"):
        answer = await ask(world.client(filled.keys[held]), route, surface, missing)
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
