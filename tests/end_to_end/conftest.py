"""Servers for the end-to-end tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.harness import Server


@pytest.fixture(scope="module")
def server(mongod_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for a module's tests; each uses instances of its own names."""
    yield from _running(Server(tmp_path_factory.mktemp("data"), mongod_program))


@pytest.fixture
def own_server(mongod_program: Path, tmp_path: Path) -> Iterator[Server]:
    """One that the test may stop and kill."""
    yield from _running(Server(tmp_path / "data", mongod_program))


def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()
        server.stop_leftovers()
