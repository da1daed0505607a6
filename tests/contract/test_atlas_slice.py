"""The server against Atlas's own description of what Telamon serves, where that is at hand."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from msgspec.structs import fields as struct_fields
from schemathesis.core.result import Ok

from telamon.api import oauth
from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.api.openapi_schemas import struct_of
from tests.api.routes.backup_cases import names_for
from tests.api.routes.every_route import CASES, Filled, expected
from tests.contract.amendments import amended
from tests.contract.driving import TIMEOUT_SECONDS, Operation, credentials, drive
from tests.contract.server import Served

SLICE = Path(__file__).parents[3] / "shared" / "reference" / "atlas-openapi-slice.yaml"
PREFIX = Surface.V2.value
_MEDIA_TYPE = re.compile(r"application/vnd\.atlas\.[\d-]+\+json")
_VARIABLE = re.compile(r"\{(\w+)\}")


def shape(path: str) -> str:
    return _VARIABLE.sub("{}", path)


def variables(path: str) -> list[str]:
    return _VARIABLE.findall(path)


BY_SHAPE = {
    (route.method, shape(f"{PREFIX}{route.path}")): route
    for route in ROUTES
    if Surface.V2 in route.surfaces
}


def described() -> dict[str, Any]:
    """Nothing where it is not at hand."""
    if not SLICE.exists():
        return {"openapi": "3.0.1", "info": {"title": "", "version": ""}, "paths": {}}
    return amended(schemathesis.openapi.from_path(SLICE).raw_schema)


DOCUMENT = described()
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


def served_operations() -> list[tuple[Operation, Route]]:
    """Those that have a route."""
    found = []
    for result in SCHEMA.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        route = BY_SHAPE.get((operation.method.upper(), shape(operation.path)))
        if route is not None:
            found.append((operation, route))
    return found


SERVED = served_operations()


def each(pairs: list[tuple[Operation, Route]]) -> pytest.MarkDecorator:
    """No test where there is no description."""
    named = [pytest.param(*pair, id=pair[1].operation_id) for pair in pairs]
    return pytest.mark.parametrize(("operation", "route"), named)


def test_all_of_the_description_that_has_a_route_is_driven() -> None:
    if not SLICE.exists():
        pytest.skip("Atlas's description is not at hand")
    assert len(SERVED) == 95


@each(SERVED)
def test_every_answer_is_as_atlas_describes_it(
    served: Served, filled: Filled, operation: Operation, route: Route
) -> None:
    """Atlas's schemas allow any field beside their own; Telamon refuses those."""
    struct = struct_of(route.body)

    drive(
        operation,
        served,
        names=names_of(operation, route, filled),
        accept=accept_of(operation),
        examples=50,
        fields=None if struct is None else [each.encode_name for each in struct_fields(struct)],
    )


@pytest.mark.parametrize("path", sorted(oauth.PATHS))
def test_the_token_endpoints_answer_as_described(served: Served, filled: Filled, path: str) -> None:
    if not SLICE.exists():
        pytest.skip("Atlas's description is not at hand")

    drive(
        SCHEMA[path]["POST"],
        served,
        names=credentials(filled),
        accept="application/json",
        examples=50,
        is_anonymous=True,
    )


@each([(operation, route) for operation, route in SERVED if route.body])
def test_what_atlas_calls_read_only_is_ignored(
    served: Served, filled: Filled, operation: Operation, route: Route
) -> None:
    """Its SDKs send back what they have read."""
    body: Any = CASES[route.operation_id].body
    read_only = dict.fromkeys(read_only_fields(operation), "as it was read")
    served.begin_anew()

    answer = served.session.request(
        route.method,
        served.url + operation.path.format(**names_of(operation, route, filled)),
        json=[read_only | each for each in body] if isinstance(body, list) else read_only | body,
        headers={"Accept": accept_of(operation)},
        timeout=TIMEOUT_SECONDS,
    )

    assert answer.status_code == expected(route, Surface.V2), answer.text


def names_of(operation: Operation, route: Route, filled: Filled) -> dict[str, str]:
    """What there is, by the names that either of both has for it."""
    names = names_for(route, filled.names)
    both = zip(variables(operation.path), variables(route.path), strict=True)
    return names | {theirs: names[ours] for theirs, ours in both}


def accept_of(operation: Operation) -> str:
    return str(max(_MEDIA_TYPE.findall(str(operation.definition.raw))))


def read_only_fields(operation: Operation) -> Iterator[str]:
    content = resolved(operation.definition.raw["requestBody"])["content"]
    schema = resolved(next(iter(content.values()))["schema"])
    for name, described in properties(resolved(schema.get("items", schema))):
        if resolved(described).get("readOnly"):
            yield name


def properties(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from schema.get("properties", {}).items()
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
        yield from properties(resolved(part))


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = DOCUMENT
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node
