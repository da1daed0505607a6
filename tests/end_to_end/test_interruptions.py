"""Processes killed at bad moments: the truth is told, and the next thing works."""

import os
import signal
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient

from telamon.mongo.connect import open_client
from tests.conftest import Mongod
from tests.end_to_end.harness import (
    PATIENCE_SECONDS,
    V2,
    Json,
    Server,
    is_alive,
    telamon,
    wait_for,
)
from tests.mongo.memory import content

pytestmark = pytest.mark.xdist_group("interruptions")

DOCUMENTS = 200_000  # some seconds of restoring, with their indexes


@pytest.fixture(scope="module")
def filled(server: Server) -> str:
    """The snapshot of an instance "filled" that takes a while to read and to restore."""
    with open_client(server.create("filled")) as client:
        _fill(client)
    return server.snapshot("filled")


def test_a_target_killed_in_mid_restore_fails_the_job_and_nothing_else(
    server: Server, filled: str
) -> None:
    with open_client(server.create("victim")) as client:
        client.own.data.insert_one({"_id": "mine"})
        client.admin.command("ping")
    job_id = server.start_restore("filled", filled, target="victim")
    _await_documents(server, job_id)
    pid = server.mongod("victim").pid
    assert pid is not None

    os.kill(pid, signal.SIGKILL)
    job = server.ended_job("filled", job_id)

    assert (job["failed"], job["cancelled"], job["expired"]) == (True, False, False)
    assert "The target's own data is as it was." in server.job_details("filled", job_id)["failure"]
    uri = server.idle("victim")  # the supervisor has brought it back
    with open_client(uri) as client:
        assert client.own.data.find_one() == {"_id": "mine"}
        server.restore("filled", filled, target="victim")
        assert client.shop.orders.count_documents({}) == DOCUMENTS
        assert sorted(set(client.list_database_names()) - {"admin", "config", "local"}) == ["shop"]


def test_a_worker_killed_in_mid_restore_is_replaced_and_the_job_finishes(
    server: Server, filled: str
) -> None:
    uri = server.create("patient")
    job_id = server.start_restore("filled", filled, target="patient")
    _await_documents(server, job_id)

    os.kill(server.worker_pid(), signal.SIGKILL)
    job = server.ended_job("filled", job_id)

    assert not job["failed"]
    with (
        open_client(server.idle("filled")) as source,
        open_client(uri) as target,
    ):
        assert content(target) == content(source)


def test_a_server_killed_in_mid_restore_finishes_the_job_when_it_is_back(
    server: Server, filled: str
) -> None:
    """Its worker ends with it."""
    uri = server.create("awaited")
    job_id = server.start_restore("filled", filled, target="awaited")
    _await_documents(server, job_id)

    server.kill()
    server.start()

    assert not server.ended_job("filled", job_id)["failed"]
    _require_equal(server, uri)


@pytest.fixture(scope="module")
def cluster(server: Server, filled: str) -> str:
    """A snapshot of the same deployment, attached as a dedicated cluster."""
    assert filled
    body = {"kind": "dedicated", "name": "cluster", "uri": server.idle("filled")}
    server.own("POST", "/instances", body)
    return server.snapshot("cluster")


def test_what_a_restore_needs_stays_while_it_runs(server: Server, cluster: str) -> None:
    """Its snapshot is not deleted, and its target is not restored twice at once."""
    uri = server.create("wanted")
    job_id = _restore_cluster(server, cluster, "wanted")
    _await_documents(server, job_id, "cluster")

    deleted = server.http.delete(f"{_backup(server)}/snapshots/{cluster}", headers=V2)
    second = server.http.post(
        f"{_backup(server)}/restoreJobs",
        headers=V2,
        json={
            "deliveryType": "automated",
            "snapshotId": cluster,
            "targetClusterName": "wanted",
            "targetGroupId": server.group_id,
        },
    )

    assert (deleted.status_code, second.status_code) == (409, 409)
    assert "is being restored" in deleted.json()["detail"]
    ended = wait_for(lambda: server.job_details("cluster", job_id), lambda it: "finishedAt" in it)
    assert ended["stage"] == "finished"
    _require_equal(server, uri)


def test_a_restore_outlives_the_key_that_asked_for_it(server: Server, filled: str) -> None:
    """It is the project's."""
    uri = server.create("inherited")
    keys = f"/api/atlas/v1.0/groups/{server.group_id}/apiKeys"
    made = server.http.post(keys, json={"desc": "leaver", "roles": ["GROUP_OWNER"]}).json()
    its_path = f"/api/atlas/v1.0/orgs/{server.key['orgId']}/apiKeys/{made['id']}"
    server.http.post(f"{its_path}/accessList", json=[{"ipAddress": "127.0.0.1"}])
    leaver = httpx.DigestAuth(made["publicKey"], made["privateKey"])
    body = {"snapshotId": filled, "targetClusterName": "inherited"}
    asked = f"/api/telamon/v1/groups/{server.group_id}/instances/filled/restoreJobs"
    job_id = server.http.post(asked, json=body, auth=leaver).json()["id"]
    _await_documents(server, job_id)

    revoked = server.http.delete(its_path)

    assert revoked.status_code == 204
    assert not server.ended_job("filled", job_id)["failed"]
    _require_equal(server, uri)


def test_a_worker_killed_in_mid_snapshot_is_replaced_and_the_snapshot_completes(
    server: Server, filled: str
) -> None:
    uri = server.create("copied")
    snapshot_id = server.take_snapshot("filled")
    wait_for(
        lambda: server.own("GET", f"/instances/filled/snapshots/{snapshot_id}")["status"],
        lambda status: status != "queued",
    )

    os.kill(server.worker_pid(), signal.SIGKILL)
    ended = server.ended_snapshot("filled", snapshot_id)

    assert (ended["status"], ended["documents"]) == ("completed", DOCUMENTS)
    server.restore("filled", snapshot_id, target="copied")
    with (
        open_client(server.idle("filled")) as source,
        open_client(uri) as target,
    ):
        assert content(target) == content(source)


def test_polls_are_answered_while_worker_and_deployment_stand_still(
    server: Server, filled: str
) -> None:
    worker, mongod = server.worker_pid(), server.mongod("filled").pid
    assert mongod is not None
    for pid in (worker, mongod):
        os.kill(pid, signal.SIGSTOP)
    try:
        jobs = server.v1("GET", "/serverless/filled/backup/restoreJobs")
        snapshots = server.v2("GET", "/serverless/filled/backup/snapshots")
        instance = server.v1("GET", "/serverless/filled")
    finally:
        for pid in (mongod, worker):
            os.kill(pid, signal.SIGCONT)

    assert jobs["totalCount"] >= 0
    assert snapshots["totalCount"] >= 1
    assert instance["stateName"] == "IDLE"


def test_a_restore_goes_on_when_its_source_is_deleted(server: Server, cluster: str) -> None:
    """What is restored is in the repository. The job is shown no more, as its instance is not."""
    uri = server.create("orphan")
    job_id = _restore_cluster(server, cluster, "orphan")
    _await_documents(server, job_id, "cluster")

    server.v2("DELETE", "/clusters/cluster")

    with open_client(server.idle("filled")) as source, open_client(uri) as target:
        expected = content(source)
        wait_for(lambda: content(target), lambda found: found == expected)
    assert server.restore("filled", server.snapshot("filled"), target="orphan")


def test_a_restart_comes_back_to_the_same_data_and_address(own_server: Server) -> None:
    uri = own_server.create("kept")
    with open_client(uri) as client:
        client.shop.orders.insert_one({"_id": 1})

    own_server.stop()
    stopped = not list(_mongods(own_server))
    own_server.start()

    assert stopped
    assert own_server.idle("kept") == uri
    with open_client(uri, selection_seconds=PATIENCE_SECONDS) as client:
        assert client.shop.orders.find_one() == {"_id": 1}


def test_a_killed_server_takes_its_worker_with_it_and_starts_again(own_server: Server) -> None:
    uri = own_server.create("kept")
    with open_client(uri) as client:
        client.shop.orders.insert_one({"_id": 1})

    own_server.kill()
    own_server.start()

    own_server.idle("kept")
    with open_client(uri, selection_seconds=PATIENCE_SECONDS) as client:
        assert client.shop.orders.find_one() == {"_id": 1}
    assert own_server.snapshot("kept")


def test_server_and_worker_killed_at_once_leave_a_mongod_that_is_found_again(
    own_server: Server,
) -> None:
    uri = own_server.create("kept")
    mongod = own_server.mongod("kept").pid
    assert mongod is not None

    os.kill(own_server.worker_pid(), signal.SIGKILL)
    own_server.kill_alone()
    assert is_alive(mongod)
    own_server.start()

    assert own_server.idle("kept") == uri
    assert own_server.mongod("kept").pid == mongod


def test_a_second_server_on_the_same_data_is_refused(own_server: Server) -> None:
    second = telamon("serve", "--data-dir", str(own_server.data_dir), "--port", "0")

    assert second.returncode == 78
    assert "which another telamon serve is using" in second.stderr


def test_a_snapshot_of_an_attached_deployment_that_is_gone_fails_and_says_so(
    server: Server, own_mongod: Mongod
) -> None:
    server.own("POST", "/instances", {"name": "gone", "uri": own_mongod.uri})
    own_mongod.client.close()
    own_mongod.process.stop()

    ended = server.ended_snapshot("gone", server.take_snapshot("gone"))

    assert ended["status"] == "failed"
    assert "does not answer" in ended["failure"]
    assert "a very secret word" not in ended["failure"]


def test_a_damaged_repository_fails_the_restore_and_leaves_the_target(own_server: Server) -> None:
    with open_client(own_server.create("whole")) as client:
        client.shop.orders.insert_many({"_id": number} for number in range(1000))
        snapshot_id = own_server.snapshot("whole")
        client.shop.orders.delete_many({"_id": {"$gte": 10}})
        _damage_a_pack(own_server.data_dir / "repository" / "packs")

        job_id = own_server.start_restore("whole", snapshot_id)
        job = own_server.ended_job("whole", job_id)

        assert job["failed"]
        assert "own data is as it was" in own_server.job_details("whole", job_id)["failure"]
        assert client.shop.orders.count_documents({}) == 10


def _fill(client: MongoClient[Json]) -> None:
    text = "x" * 120
    for start in range(0, DOCUMENTS, 10_000):
        client.shop.orders.insert_many(
            [{"_id": start + n, "a": n, "b": -n, "text": text} for n in range(10_000)]
        )
    client.shop.orders.create_index("a")
    client.shop.orders.create_index([("b", 1), ("a", -1)])


def _await_documents(server: Server, job_id: str, name: str = "filled") -> None:
    """Until the restore is well under way; it must not be over by then."""
    found = wait_for(
        lambda: server.job_details(name, job_id),
        lambda it: it["documentsRestored"] > 0 or "finishedAt" in it,
    )
    assert found["stage"] == "loading"


def _require_equal(server: Server, uri: str) -> None:
    """The deployment at ``uri`` holds what the filled one does."""
    with open_client(server.idle("filled")) as source, open_client(uri) as target:
        assert content(target) == content(source)


def _restore_cluster(server: Server, snapshot_id: str, target: str) -> str:
    body = {"snapshotId": snapshot_id, "targetClusterName": target}
    return str(server.own("POST", "/instances/cluster/restoreJobs", body)["id"])


def _backup(server: Server) -> str:
    return f"/api/atlas/v2/groups/{server.group_id}/clusters/cluster/backup"


def _mongods(server: Server) -> list[Path]:
    """The directories of managed mongods that run."""
    return [
        folder
        for folder in (server.data_dir / "instances").iterdir()
        if (folder / "db" / "mongod.lock").read_text()
    ]


def _damage_a_pack(packs: Path) -> None:
    pack = next(path for path in packs.rglob("*") if path.is_file())
    pack.chmod(0o600)
    data = bytearray(pack.read_bytes())
    data[20] ^= 1
    pack.write_bytes(data)
