"""The OpenAPI document: who gets it, that it has everything, and that answers are as it says."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute

from telamon.api import downloads, openapi
from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.state.database import Database
from tests.api.routes.conftest import Beginning
from tests.api.routes.every_route import CASES, EVERY_ROUTE, Filled, ask, expected, fill_all
from tests.api.routes.world import World, copied

DOCUMENT = openapi.document(ROUTES)
# Of both versions 1.0 and 2; methods by path.
EVERY_PATH = {
    (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods
}


@pytest.fixture(scope="module")
def filled(beginning: Beginning, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill_all(beginning, tmp_path_factory.mktemp("filled"))


@pytest.fixture
def world(filled: Filled, reused_file: tuple[Database, Path]) -> Iterator[World]:
    with copied(filled.path, reused_file) as world:
        world.new_id.made = 1_000
        yield world


async def test_everybody_gets_it(world: World) -> None:
    answer = await world.client().get("/openapi.json")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert "WWW-Authenticate" not in answer.headers
    assert answer.json() == DOCUMENT


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE"])
async def test_it_can_only_be_read(world: World, method: str) -> None:
    answer = await world.client().request(method, "/openapi.json")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_it_is_valid() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_it_has_every_path_that_is_served(world: World) -> None:
    app = world.app()
    assert isinstance(app, Starlette)
    served = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, StarletteRoute)
        for method in route.methods or ()
    }

    # Not for clients of the API: this document, what watches the server, and the files of downloads.
    beside = {
        "/livez",
        "/readyz",
        "/metrics",
        openapi.PATH,
        f"{downloads.PREFIX}{{token}}/{{name}}",
    }
    assert {(method, path) for method, path in served if path not in beside} == EVERY_PATH


def test_no_two_operations_share_an_id() -> None:
    ids = [
        each["operationId"] for methods in DOCUMENT["paths"].values() for each in methods.values()
    ]

    assert len(set(ids)) == len(ids) == len(EVERY_PATH)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_a_route_says_what_body_it_takes(route: Route) -> None:
    """One that refuses everybody does not look at it."""
    if route.method in ("POST", "PATCH"):
        assert route.body is not None or route.answer is None
    else:
        assert route.body is None


def test_no_name_is_only_pythons() -> None:
    for name in DOCUMENT["components"]["schemas"]:
        assert "telamon" not in name
        assert "._" not in f".{name}"


def test_patterns_are_ecmascripts() -> None:
    name = DOCUMENT["components"]["schemas"]["NewOrganization"]["properties"]["name"]

    assert name["pattern"] == r"^[\w\-.(),:&@+' ]{1,64}$"


def test_an_unknown_field_is_not_allowed_in_a_body() -> None:
    body = DOCUMENT["components"]["schemas"]["NewGroup"]

    assert body["additionalProperties"] is False
    assert body["required"] == ["name", "orgId"]


def test_a_moment_is_one() -> None:
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["GroupView"]["properties"]["created"]["format"] == "date-time"
    moment = schemas["BsonTimestamp"]["properties"]["date"]["anyOf"]
    assert moment == [{"type": "string", "format": "date-time"}, {"type": "null"}]


@EVERY_ROUTE
async def test_an_answer_is_what_it_says(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    """In full: no field is there that it does not name."""
    answer = await ask(world.client(filled.keys["ORG_OWNER"]), route, surface, filled.names)

    assert answer.status_code == expected(route, surface)
    check(answer, route, surface)


@EVERY_ROUTE
async def test_a_refusal_is_what_it_says(
    world: World, filled: Filled, route: Route, surface: Surface
) -> None:
    client = world.client(filled.keys["ORG_OWNER"], address="203.0.113.9")

    answer = await ask(client, route, surface, filled.names)

    assert answer.status_code == 403
    check(answer, route, surface)


@EVERY_ROUTE
def test_a_request_is_what_it_says(route: Route, surface: Surface) -> None:
    body = CASES[route.operation_id].body
    described = operation(route, surface).get("requestBody")

    if body is not None and described is not None:
        for content in described["content"].values():
            validator(content["schema"]).validate(body)


def operation(route: Route, surface: Surface) -> dict[str, Any]:
    found = DOCUMENT["paths"][f"{surface.value}{route.path}"][route.method.lower()]
    assert isinstance(found, dict)
    return found


def check(answer: httpx.Response, route: Route, surface: Surface) -> None:
    responses = operation(route, surface)["responses"]
    described = responses.get(str(answer.status_code), responses["default"])
    if described == {"$ref": "#/components/responses/Error"}:
        assert answer.status_code >= 400
        described = DOCUMENT["components"]["responses"]["Error"]
    if answer.status_code == 204:
        assert "content" not in described
        assert answer.content == b""
        return
    media_type = answer.headers["Content-Type"].partition(";")[0]
    validator(described["content"][media_type]["schema"]).validate(answer.json())


def validator(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    closed = copy.deepcopy({**schema, "components": DOCUMENT["components"]})
    for each in [closed, *closed["components"]["schemas"].values()]:
        if each.get("type") == "object":
            each["additionalProperties"] = False
    return jsonschema_rs.Draft202012Validator(closed, validate_formats=True)
