"""The server against its own description: whatever it allows is answered as it says."""

import pytest
import schemathesis

from telamon.api import oauth, openapi
from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.api.media_type import of_version
from tests.api.routes.backup_cases import names_for
from tests.api.routes.every_route import AT, Filled
from tests.contract.driving import Operation, credentials, drive
from tests.contract.server import Served

SCHEMA = schemathesis.openapi.from_dict(openapi.document(ROUTES))


@pytest.mark.parametrize(
    ("route", "surface"),
    [
        pytest.param(route, surface, id=f"{route.operation_id}-{surface.name}")
        for route, surface in AT
    ],
)
def test_every_answer_is_as_described(
    served: Served, filled: Filled, route: Route, surface: Surface
) -> None:
    operation: Operation = SCHEMA[f"{surface.value}{route.path}"][route.method]
    is_dated = surface is Surface.V2

    drive(
        operation,
        served,
        names=names_for(route, filled.names),
        accept=of_version(route.versions[-1]) if is_dated else "application/json",
        examples=5,
    )


@pytest.mark.parametrize("path", sorted(oauth.PATHS))
def test_the_token_endpoints_answer_as_described(served: Served, filled: Filled, path: str) -> None:
    drive(
        SCHEMA[path]["POST"],
        served,
        names=credentials(filled),
        accept="application/json",
        examples=50,
        is_anonymous=True,
    )
