"""The server against Atlas's own description of what Telamon serves, where that is at hand."""

import re
from pathlib import Path

import pytest
import schemathesis
from schemathesis.core.result import Ok

from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from tests.api.routes.backup_cases import names_for
from tests.api.routes.every_route import Filled
from tests.contract.amendments import amended
from tests.contract.driving import Operation, drive
from tests.contract.server import Served

SLICE = Path(__file__).parents[3] / "shared" / "reference" / "atlas-openapi-slice.yaml"
PREFIX = Surface.V2.value
_VARIABLE = re.compile(r"\{(\w+)\}")


def shape(path: str) -> str:
    return _VARIABLE.sub("{}", path)


BY_SHAPE = {
    (route.method, shape(f"{PREFIX}{route.path}")): route
    for route in ROUTES
    if Surface.V2 in route.surfaces
}


def served_operations() -> list[tuple[Operation, Route]]:
    """Those of the slice that have a route."""
    if not SLICE.exists():
        return []
    found = []
    schema = schemathesis.openapi.from_dict(
        amended(schemathesis.openapi.from_path(SLICE).raw_schema)
    )
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        route = BY_SHAPE.get((operation.method.upper(), shape(operation.path)))
        if route is not None:
            found.append((operation, route))
    return found


@pytest.mark.skipif(not SLICE.exists(), reason="Atlas's description is not at hand")
@pytest.mark.parametrize(
    ("operation", "route"),
    [pytest.param(*pair, id=pair[1].operation_id) for pair in served_operations()],
)
def test_every_answer_is_as_atlas_describes_it(
    served: Served, filled: Filled, operation: Operation, route: Route
) -> None:
    names = names_for(route, filled.names)
    ours = _VARIABLE.findall(route.path)
    theirs = _VARIABLE.findall(operation.path)
    names |= {name: names[own] for name, own in zip(theirs, ours, strict=True)}
    versions = re.findall(r"vnd\.atlas\.[\d-]+\+json", str(operation.definition.raw["responses"]))

    drive(
        operation,
        served,
        names=names,
        accept=f"application/{max(versions)}",
        examples=50,
    )
