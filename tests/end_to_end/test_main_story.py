"""The main job over HTTP, from an empty server to a proven restore."""

import re
import shutil
import subprocess

import httpx
import pytest

from telamon.clock import system_clock
from telamon.ids import new_id
from telamon.model.access import Project
from telamon.mongo.connect import open_client
from telamon.state.access import insert_project
from telamon.state.database import Database
from tests.conftest import Mongod
from tests.end_to_end.harness import V2, Server, telamon, wait_for
from tests.mongo import zoo
from tests.mongo.memory import content

pytestmark = pytest.mark.xdist_group("main-story")


@pytest.fixture(scope="module")
def shop(server: Server) -> str:
    """The connection string of the instance "shop"."""
    return server.create("shop")


@pytest.fixture(scope="module")
def snapshot_id(server: Server, shop: str) -> str:
    """A snapshot of it with some orders."""
    with open_client(shop) as client:
        client.shop.orders.insert_many({"_id": number} for number in range(1000))
        client.shop.orders.create_index("customer")
    return server.snapshot("shop")


def test_the_type_zoo_comes_back_equal(server: Server, shop: str, source: Mongod) -> None:
    """dbHash, options and every index option, through chunks, packs and a shadow restore."""
    zoo.fill(source.client)
    before = content(source.client)
    server.own("POST", "/instances", {"name": "zoo", "uri": source.uri})
    target = server.create("zoo-copy")

    server.restore("zoo", server.snapshot("zoo"), target="zoo-copy")

    with open_client(target) as client:
        assert content(client) == before


def test_a_damaged_instance_is_put_back(server: Server, shop: str, snapshot_id: str) -> None:
    with open_client(shop) as client:
        before = content(client)
        client.shop.orders.delete_many({"_id": {"$lt": 500}})
        client.shop.orders.drop_indexes()
        client.ransom.note.insert_one({"pay": "now"})

        server.restore("shop", snapshot_id)

        assert content(client) == before


def test_a_snapshot_is_restored_into_an_instance_of_another_project(
    server: Server, shop: str, snapshot_id: str
) -> None:
    group_id = _another_project(server)
    target = server.create("elsewhere", group_id=group_id)

    job = server.restore("shop", snapshot_id, target="elsewhere", group_id=group_id)

    assert (job["targetGroupId"], job["targetClusterName"]) == (group_id, "elsewhere")
    with open_client(target) as client:
        assert client.shop.orders.count_documents({}) == 1000


def test_curl_shows_the_challenge_and_then_the_page(
    server: Server, shop: str, snapshot_id: str
) -> None:
    """The command of the page that this project began from."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl here")
    path = f"/api/atlas/v1.0/groups/{server.group_id}/serverless/shop/backup/restoreJobs"
    job = server.restore("shop", snapshot_id)

    output = subprocess.run(
        [
            *(curl, "--silent", "--include", "--digest"),
            *("--user", f"{server.key['publicKey']}:{server.key['privateKey']}"),
            *("--header", "Content-Type: application/json"),
            f"{server.url}{path}?pretty=true",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace("\r\n", "\n")

    first, second = re.split(r"(?=^HTTP/1.1 )", output, flags=re.MULTILINE)[1:]
    assert re.fullmatch(
        r"""HTTP/1.1 401 Unauthorized
date: [^\n]* GMT
content-type: application/json;charset=ISO-8859-1
www-authenticate: Digest realm="MMS Public API", domain="", nonce="[A-Za-z0-9+/]{32}", algorithm=MD5, qop="auth", stale=false
connection: keep-alive
content-length: 106

""",
        first,
    )
    assert re.match(
        r"""HTTP/1.1 200 OK
date: [^\n]* GMT
vary: Accept-Encoding
content-type: application/json
strict-transport-security: max-age=300
connection: keep-alive
content-length: \d+

\{
  "links" : \[ \{
    "href" : "http://127.0.0.1:\d+/api/atlas/v1.0/groups/[a-f0-9]{24}/serverless/shop/backup/restoreJobs\?pretty=true&pageNum=1&itemsPerPage=100",
    "rel" : "self"
  \} \],
  "results" : \[ \{
    "cancelled" : false,
    "createdAt" : "[-0-9T:]+Z",
    "deliveryType" : "automated",
    "deliveryUrl" : \[ \],
    "expired" : false,
    "expiresAt" : "[-0-9T:]+Z",
    "failed" : false,
    "finishedAt" : "[-0-9T:]+Z",
    "id" : "[a-f0-9]{24}",
""",
        second,
    )
    assert job["id"] in second


def test_a_connection_that_the_client_ends_is_not_promised_to_be_kept(server: Server) -> None:
    with httpx.Client(base_url=server.url, headers={"Connection": "close"}) as client:
        answer = client.get("/api/atlas/v1.0/groups")

    assert answer.headers.get_list("connection") == ["close"]


def test_the_same_page_on_v2_has_its_media_type(server: Server, shop: str) -> None:
    path = f"/api/atlas/v2/groups/{server.group_id}/serverless/shop/backup/restoreJobs"

    answer = server.http.get(path, headers=V2)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/vnd.atlas.2023-01-01+json;charset=utf-8"


@pytest.mark.usefixtures("snapshot_id")
def test_the_command_line_takes_lists_and_restores(server: Server, shop: str) -> None:
    taken = telamon("snapshot", "take", "shop", "--wait", **server.environment)
    listed = telamon("snapshot", "list", "shop", **server.environment)
    taken_id = taken.stdout.split()[0]
    restored = telamon("restore", "start", "shop", taken_id, "--wait", **server.environment)
    jobs = telamon("restore", "list", "shop", **server.environment)
    job_id = restored.stdout.split()[0]
    shown = telamon("restore", "show", "shop", job_id, **server.environment)

    assert "completed at" in taken.stdout
    assert listed.stdout.splitlines()[0].startswith(f"{taken_id}  completed  ")
    assert restored.stdout.splitlines()[-1].startswith("finished at ")
    assert ": 1000 documents, " in restored.stdout.splitlines()[-1]
    assert jobs.stdout.splitlines()[0].split()[:2] == [job_id, "finished"]
    summary, *namespaces = shown.stdout.splitlines()
    assert summary.startswith(f"{job_id}  finished  ")
    assert "1000 of 1000 documents" in summary
    assert [line.split()[:3] for line in namespaces] == [["shop.orders", "1000", "documents,"]]


def test_an_attached_deployment_keeps_its_password_to_itself(
    server: Server, source: Mongod
) -> None:
    """It is in no answer, no log and in no file of the data directory."""
    attached = telamon(
        *("instance", "attach", "legacy", "--uri", "-"), stdin=source.uri, **server.environment
    )
    listed = telamon("instance", "list", **server.environment)
    server.snapshot("legacy")

    assert f"legacy  IDLE  mongodb://127.0.0.1:{source.port}/" in listed.stdout
    for secret in ("a very secret word", "a%20very%20secret%20word", "a+very+secret+word"):
        assert secret not in attached.stdout + attached.stderr + listed.stdout
        for file in _files(server):
            assert secret.encode() not in file


def test_the_private_key_is_stored_nowhere(server: Server) -> None:
    for file in _files(server):
        assert server.key["privateKey"].encode() not in file


def test_a_deleted_instance_is_shown_leaving_once_and_its_data_is_gone(server: Server) -> None:
    server.create("brief")
    mongod = server.mongod("brief")
    folder = server.data_dir / "instances"
    held = {path.name for path in folder.iterdir()}

    server.v1("DELETE", "/serverless/brief")
    path = f"/api/atlas/v1.0/groups/{server.group_id}/serverless/brief"
    states = [server.http.get(path)]
    while states[-1].is_success:
        states.append(server.http.get(path))

    assert {answer.json()["stateName"] for answer in states[:-1]} == {"DELETING"}
    assert states[-1].json()["errorCode"] == "SERVERLESS_INSTANCE_NOT_FOUND"
    assert mongod.pid is None
    assert len(held - {path.name for path in folder.iterdir()}) == 1


def test_an_unknown_project_is_not_told_from_a_foreign_one(server: Server) -> None:
    with httpx.Client(base_url=server.url, auth=server.http.auth) as client:
        answer = client.get(f"/api/atlas/v1.0/groups/{'1' * 24}/serverless")

    assert (answer.status_code, answer.json()["errorCode"]) == (404, "GROUP_NOT_FOUND")


def _another_project(server: Server) -> str:
    """A second project of the same organization; the API to make one is not there yet."""
    db = Database.sqlite(server.data_dir / "telamon.db")
    now = system_clock()
    project = Project(id=new_id(now), org_id=server.key["orgId"], name="Project 1", created_at=now)
    db.transact(lambda tx: insert_project(tx, project))
    db.close()
    return project.id


def _files(server: Server) -> list[bytes]:
    """Everything that the server has written, but for what the managed mongods keep themselves."""
    return [
        path.read_bytes()
        for path in server.data_dir.rglob("*")
        if path.is_file() and "instances" not in path.parts
    ]


def test_a_deleted_snapshot_of_a_cluster_is_gone_from_the_repository(
    server: Server, source: Mongod
) -> None:
    source.client.shop.orders.insert_one({"_id": 1})
    server.own("POST", "/instances", {"name": "big", "uri": source.uri, "kind": "dedicated"})
    snapshot_id = server.snapshot("big")
    manifest = server.data_dir / "repository" / "snapshots" / snapshot_id
    assert manifest.exists()

    path = f"/api/atlas/v2/groups/{server.group_id}/clusters/big/backup/snapshots/{snapshot_id}"
    answer = server.http.request("DELETE", path, headers=V2)

    assert answer.status_code == 204, answer.text
    assert server.http.get(path, headers=V2).status_code == 404
    wait_for(manifest.exists, lambda exists: not exists)
