"""One migrated database file, copied for each test, and the callers that most tests want."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from telamon.jobs.queue import migrate as migrate_jobs
from telamon.model.access import NewApiKey, Organization
from telamon.model.instance import Instance
from telamon.state.database import Database
from tests.api.routes.world import GROUP, ORG, OTHER_GROUP, V1, V2, World, copied


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with every table and no row; made once, since migrating takes a while."""
    path = tmp_path_factory.mktemp("template") / "telamon.db"
    with contextlib.closing(Database.sqlite(path)) as db:
        db.migrate()
        migrate_jobs(db.engine)
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest.fixture(scope="session")
def reused_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Database, Path]:
    """Opened once, since an engine remembers how it compiled each statement."""
    path = tmp_path_factory.mktemp("world") / "telamon.db"
    return Database.sqlite(path), path


@dataclass(frozen=True)
class Beginning:
    """Database files to begin with, and what is in them."""

    without_instance: Path
    with_orders: Path
    organization: Organization
    key: NewApiKey
    orders: Instance


@pytest.fixture(scope="session")
def beginning(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Beginning:
    """An organization that asks for access lists, two projects and a key, in two files."""
    folder = tmp_path_factory.mktemp("beginning")
    without, with_orders = folder / "without.db", folder / "with.db"
    shutil.copyfile(migrated_file, without)
    with contextlib.closing(World(Database.sqlite(without), without)) as world:
        organization = world.add_organization(ORG, groups=(GROUP, OTHER_GROUP))
        key = world.add_key(organization)
    shutil.copyfile(without, with_orders)
    with contextlib.closing(World(Database.sqlite(with_orders), with_orders)) as world:
        orders = world.add_instance()
    return Beginning(without, with_orders, organization, key, orders)


@pytest.fixture
def world(
    request: pytest.FixtureRequest, beginning: Beginning, reused_file: tuple[Database, Path]
) -> Iterator[World]:
    """An organization, two projects and a key; an instance if the test asks for ``orders``."""
    has_orders = "orders" in request.fixturenames
    template = beginning.with_orders if has_orders else beginning.without_instance
    with copied(template, reused_file) as world:
        yield world


@pytest.fixture
def organization(beginning: Beginning) -> Organization:
    """One that asks for access lists, with two projects."""
    return beginning.organization


@pytest.fixture
def key(beginning: Beginning) -> NewApiKey:
    """A key that owns the organization and may come from this machine."""
    return beginning.key


@pytest.fixture
def client(world: World, key: NewApiKey) -> httpx.AsyncClient:
    """The owner, calling from this machine."""
    return world.client(key)


@pytest.fixture
def orders(beginning: Beginning) -> Instance:
    """An instance named orders, IDLE; ``world`` sees to it that it is there."""
    return beginning.orders


@pytest.fixture(params=[V1, V2], ids=["v1.0", "v2"])
def atlas(request: pytest.FixtureRequest) -> str:
    """The prefix of each of Atlas's two families of paths."""
    prefix = request.param
    assert isinstance(prefix, str)
    return prefix
