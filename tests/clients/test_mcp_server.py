"""mongodb-mcp-server of npm: a service account's tokens, HTTPS and nothing else, tools on standard input.

It has no tool for snapshots or restore jobs, nor for serverless instances, so that its story ends with
lists and pages. Not asked of it is what needs paths that Telamon has not got: clusters of all projects at
once, database users (and so connecting to a cluster), alerts, the performance advisor and streams.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.mcp_session import McpSession, mcp_session
from tests.clients.protected import UNKNOWN, Protected
from tests.clients.tls_front import TlsFront
from tests.end_to_end.harness import Server

pytestmark = pytest.mark.xdist_group("clients")


@pytest.fixture(scope="module")
def settings(
    front: TlsFront, account: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """It trusts the front's certificate: node does for some requests, it does itself for others."""
    home = tmp_path_factory.mktemp("home")
    return {
        "HOME": str(home),
        "MDB_MCP_API_BASE_URL": front.url,
        "MDB_MCP_API_CLIENT_ID": account["clientId"],
        "MDB_MCP_API_CLIENT_SECRET": account["clientSecret"],
        "MDB_MCP_LOGGERS": "stderr",
        "MDB_MCP_TELEMETRY": "disabled",
        "NODE_EXTRA_CA_CERTS": str(front.certificate),
        "NO_PROXY": "127.0.0.1",
        "SSL_CERT_DIR": str(home),
        "SSL_CERT_FILE": str(front.certificate),
    }


@pytest.fixture(scope="module")
def agent(node_clients: Path, settings: dict[str, str]) -> Iterator[McpSession]:
    with mcp_session(node_clients, settings, Path(settings["HOME"], "mcp.log")) as agent:
        yield agent


def test_organizations_are_listed(server: Server, agent: McpSession) -> None:
    found = agent.tool("atlas-list-orgs")["organizations"]

    assert [each["id"] for each in found] == [server.key["orgId"]]


def test_projects_are_listed_page_by_page(
    server: Server, agent: McpSession, projects: list[str]
) -> None:
    pages = [
        agent.tool("atlas-list-projects", limit=1, pageNum=number, includeCount=True)
        for number in (1, 2, 3)
    ]
    at_once = agent.tool("atlas-list-projects", orgId=server.key["orgId"])

    assert [[each["id"] for each in page["projects"]] for page in pages] == [
        [projects[0]],
        [projects[1]],
        [],
    ]
    assert [page["totalCount"] for page in pages[:2]] == [2, 2]
    assert [each["id"] for each in at_once["projects"]] == projects


def test_clusters_of_both_kinds_are_listed(
    server: Server, agent: McpSession, cluster: Protected, flex: Protected
) -> None:
    found = agent.tool("atlas-list-clusters", projectId=server.group_id)["clusters"]

    assert [(each["name"], each["instanceType"], each["state"]) for each in found] == [
        ("archive", "DEDICATED", "IDLE"),
        (cluster.name, "DEDICATED", "IDLE"),
        (flex.name, "FLEX", "IDLE"),
    ]


def test_a_flex_cluster_is_found_behind_the_refusal_of_the_clusters_path(
    server: Server, agent: McpSession, front: TlsFront, flex: Protected
) -> None:
    found = agent.tool("atlas-inspect-cluster", projectId=server.group_id, clusterName=flex.name)

    assert (found["instanceType"], found["connectionStrings"]["standard"]) == ("FLEX", flex.uri)
    group = f"GET /api/atlas/v2/groups/{server.group_id}"
    assert front.answered[-2:] == [
        (f"{group}/clusters/{flex.name}", 400),
        (f"{group}/flexClusters/{flex.name}", 200),
    ]


def test_its_own_address_is_put_on_the_projects_access_list(
    server: Server, agent: McpSession
) -> None:
    agent.tool("atlas-create-access-list", projectId=server.group_id, currentIpAddress=True)
    found = agent.tool("atlas-inspect-access-list", projectId=server.group_id)["entries"]

    assert [each["ipAddress"] for each in found] == ["127.0.0.1"]


def test_an_error_is_read(server: Server, agent: McpSession) -> None:
    said = agent.failure("atlas-inspect-cluster", projectId=server.group_id, clusterName=UNKNOWN)

    assert said == (
        "Error running atlas-inspect-cluster: [404 Not Found] error calling Atlas API: "
        f"Not Found; No cluster named {UNKNOWN} exists in group {server.group_id}."
    )


def test_its_token_is_revoked_when_it_ends(
    node_clients: Path, settings: dict[str, str], front: TlsFront
) -> None:
    before = len(front.answered)

    with mcp_session(node_clients, settings, Path(settings["HOME"], "brief.log")) as brief:
        brief.tool("atlas-list-orgs")

    asked = [(call.partition("?")[0], status) for call, status in front.answered[before:]]
    assert asked == [
        ("POST /api/oauth/token", 200),
        ("GET /api/atlas/v2/orgs", 200),
        ("POST /api/oauth/revoke", 200),
    ]
