"""Telamon's own paths of prunes and checks."""

import httpx
import pytest

from telamon.model.repository_job import (
    PlannedPack,
    PlannedPrune,
    PruneOutcome,
    RepositoryJob,
    RepositoryJobKind,
    RepositoryReport,
)
from telamon.state import repository_jobs as rows
from tests.api.routes.backups import SIZE_BYTES, add_repository_job
from tests.api.routes.world import NOW, OWN, World

JOBS = f"{OWN}/repository/jobs"
JOB_ID = "65a0000000000000000000e1"


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


async def test_a_prune_is_queued(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.post(JOBS, json={"kind": "prune"})

    made = answer.json()["id"]
    assert (answer.status_code, answer.json()) == (
        201,
        {
            "dryRun": False,
            "id": made,
            "kind": "prune",
            "readDataPercent": 0.0,
            "requestedAt": "2026-03-01T12:00:00Z",
            "status": "queued",
        },
    )
    assert world.queued_jobs() == [(f"prune:{made}", "prune", "ENQUEUED", "telamon", "prune")]


async def test_a_check_is_queued_beside_it(world: World, client: httpx.AsyncClient) -> None:
    await client.post(JOBS, json={"kind": "prune", "dryRun": True})

    answer = await client.post(JOBS, json={"kind": "check", "readDataPercent": 12.5})

    assert (answer.status_code, answer.json()["readDataPercent"]) == (201, 12.5)
    assert sorted(job[1] for job in world.queued_jobs()) == ["check", "prune"]


async def test_of_a_kind_there_is_one_at_a_time(client: httpx.AsyncClient) -> None:
    await client.post(JOBS, json={"kind": "prune", "dryRun": True})

    answer = await client.post(JOBS, json={"kind": "prune"})

    assert told(answer) == (409, "REPOSITORY_JOB_IN_PROGRESS", ["prune"])


@pytest.mark.parametrize(
    ("body", "code", "name"),
    [
        ({}, "MISSING_ATTRIBUTE", "kind"),
        ({"kind": "repair"}, "INVALID_ENUM_VALUE", "repair"),
        ({"kind": "check", "readDataPercent": 101}, "INVALID_ATTRIBUTE", "readDataPercent"),
        ({"kind": "check", "readDataPercent": -1}, "INVALID_ATTRIBUTE", "readDataPercent"),
        ({"kind": "check", "dryRun": True}, "INVALID_ATTRIBUTE", "dryRun"),
        ({"kind": "prune", "readDataPercent": 5}, "INVALID_ATTRIBUTE", "readDataPercent"),
        ({"kind": "prune", "dryRun": "yes"}, "INVALID_ATTRIBUTE", "dryRun"),
        ({"kind": "prune", "colour": 1}, "INVALID_ATTRIBUTE", "colour"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(
    world: World, client: httpx.AsyncClient, body: dict[str, object], code: str, name: str
) -> None:
    answer = await client.post(JOBS, json=body)

    status, found, parameters = told(answer)
    assert (status, found) == (400, code)
    assert name in parameters
    assert world.queued_jobs() == []


async def test_what_a_check_found_is_in_the_answer_about_it(
    world: World, client: httpx.AsyncClient
) -> None:
    add_repository_job(world, job_id=JOB_ID)

    listed = (await client.get(JOBS)).json()
    found = (await client.get(f"{JOBS}/{JOB_ID}")).json()

    (item,) = listed["results"]
    assert (listed["totalCount"], item["status"], item["findingsTotal"]) == (1, "completed", 0)
    assert "check" not in item
    assert found["check"] == {
        "chunks": 3,
        "findings": [],
        "notes": ["packs/x is no part of a repository."],
        "packs": 2,
        "readBytes": SIZE_BYTES,
        "snapshots": 1,
        "unneededChunks": 0,
    }


async def test_the_plan_of_a_prune_has_reasons_and_bytes_while_it_runs(
    world: World, client: httpx.AsyncClient
) -> None:
    pack = PlannedPack(
        key="packs/a", action="delete", reason="nothing in it is needed", size_bytes=9, used_bytes=0
    )
    plan = PlannedPrune(
        packs=(pack,),
        packs_left_off=0,
        kept=4,
        repacked=0,
        deleted=1,
        freed_bytes=9,
        rewritten_bytes=0,
    )
    made = RepositoryJob(id=JOB_ID, kind=RepositoryJobKind.PRUNE, requested_at=NOW)
    report = RepositoryReport(plan=plan)
    world.db.transact(lambda tx: rows.insert(tx, made))
    world.db.transact(lambda tx: rows.start(tx, JOB_ID, at=NOW))
    world.db.transact(lambda tx: rows.tell(tx, JOB_ID, report))

    running = (await client.get(f"{JOBS}/{JOB_ID}")).json()
    done = PruneOutcome(deleted=1, freed_bytes=9, written_bytes=0, kept=())
    ended = RepositoryReport(plan=plan, prune=done)
    world.db.transact(lambda tx: rows.finish(tx, made, ended, at=NOW))
    finished = (await client.get(f"{JOBS}/{JOB_ID}")).json()

    assert running["status"] == "inProgress"
    assert running["plan"] == {
        "deleted": 1,
        "freedBytes": 9,
        "kept": 4,
        "packs": [
            {
                "action": "delete",
                "key": "packs/a",
                "reason": "nothing in it is needed",
                "sizeBytes": 9,
                "usedBytes": 0,
            }
        ],
        "packsLeftOff": 0,
        "repacked": 0,
        "rewrittenBytes": 0,
    }
    assert finished["plan"] == running["plan"]
    assert finished["prune"] == {"deleted": 1, "freedBytes": 9, "kept": [], "writtenBytes": 0}


async def test_a_failure_is_told(world: World, client: httpx.AsyncClient) -> None:
    made = (await client.post(JOBS, json={"kind": "prune"})).json()["id"]
    world.db.transact(lambda tx: rows.fail(tx, made, failure="The store is away.", at=NOW))

    found = (await client.get(f"{JOBS}/{made}")).json()

    assert (found["status"], found["failure"]) == ("failed", "The store is away.")


async def test_one_that_there_is_not_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{JOBS}/nothing")

    assert told(answer) == (404, "REPOSITORY_JOB_NOT_FOUND", ["nothing"])
