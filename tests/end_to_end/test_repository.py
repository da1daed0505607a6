"""Looking after the repository of a server: the loss of the database, and a prune beside it."""

import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from pymongo import MongoClient

from tests.conftest import Mongod
from tests.end_to_end.harness import Json, Server, telamon, wait_for

pytestmark = pytest.mark.xdist_group("main-story")

NEW_HOME = "another"


def repository(server: Server, *words: str) -> subprocess.CompletedProcess[str]:
    return telamon("repository", *words, "--data-dir", str(server.data_dir))


def repository_job(server: Server, body: Json) -> Json:
    """Ask for one, and wait for its end."""
    path = "/api/telamon/v1/repository/jobs"
    asked = server.http.post(path, json=body).raise_for_status().json()
    ended: Json = wait_for(
        lambda: server.http.get(f"{path}/{asked['id']}").json(), lambda it: "finishedAt" in it
    )
    assert ended["status"] == "completed", ended
    return ended


def lose_the_database(data_dir: Path) -> None:
    for path in data_dir.glob("telamon.db*"):
        path.unlink()
    (data_dir / "master.key").unlink()


def test_after_the_loss_of_the_database_the_snapshots_are_found_and_restored(
    own_server: Server, source: Mongod, mongod_program: Path
) -> None:
    before = own_server
    source.client.shop.orders.insert_many({"_id": n, "n": n * n} for n in range(500))
    attached = before.own("POST", "/instances", {"name": "shop", "uri": source.uri})
    snapshots = [before.snapshot("shop"), before.snapshot("shop")]
    before.stop()
    lose_the_database(before.data_dir)

    after = Server(before.data_dir, mongod_program)  # runs telamon init
    found = repository(after, "rescan", "--json")
    assert found.returncode == 0, found.stderr
    assert set(json.loads(found.stdout)["snapshots"]) == set(snapshots)
    assert after.group_id != before.group_id
    after.group_id = before.group_id
    after.start()
    try:
        listed = after.v1("GET", "/serverless/shop/backup/snapshots")["results"]
        assert [it["id"] for it in listed] == snapshots[::-1]
        assert {it["status"] for it in listed} == {"completed"}
        assert after.v1("GET", "/serverless/shop")["id"] == attached["id"]

        failed = after.ended_snapshot("shop", after.take_snapshot("shop"))
        assert failed["status"] == "failed"
        assert failed["failure"].startswith("The instance shop has no deployment: ")

        with MongoClient[dict[str, int]](after.create(NEW_HOME)) as client:
            after.restore("shop", snapshots[0], target=NEW_HOME)
            restored = list(client.shop.orders.find(sort=[("_id", 1)]))
        assert restored == [{"_id": n, "n": n * n} for n in range(500)]

        again = after.own("POST", "/instances", {"name": "shop", "uri": source.uri})
        assert again["id"] == attached["id"]
        third = after.snapshot("shop")
        listed = after.v1("GET", "/serverless/shop/backup/snapshots")["results"]
        ids = [it["id"] for it in listed if it["status"] == "completed"]
        assert ids == [third, *snapshots[::-1]]
    finally:
        after.stop()


def test_a_server_works_on_beside_a_prune(own_server: Server, source: Mongod) -> None:
    server = own_server
    server.own("POST", "/instances", {"name": "shop", "uri": source.uri})
    source.client.shop.orders.insert_many({"_id": n, "n": n} for n in range(500))
    noise = random.Random(1)
    source.client.shop.noise.insert_many({"_id": n, "x": noise.randbytes(500)} for n in range(500))
    first = server.snapshot("shop")
    source.client.shop.drop_collection("noise")
    source.client.shop.orders.insert_many({"_id": n, "n": n} for n in range(500, 1000))
    second = server.snapshot("shop")
    server.restore("shop", second)  # the worker knows where everything is
    (server.data_dir / "repository" / "snapshots" / first).unlink()

    pruned = repository(server, "prune", "--max-unused-percent", "0", "--json")

    assert pruned.returncode == 0, pruned.stderr
    assert json.loads(pruned.stdout)["result"]["deleted"]
    source.client.drop_database("shop")
    server.restore("shop", second)
    assert source.client.shop.orders.count_documents({}) == 1000
    third = server.snapshot("shop")
    checked = repository(server, "check", "--read-data", "--json")
    report = json.loads(checked.stdout)
    assert checked.returncode == 90  # the catalogue still has the one whose manifest is gone
    assert [found["name"] for found in report["findings"]] == [f"snapshots/{first}"]
    assert report["snapshots"] == 2
    server.restore("shop", third)

    for snapshot_id in (second, third):
        (server.data_dir / "repository" / "snapshots" / snapshot_id).unlink()
    packs = list((server.data_dir / "repository" / "packs").rglob("*/*"))
    pruned_by_job = repository_job(server, {"kind": "prune"})
    assert pruned_by_job["prune"]["deleted"] == len(packs) > 0
    assert not any(path.exists() for path in packs)
    checked_by_job = repository_job(server, {"kind": "check", "readDataPercent": 100})
    assert {found["name"] for found in checked_by_job["check"]["findings"]} == {
        f"snapshots/{snapshot_id}" for snapshot_id in (first, second, third)
    }


def test_a_prune_waits_for_a_restore_or_says_that_it_does_not(
    own_server: Server, source: Mongod
) -> None:
    server = own_server
    server.own("POST", "/instances", {"name": "shop", "uri": source.uri})
    source.client.shop.orders.insert_many({"_id": n, "text": f"{n}" * 400} for n in range(60_000))
    snapshot_id = server.snapshot("shop")
    job_id = server.start_restore("shop", snapshot_id)
    wait_for(lambda: server.job_details("shop", job_id)["stage"], lambda it: it != "queued")

    worker = server.worker_pid()
    os.kill(worker, signal.SIGSTOP)
    at_once = repository(server, "prune")
    assert "finishedAt" not in server.job("shop", job_id)
    os.kill(worker, signal.SIGCONT)
    patient = repository(server, "prune", "--wait-seconds", "60")

    assert at_once.returncode == 75
    assert at_once.stderr.startswith("telamon: The repository is in use by a snapshot, a restore")
    assert patient.returncode == 0, patient.stderr
    assert server.ended_job("shop", job_id)["failed"] is False


def test_an_encrypted_repository_is_served_by_nobody_without_its_secret(
    mongod_program: Path, tmp_path: Path
) -> None:
    server = Server(tmp_path / "data", mongod_program)
    key = str(tmp_path / "key")
    made = repository(server, "init", "--generate-key-file", key)
    assert made.returncode == 0, made.stderr

    refused = telamon("serve", "--port", "0", "--data-dir", str(server.data_dir))

    assert (refused.returncode, refused.stdout) == (90, "")
    assert "telamon: The repository is encrypted: give its passphrase or key file" in refused.stderr
