"""Two APIs and several workers on one database: killed, frozen, told to stop."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from telamon.mongo.connect import Client
from telamon.operations.drill_signing import DrillPublicKey, check
from tests.conftest import Mongod, drop_user_databases
from tests.databases import PostgresMaker
from tests.end_to_end.fleet import Api, Fleet
from tests.end_to_end.harness import wait_for
from tests.operations.crashes import hashes

pytestmark = pytest.mark.xdist_group("fleet")

Hashes = dict[str, dict[str, str]]

DOCUMENTS = 200_000  # some seconds of reading and of restoring, with their indexes


@pytest.fixture(scope="module")
def fleet(postgres: PostgresMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    place = postgres.make()
    yield Fleet(tmp_path_factory.mktemp("fleet"), place)
    postgres.drop(place)


@pytest.fixture(scope="module")
def api(fleet: Fleet) -> Iterator[Api]:
    with fleet.api("api") as started:
        yield started


@pytest.fixture(scope="module")
def deployments(api: Api, shared_mongod: Mongod, second_mongod: Mongod) -> tuple[Mongod, Mongod]:
    """Attached as "source" and "target"; the first holds what takes some seconds."""
    for mongod, name in ((shared_mongod, "source"), (second_mongod, "target")):
        drop_user_databases(mongod.client)
        api.own("POST", "/instances", {"name": name, "uri": mongod.uri})
    _fill(shared_mongod.client)
    return shared_mongod, second_mongod


@pytest.fixture(scope="module")
def taken(fleet: Fleet, api: Api, deployments: tuple[Mongod, Mongod]) -> str:
    """A snapshot of the source."""
    del deployments
    with fleet.worker("first"):
        return api.snapshot("source")


@pytest.fixture(scope="module")
def expected(taken: str, deployments: tuple[Mongod, Mongod]) -> Hashes:
    """What is in the source when the snapshot has been taken."""
    del taken
    return hashes(deployments[0].client)


@pytest.fixture
def target(deployments: tuple[Mongod, Mongod]) -> Client:
    client = deployments[1].client
    drop_user_databases(client)
    client.own.data.insert_one({"_id": "mine"})
    return client


def test_what_one_api_is_asked_for_every_other_shows(
    fleet: Fleet, api: Api, taken: str, target: Client, expected: Hashes
) -> None:
    """And any worker does it."""
    with fleet.api("other api") as other, fleet.worker("first"), fleet.worker("second"):
        job = other.restore("source", taken, target="target")
        assert api.job("source", job["id"]) == other.job("source", job["id"]) == job
        assert api.http.auth is not None
        other.http.auth = api.http.auth  # with a nonce of the first
        assert other.v1("GET", "/serverless")["totalCount"] == 2

    assert hashes(target) == expected


def test_a_killed_workers_restore_is_finished_by_another(
    fleet: Fleet, api: Api, taken: str, target: Client, expected: Hashes
) -> None:
    with fleet.worker("first") as first:
        job_id = _restore_begun(api, taken)
        first.kill()
        with fleet.worker("second"):
            job = api.ended_job("source", job_id)

    assert not job["failed"]
    assert hashes(target) == expected


def test_a_frozen_workers_restore_is_finished_by_another_and_the_ghost_ends(
    fleet: Fleet, api: Api, taken: str, target: Client, expected: Hashes
) -> None:
    with fleet.worker("first") as first:
        job_id = _restore_begun(api, taken)
        first.signal(signal.SIGSTOP)
        with fleet.worker("second"):
            job = api.ended_job("source", job_id)
            first.signal(signal.SIGCONT)
            code = first.ended()
            after = api.job("source", job_id)

    assert code == 75
    assert "worker_replaced" in first.log
    assert not job["failed"]
    assert after == job
    assert hashes(target) == expected


def test_a_frozen_workers_snapshot_is_taken_by_another_and_keeps_prunes_away(
    fleet: Fleet, api: Api, expected: Hashes, deployments: tuple[Mongod, Mongod]
) -> None:
    """It may still count on chunks, for all that anybody knows."""
    assert expected  # no other test looks at the source after this
    deployments[0].client.shop.orders.update_many({}, {"$inc": {"a": 1}})
    with fleet.worker("first") as first:
        snapshot_id = api.take_snapshot("source")
        wait_for(
            lambda: api.own("GET", f"/instances/source/snapshots/{snapshot_id}")["status"],
            lambda status: status != "queued",
        )
        first.signal(signal.SIGSTOP)
        frozen = api.own("GET", f"/instances/source/snapshots/{snapshot_id}")["status"]
        pruned = fleet.command("repository", "prune")
        with fleet.worker("second"):
            ended = api.ended_snapshot("source", snapshot_id)
            first.signal(signal.SIGCONT)
            code = first.ended()
            after = api.ended_snapshot("source", snapshot_id)

    assert frozen == "inProgress"
    assert (pruned.returncode, code) == (75, 75)
    assert "in use by a snapshot" in pruned.stderr
    assert (ended["status"], ended["documents"]) == ("completed", DOCUMENTS)
    assert after == ended
    assert fleet.command("repository", "check", "--read-data").returncode == 0
    assert fleet.command("repository", "prune").returncode == 0


def test_a_worker_that_is_told_to_stop_hands_its_job_over_at_once(
    fleet: Fleet, api: Api, taken: str, target: Client, expected: Hashes
) -> None:
    """That is no attempt. A lease that is an hour long shows that nobody waits for its end."""
    long = {"TELAMON_LEASE_SECONDS": "3600"}
    with fleet.worker("first", **long) as first:
        job_id = _restore_begun(api, taken)
        first.signal(signal.SIGTERM)
        assert first.ended() == 0
        left = api.job("source", job_id)
        with fleet.worker("second", **long):
            job = api.ended_job("source", job_id)

    assert "finishedAt" not in left
    assert not job["failed"]
    assert fleet.attempts(job_id) == 1
    assert hashes(target) == expected


def test_a_managed_instance_stays_on_its_machine(
    fleet: Fleet, api: Api, taken: str, mongod_program: Path
) -> None:
    refused = api.http.post(
        f"/api/atlas/v1.0/groups/{api.group_id}/serverless",
        json={
            "name": "early",
            "providerSettings": {"backingProviderName": "AWS", "regionName": "US_EAST_1"},
        },
    )
    program = {"TELAMON_MONGOD": str(mongod_program)}
    with fleet.worker("first", **program) as first:
        api.create("home")
        first.kill()
    with fleet.worker("second", **program):
        there = api.take_snapshot("home")
        elsewhere = api.snapshot("source")  # asked for later, taken by the other machine
        waiting = api.own("GET", f"/instances/home/snapshots/{there}")["status"]
        with fleet.worker("first", **program):
            ended = api.ended_snapshot("home", there)

    assert "no worker that runs has a mongod" in refused.text
    assert (waiting, ended["status"]) == ("queued", "completed")
    assert elsewhere != taken


def _restore_begun(api: Api, snapshot_id: str) -> str:
    """The id of a restore job that is well under way; it must not be over by then."""
    job_id = api.start_restore("source", snapshot_id, target="target")
    found = wait_for(
        lambda: api.job_details("source", job_id),
        lambda it: it["documentsRestored"] > 0 or "finishedAt" in it,
    )
    assert found["stage"] == "loading"
    return job_id


def _fill(client: Client) -> None:
    text = "x" * 120
    for start in range(0, DOCUMENTS, 10_000):
        client.shop.orders.insert_many(
            [{"_id": start + n, "a": n, "b": -n, "text": text} for n in range(10_000)]
        )
    client.shop.orders.create_index("a")
    client.shop.orders.create_index([("b", 1), ("a", -1)])


def test_a_drill_is_done_by_a_worker_with_a_mongod_and_signed_for_all(
    fleet: Fleet, api: Api, taken: str
) -> None:
    with fleet.worker("first"), fleet.api("third api") as other:
        drill = other.own("POST", "/instances/source/drills")
        path = f"/instances/source/drills/{drill['id']}"
        ended = wait_for(lambda: api.own("GET", path), lambda it: "finishedAt" in it)
        assert ended["state"] == "passed", ended
        signed = json.dumps(api.own("GET", f"{path}/report")).encode()
        key = other.http.get("/api/telamon/v1/drillKey").json()

    fields = check(signed, DrillPublicKey.of_pem(key["pem"].encode())).fields
    assert fields["drillId"] == drill["id"]
    assert list((fleet.folder / "first" / "drills").iterdir()) == []
