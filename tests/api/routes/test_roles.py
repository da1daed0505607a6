"""Who may do what: one table for every route that there is, and for everybody who may call it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute

from telamon.api import downloads, oauth, openapi, probes
from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.model.access import NewApiKey
from telamon.state.database import Database
from tests.api.routes.access_cases import (
    EVERYBODY,
)
from tests.api.routes.conftest import Beginning
from tests.api.routes.every_route import (
    AT,
    CASES,
    EVERY_GROUP_ROUTE,
    EVERY_ROUTE,
    Filled,
    ask,
    expected,
    fill_all,
)
from tests.api.routes.signing import CHALLENGE
from tests.api.routes.world import (
    GROUP,
    MISSING_GROUP,
    ORG,
    World,
    copied,
)

# These know their callers in another way, or none; see test_oauth.py, test_openapi.py,
# test_metrics.py and test_downloads.py.
OPEN_PATHS = {
    ("POST", oauth.TOKEN_PATH),
    ("POST", oauth.REVOKE_PATH),
    ("GET", openapi.PATH),
    *(
        (method, path)
        for method in ("GET", "HEAD")
        for path in (*probes.PATHS, f"{downloads.PREFIX}{{token}}/{{name}}")
    ),
}


@pytest.fixture(scope="module")
def filled(beginning: Beginning, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill_all(beginning, tmp_path_factory.mktemp("filled"))


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
    elif route.path.startswith("/repository"):  # the first organization's
        assert (answer.status_code, answer.json()) == (401, UNAUTHORIZED)
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
