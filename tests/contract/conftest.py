"""One server for a module's operations, and what its database holds."""

from collections.abc import Iterator

import pytest

from tests.api.routes.conftest import Beginning, beginning, migrated_file
from tests.api.routes.every_route import Filled, fill_all
from tests.contract.server import Served, serving

__all__ = ["beginning", "migrated_file"]


@pytest.fixture(scope="session")
def filled(beginning: Beginning, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return fill_all(beginning, tmp_path_factory.mktemp("filled"))


@pytest.fixture(scope="session")
def served(filled: Filled, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """It knows the organization's owner."""
    folder = tmp_path_factory.mktemp("served")
    with serving(Served(filled.path, folder, filled.keys["ORG_OWNER"])) as served:
        yield served
