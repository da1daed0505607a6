"""Databases to test with: files of SQLite, and databases of a PostgreSQL server of the tests' own.

The server is that of ``TELAMON_TEST_POSTGRES_URL``, whose user may create databases, or one that is
started from the programs of Debian's package, once per test process. Where neither can be had, the
tests that need it are skipped and say so.
"""

import contextlib
import itertools
import os
import secrets
import shutil
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from telamon import state
from telamon.state.database import Database
from tests.places import Place

NEWEST_SCHEMA = max(
    path.name[:4]
    for path in (Path(state.__file__).parent / "migrations" / "versions").glob(
        "[0-9][0-9][0-9][0-9]_*.py"
    )
)
"""The revision of the last migration."""

_PROGRAMS = "/usr/lib/postgresql"
_START_SECONDS = 60.0
_SERVER_OPTIONS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_min_messages": "fatal",
}
# Everybody without a password, but the one who is to be refused.
_WHO_MAY_CONNECT = "host all locked all scram-sha-256\nhost all all all trust\n"


Fill = Callable[[Place], None]


class Maker(Protocol):
    """Makes databases of one kind."""

    def make(self, template: Place | None = None) -> Place:
        """A new one: empty, or a copy of ``template``, which nobody has open."""
        ...

    def drop(self, place: Place) -> None: ...


class SqliteMaker:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()

    def make(self, template: Place | None = None) -> Place:
        path = self._folder / str(next(self._numbers)) / "telamon.db"
        path.parent.mkdir()
        if template is not None:
            with (
                contextlib.closing(sqlite3.connect(template.address)) as source,
                contextlib.closing(sqlite3.connect(path)) as copy,
            ):
                source.backup(copy)
        return Place(str(path))

    def drop(self, place: Place) -> None:
        shutil.rmtree(place.path.parent)


class PostgresMaker:
    """On the server that ``url`` leads to, as a user who may create databases."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._prefix = f"telamon_test_{secrets.token_hex(4)}"
        self._numbers = itertools.count()

    def make(self, template: Place | None = None) -> Place:
        name = f"{self._prefix}_{next(self._numbers)}"
        origin = "template0" if template is None else urlsplit(template.address).path.strip("/")
        self._run(f"CREATE DATABASE {name} TEMPLATE {origin} STRATEGY file_copy")
        return Place(urlunsplit(urlsplit(self.url)._replace(path=f"/{name}")))

    def drop(self, place: Place) -> None:
        name = urlsplit(place.address).path.strip("/")
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())


@contextlib.contextmanager
def templates(maker: Maker, fill: Fill) -> Iterator[Place]:
    """A database that ``fill`` has filled, to make copies of."""
    place = maker.make()
    fill(place)
    yield place
    maker.drop(place)


@contextlib.contextmanager
def opened(maker: Maker, template: Place | None = None) -> Iterator[Database]:
    """A new database, open; gone afterwards."""
    place = maker.make(template)
    with contextlib.closing(place.open()) as db:
        yield db
    maker.drop(place)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresMaker]:
    """The server of this test process."""
    given = os.environ.get("TELAMON_TEST_POSTGRES_URL")
    if given:
        yield PostgresMaker(given)
        return
    programs = find_postgres()
    if programs is None:
        pytest.skip("There is no PostgreSQL: no TELAMON_TEST_POSTGRES_URL, no initdb installed.")
    with running_postgres(programs, tmp_path_factory.mktemp("postgres")) as url:
        yield PostgresMaker(url)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def maker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Of each kind: whoever takes it runs on both."""
    if request.param == "sqlite":
        return SqliteMaker(tmp_path_factory.mktemp("sqlite"))
    found = request.getfixturevalue("postgres")
    assert isinstance(found, PostgresMaker)
    return found


on_postgresql = pytest.mark.parametrize("maker", ["postgresql"], indirect=True, scope="session")
"""For a test, among those that run on both, that is about several workers or writers at once."""

on_sqlite = pytest.mark.parametrize("maker", ["sqlite"], indirect=True, scope="session")
"""For one that is about a deployment and takes long: what the database is does not matter to it."""


def find_postgres() -> Path | None:
    """The directory of ``initdb`` and ``postgres``."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(Path(_PROGRAMS).glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextlib.contextmanager
def running_postgres(programs: Path, folder: Path) -> Iterator[str]:
    """A server on a free port of this machine; its URL, of a superuser. Its text is ordered as in English."""
    data, prefix = _own(folder)
    made = subprocess.run(
        [
            *(*prefix, str(programs / "initdb"), "-D", str(data), "-U", "telamon", "-A", "trust"),
            *("-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            *("--locale-provider", "icu", "--icu-locale", "en-US"),
        ],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    (data / "pg_hba.conf").write_text(_WHO_MAY_CONNECT)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--{name}={value}" for name, value in _SERVER_OPTIONS.items()]
    url = f"postgresql://telamon@127.0.0.1:{port}/postgres"
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*prefix, str(programs / "postgres"), "-D", str(data), f"--port={port}", *options],
            cwd="/",
            stdout=log,
            stderr=log,
        )
    try:
        _await(url, server)
        yield url
    finally:
        server.send_signal(2)  # SIGINT: end at once, and leave no memory behind
        server.wait(_START_SECONDS)
        shutil.rmtree(data.parent, ignore_errors=True)


def _own(folder: Path) -> tuple[Path, list[str]]:
    """A data directory, and what must stand before a command: the server refuses to run as root."""
    if os.getuid() != 0:
        return folder / "data", []
    # The directories of tests are root's alone.
    parent = Path(f"/tmp/telamon-postgres-{secrets.token_hex(4)}")  # fixed, and its own
    parent.mkdir(mode=0o700)
    shutil.chown(parent, "nobody")
    return parent / "data", ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


def _await(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert server.poll() is None
            assert time.monotonic() < deadline
        else:
            return
