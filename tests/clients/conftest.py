"""One server for all clients, with an instance of each kind to restore."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import installed
from tests.clients.protected import Protected, protect
from tests.clients.tls_front import TlsFront
from tests.conftest import Mongod, drop_user_databases, running
from tests.end_to_end.harness import PROVIDER, Server, wait_for

FLEX = {"Accept": "application/vnd.atlas.2024-11-13+json"}
ACCOUNTS = {"Accept": "application/vnd.atlas.2024-08-05+json"}


@pytest.fixture(scope="package")
def server(mongod_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """It believes a proxy on this machine."""
    server = Server(tmp_path_factory.mktemp("data"), mongod_program)
    yield from running(server, TELAMON_TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="package")
def projects(server: Server) -> list[str]:
    """Ids of both, by name."""
    new = {"name": "Second", "orgId": server.key["orgId"]}
    made = server.http.post("/api/atlas/v1.0/groups", json=new).raise_for_status().json()
    return [server.group_id, made["id"]]


@pytest.fixture(scope="package")
def shop(server: Server) -> Protected:
    """A serverless instance that has been restored twice."""
    shop = protect(server, "shop", server.create("shop"))
    for _ in range(2):
        server.restore("shop", shop.snapshot_id)
    return shop


@pytest.fixture(scope="package")
def cluster(server: Server, shared_mongod: Mongod) -> Protected:
    """A dedicated cluster, of two: the other one, "archive", is the same deployment."""
    drop_user_databases(shared_mongod.client)
    for name in ("legacy", "archive"):
        attachment = {"kind": "dedicated", "name": name, "uri": shared_mongod.uri}
        server.own("POST", "/instances", attachment)
    return protect(server, "legacy", shared_mongod.uri)


@pytest.fixture(scope="package")
def flex(server: Server) -> Protected:
    path = f"/api/atlas/v2/groups/{server.group_id}/flexClusters"
    new = {"name": "bendy", "providerSettings": PROVIDER}
    server.http.post(path, json=new, headers=FLEX).raise_for_status()
    found = wait_for(
        lambda: server.http.get(f"{path}/bendy", headers=FLEX).json(),
        lambda it: it["stateName"] == "IDLE",
    )
    return protect(server, "bendy", found["connectionStrings"]["standard"])


@pytest.fixture(scope="package")
def account(server: Server) -> dict[str, str]:
    """A service account with every right, for callers on this machine."""
    path = f"/api/atlas/v2/orgs/{server.key['orgId']}/serviceAccounts"
    new = {
        "name": "robot",
        "description": "Drives what has no API key",
        "roles": ["ORG_OWNER"],
        "secretExpiresAfterHours": 8,
    }
    made = server.http.post(path, json=new, headers=ACCOUNTS).raise_for_status().json()
    listed = f"{path}/{made['clientId']}/accessList"
    entry = [{"ipAddress": "127.0.0.1"}]
    server.http.post(listed, json=entry, headers=ACCOUNTS).raise_for_status()
    return {"clientId": made["clientId"], "clientSecret": made["secrets"][0]["secret"]}


@pytest.fixture(scope="package")
def front(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsFront]:
    with TlsFront(server.url, tmp_path_factory.mktemp("front")) as front:
        yield front


@pytest.fixture(scope="session")
def cache(pytestconfig: pytest.Config) -> Path:
    """Where installed clients are kept from run to run."""
    assert pytestconfig.cache is not None
    return pytestconfig.cache.mkdir("clients")


@pytest.fixture(scope="session")
def python_clients(cache: Path) -> Path:
    """The interpreter that has atlasapi and pyatlassdk."""
    return installed.python_clients(cache)


@pytest.fixture(scope="session")
def node_clients(cache: Path) -> Path:
    """The folder that has the clients of npm; where there is no npm, their tests are skipped."""
    missing = installed.missing_node()
    if missing:
        pytest.skip(missing)
    return installed.node_clients(cache)
