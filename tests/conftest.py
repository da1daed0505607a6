"""Real servers for the tests: one mongod per test process, cleaned between tests."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from telamon.errors import ConfigurationError
from telamon.mongo.binary import find_mongod
from telamon.mongo.connect import Client, open_client
from telamon.mongo.managed import Passwords, start_managed, telamon_uri
from telamon.mongo.process import MongodProcess
from tests.databases import maker, postgres
from tests.end_to_end.harness import Server

__all__ = ["maker", "postgres"]  # fixtures

_TESTS_BETWEEN_FREEZES = 250
PASSWORDS = Passwords(telamon="a very secret word", owner="another: @secret/word")
SYSTEM_DATABASES = {"admin", "config", "local"}


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: they are not to be looked through for garbage again and again."""
    _freeze()


def pytest_runtest_logfinish() -> None:
    _freeze.tests += 1
    if _freeze.tests % _TESTS_BETWEEN_FREEZES == 0:
        _freeze()


class _Freeze:
    tests = 0

    def __call__(self) -> None:
        gc.collect()
        gc.freeze()


_freeze = _Freeze()


@dataclass(frozen=True)
class Mongod:
    """A running replica set of one, and a client of it with every right."""

    process: MongodProcess
    port: int
    uri: str
    client: Client


@pytest.fixture(scope="session")
def mongod_program() -> Path:
    """The mongod to test with; without one, the tests that need it are skipped and say so."""
    try:
        return find_mongod(None)
    except ConfigurationError as error:
        pytest.skip(error.message)


def run_mongod(program: Path, root: Path) -> Iterator[Mongod]:
    process = MongodProcess(program, root)
    try:
        port = start_managed(process, PASSWORDS, wanted_port=None)
        uri = telamon_uri(port, PASSWORDS)
        with open_client(uri) as client:
            yield Mongod(process, port, uri, client)
    finally:
        process.stop()


@pytest.fixture(scope="session")
def shared_mongod(
    mongod_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mongod]:
    """One for all tests of this process; take ``source`` or ``target`` instead."""
    yield from run_mongod(mongod_program, tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def second_mongod(
    mongod_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mongod]:
    yield from run_mongod(mongod_program, tmp_path_factory.mktemp("target"))


@pytest.fixture
def source(shared_mongod: Mongod) -> Mongod:
    """A deployment without user databases, to take snapshots of."""
    drop_user_databases(shared_mongod.client)
    return shared_mongod


@pytest.fixture
def target(second_mongod: Mongod) -> Mongod:
    """Another one, to restore into."""
    drop_user_databases(second_mongod.client)
    return second_mongod


@pytest.fixture
def own_mongod(mongod_program: Path, tmp_path: Path) -> Iterator[Mongod]:
    """One that the test may kill or reconfigure."""
    yield from run_mongod(mongod_program, tmp_path / "own")


def drop_user_databases(client: Client) -> None:
    for name in set(client.list_database_names()) - SYSTEM_DATABASES:
        client.drop_database(name)


@pytest.fixture(scope="module")
def server(mongod_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One for a module's tests; each uses instances of its own names."""
    yield from running(Server(tmp_path_factory.mktemp("data"), mongod_program))


@pytest.fixture
def own_server(mongod_program: Path, tmp_path: Path) -> Iterator[Server]:
    """One that the test may stop and kill."""
    yield from running(Server(tmp_path / "data", mongod_program))


def running(server: Server, **environment: str) -> Iterator[Server]:
    server.start(**environment)
    try:
        yield server
    finally:
        server.stop()
        server.stop_leftovers()
