"""Restores of single databases and collections of dedicated clusters."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from telamon.model.instance import Instance
from telamon.model.manifest import CollectionKind, Namespace
from telamon.model.restore_evidence import NamespaceEvidence
from telamon.model.restore_job import RestoreJob, RestoreStage
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection
from telamon.state import restore_evidence, restore_jobs
from tests.api.routes.backups import ODD, add_contents, add_restore_job
from tests.api.routes.kinds import CONTENTS_TYPE, DEDICATED, add_dedicated, add_flex
from tests.api.routes.world import GROUP, MISSING_ID, OWN, SNAPSHOT_ID, V2, World

CLUSTER = f"{V2}/groups/{GROUP}/clusters/{DEDICATED}"
JOBS = f"{CLUSTER}/collectionRestoreJobs"
JOB_ID = "65a0000000000000000000c9"
PART = RestoreOptions(selection=Selection(namespaces=("shop",)))


def told(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["errorCode"], body["parameters"]


@pytest.fixture
def fixed(world: World) -> Instance:
    """A dedicated cluster with a snapshot of two databases."""
    cluster = add_dedicated(world)
    add_contents(world, cluster)
    return cluster


@pytest.fixture
def manager(client: httpx.AsyncClient, fixed: Instance) -> httpx.AsyncClient:
    """Asks for the version that has restores of collections."""
    client.headers["Accept"] = CONTENTS_TYPE
    return client


def wanted(**changes: object) -> dict[str, object]:
    body: dict[str, object] = {
        "databases": [{"sourceNamespace": "metrics"}],
        "collections": [{"sourceNamespace": "shop.orders", "targetNamespace": "shop.old"}],
        "indexStrategy": "ALL",
        "snapshotId": SNAPSHOT_ID,
        "targetClusterName": DEDICATED,
        "targetGroupId": GROUP,
        "writeStrategy": "CREATE_NEW",
        **changes,
    }
    return {name: value for name, value in body.items() if value is not ...}


def job_of(world: World, answer: httpx.Response) -> RestoreJob:
    assert answer.status_code == 200, answer.text
    return world.db.look(lambda tx: restore_jobs.by_id(tx, answer.json()["id"]))


async def test_a_job_is_asked_for_and_shown(world: World, manager: httpx.AsyncClient) -> None:
    made = await manager.post(JOBS, json=wanted())

    job_id = job_of(world, made).id
    assert made.text == (
        '{"collections":[{"sourceNamespace":"shop.orders","targetNamespace":"shop.old"}],'
        '"createdAt":"2026-03-01T12:00:00Z","databases":[{"sourceNamespace":"metrics"}],'
        f'"id":"{job_id}","indexStrategy":"ALL","restoredDocuments":0,'
        f'"snapshotId":"{SNAPSHOT_ID}","state":"INITIALIZING","targetClusterName":"{DEDICATED}",'
        f'"targetGroupId":"{GROUP}","totalDocuments":8,"writeStrategy":"CREATE_NEW"}}'
    )
    assert (await manager.get(f"{JOBS}/{job_id}")).json() == made.json()
    assert (await manager.get(JOBS)).json()["results"] == [made.json()]


async def test_what_is_asked_for_is_what_is_restored(
    world: World, manager: httpx.AsyncClient
) -> None:
    made = await manager.post(
        JOBS,
        json=wanted(
            databaseSuffix="_d",
            collectionSuffix="_c",
            indexStrategy="ALL_EXCEPT_TTL",
            writeStrategy="OVERWRITE_EXISTING",
        ),
    )

    job = job_of(world, made)
    assert job.options.selection == Selection(
        namespaces=("metrics", "shop.orders"),
        renames=(("shop.orders", "shop.old"),),
        database_suffix="_d",
        collection_suffix="_c",
        indexes=IndexStrategy.ALL_EXCEPT_TTL,
        existing=Existing.REPLACE,
    )
    assert (job.documents_total, job.size_bytes_total, job.namespaces_total) == (8, 800, 2)
    assert made.json()["databaseSuffix"] == "_d"
    assert made.json()["writeStrategy"] == "OVERWRITE_EXISTING"


async def test_an_official_client_may_send_whole_objects_and_nulls(
    world: World, manager: httpx.AsyncClient
) -> None:
    body = wanted(id=MISSING_ID, state="x", restoredDocuments=7, oplogTs=None, databases=None)

    job = job_of(world, await manager.post(JOBS, json=body))

    assert job.namespaces_total == 1


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"snapshotId": ...}, (400, "MISSING_ATTRIBUTE", ["snapshotId"])),
        ({"snapshotId": "x"}, (400, "INVALID_ATTRIBUTE", ["snapshotId"])),
        ({"snapshotId": MISSING_ID}, (404, "SNAPSHOT_NOT_FOUND", [MISSING_ID, DEDICATED])),
        ({"indexStrategy": ...}, (400, "MISSING_ATTRIBUTE", ["indexStrategy"])),
        ({"writeStrategy": "APPEND"}, (400, "INVALID_ENUM_VALUE", ["APPEND"])),
        ({"targetGroupId": "x"}, (404, "INVALID_GROUP_ID", ["x"])),
        ({"targetClusterName": "a b"}, (400, "CLUSTER_NAME_INVALID", ["a b"])),
        ({"targetClusterName": "nobody"}, (404, "CLUSTER_NOT_FOUND", ["nobody", GROUP])),
        (
            {"databases": [{"sourceNamespace": "a.b"}]},
            (400, "INVALID_ATTRIBUTE", ["databases.sourceNamespace"]),
        ),
        (
            {"collections": [{"sourceNamespace": "a"}]},
            (400, "INVALID_ATTRIBUTE", ["collections.sourceNamespace"]),
        ),
        (
            {"collections": [{"sourceNamespace": "shop.x"}]},
            (
                400,
                "INVALID_RESTORE_SELECTION",
                ["there is no collection shop.x to restore"],
            ),
        ),
        (
            {"databases": [], "collections": []},
            (400, "INVALID_RESTORE_SELECTION", ["it names no database and no collection"]),
        ),
        (
            {"databases": [{"sourceNamespace": f"d{n}"} for n in range(101)]},
            (400, "INVALID_ATTRIBUTE", ["databases"]),
        ),
        ({"pointInTimeUTCSeconds": 1}, (400, "INVALID_ATTRIBUTE", ["pointInTimeUTCSeconds"])),
        ({"oplogTs": 1_772_366_000}, (400, "INVALID_PIT_RESTORE_TIME", [])),
        ({"query": "{}"}, (400, "INVALID_ATTRIBUTE", ["query"])),
    ],
)
async def test_what_cannot_be_restored_is_refused(
    manager: httpx.AsyncClient,
    changes: dict[str, object],
    expected: tuple[int, str, list[str]],
) -> None:
    assert told(await manager.post(JOBS, json=wanted(**changes))) == expected
    assert (await manager.get(JOBS)).json()["totalCount"] == 0


async def test_two_jobs_at_once_into_one_target_are_refused(manager: httpx.AsyncClient) -> None:
    assert (await manager.post(JOBS, json=wanted())).status_code == 200

    refused = await manager.post(JOBS, json=wanted())

    assert told(refused)[:2] == (409, "ATLAS_CLUSTER_RESTORE_IN_PROGRESS")


async def test_a_snapshot_whose_contents_are_not_known_is_unsupported(
    world: World, manager: httpx.AsyncClient
) -> None:
    def forget(tx: sa.Connection) -> None:
        tx.execute(sa.text("DELETE FROM snapshot_collection"))
        tx.execute(sa.text("UPDATE snapshot SET collections = NULL"))

    world.db.transact(forget)

    assert told(await manager.post(JOBS, json=wanted()))[:2] == (403, "FEATURE_UNSUPPORTED")


# Two lists


async def test_neither_list_has_the_jobs_of_the_other(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    whole = [add_restore_job(world, fixed) for _ in range(3)]
    parts = [add_restore_job(world, fixed, options=PART) for _ in range(5)]

    listed = (await manager.get(f"{JOBS}?itemsPerPage=2&pageNum=2")).json()
    usual = (await manager.get(f"{CLUSTER}/backup/restoreJobs")).json()

    assert ([each["id"] for each in listed["results"]], listed["totalCount"]) == (
        [parts[2], parts[1]],
        5,
    )
    assert ([each["id"] for each in usual["results"]], usual["totalCount"]) == (whole[::-1], 3)


async def test_neither_path_shows_a_job_of_the_other(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    whole, part = add_restore_job(world, fixed), add_restore_job(world, fixed, options=PART)
    restore_jobs_path = f"{CLUSTER}/backup/restoreJobs"

    for path, job_id in ((JOBS, whole), (restore_jobs_path, part)):
        answer = await manager.get(f"{path}/{job_id}")
        assert told(answer) == (404, "RESTORE_JOB_NOT_FOUND", [job_id, DEDICATED])
    cancelled = await manager.delete(f"{restore_jobs_path}/{part}")
    assert told(cancelled)[:2] == (404, "RESTORE_JOB_NOT_FOUND")


async def test_telamons_own_path_shows_both(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    part = add_restore_job(world, fixed, options=PART)

    answer = await manager.get(f"{OWN}/groups/{GROUP}/instances/{DEDICATED}/restoreJobs/{part}")

    assert answer.json()["selection"]["namespaces"] == ["shop"]


async def test_a_flex_cluster_has_none(world: World, manager: httpx.AsyncClient) -> None:
    flex = add_flex(world)

    answer = await manager.get(f"{V2}/groups/{GROUP}/clusters/{flex.name}/collectionRestoreJobs")

    assert told(answer)[1] == "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API"


# States


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (RestoreStage.QUEUED, ("INITIALIZING", 0)),
        (RestoreStage.LOADING, ("IN_PROGRESS", 250)),
        (RestoreStage.SWAPPING, ("FINALIZING", 250)),
        (RestoreStage.FINISHED, ("SUCCESSFUL", 1000)),
        (RestoreStage.FAILED, ("FAILED", 250)),
    ],
)
async def test_the_state_follows_the_job(
    world: World,
    manager: httpx.AsyncClient,
    fixed: Instance,
    stage: RestoreStage,
    expected: tuple[str, int],
) -> None:
    job_id = add_restore_job(world, fixed, stage, options=PART, failure="It could not be.")

    shown = (await manager.get(f"{JOBS}/{job_id}")).json()

    has_failed, has_ended = expected[0] == "FAILED", expected[0] in {"SUCCESSFUL", "FAILED"}
    assert (shown["state"], shown["restoredDocuments"]) == expected
    assert shown.get("errorMessage") == ("It could not be." if has_failed else None)
    assert ("finishedAt" in shown) is has_ended


async def test_a_cancelled_job_says_so(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    job_id = add_restore_job(world, fixed, RestoreStage.QUEUED, options=PART)
    at = world.clock() + timedelta(seconds=1)
    world.db.transact(lambda tx: restore_jobs.cancel(tx, job_id, failure="Cancelled.", at=at))

    assert (await manager.get(f"{JOBS}/{job_id}")).json()["state"] == "CANCELED"


async def test_collections_have_states_once_the_job_has_begun(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    job_id = add_restore_job(world, fixed, RestoreStage.QUEUED, options=PART)
    path = f"{JOBS}/{job_id}/collections"

    assert (await manager.get(path)).json()["results"] == []
    world.db.transact(lambda tx: restore_jobs.start(tx, job_id))
    assert [each["state"] for each in (await manager.get(path)).json()["results"]] == [
        "IN_PROGRESS",
        "IN_PROGRESS",
        "IN_PROGRESS",
    ]


def moved_job(world: World, cluster: Instance) -> str:
    """A finished one, that found a namespace taken and left a document out."""
    assert PART.selection is not None
    options = RestoreOptions(
        selection=replace(PART.selection, collection_suffix="_c", existing=Existing.RENAME),
        moved=((Namespace("shop", "orders"), Namespace("shop", "orders_c_restored")),),
    )
    job_id = add_restore_job(world, cluster, options=options)
    found = NamespaceEvidence(
        namespace=Namespace("shop", "orders_c_restored"),
        kind=CollectionKind.COLLECTION,
        documents=2,
        size_bytes=300,
        content_hash=None,
        indexes=1,
        seconds=1.0,
    )
    world.db.transact(lambda tx: restore_evidence.put(tx, job_id, found))
    return job_id


async def test_a_collection_says_where_it_went(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    path = f"{JOBS}/{moved_job(world, fixed)}/collections"

    alone = await manager.get(f"{path}/shop.orders")
    odd = await manager.get(f"{path}/{quote(f'shop.{ODD}', safe='')}")

    assert alone.text == (
        '{"effectiveTargetNamespace":"shop.orders_c_restored","restoredDocuments":2,'
        '"sourceNamespace":"shop.orders","state":"SUCCESSFUL","targetNamespace":"shop.orders_c",'
        '"totalDocuments":3}'
    )
    assert odd.json()["effectiveTargetNamespace"] == f"shop.{ODD}_c"
    listed = (await manager.get(f"{path}?itemsPerPage=2&pageNum=2")).json()
    assert (listed["results"], listed["totalCount"]) == ([alone.json()], 3)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("sourceNamespace=shop.orders", ["shop.orders"]),
        ("targetNamespace=shop.expensive_c", ["shop.expensive"]),
        ("state=FAILED", []),
        ("state=SUCCESSFUL&sourceNamespace=shop.orders", ["shop.orders"]),
    ],
)
async def test_collections_can_be_looked_for(
    world: World, manager: httpx.AsyncClient, fixed: Instance, query: str, names: list[str]
) -> None:
    answer = await manager.get(f"{JOBS}/{moved_job(world, fixed)}/collections?{query}")

    body = answer.json()
    assert [each["sourceNamespace"] for each in body["results"]] == names
    assert body["totalCount"] == len(names)


async def test_a_collection_that_is_not_restored_is_404(
    world: World, manager: httpx.AsyncClient, fixed: Instance
) -> None:
    path = f"{JOBS}/{moved_job(world, fixed)}/collections"

    answer = await manager.get(f"{path}/metrics.cpu")

    assert told(answer)[:2] == (404, "SNAPSHOT_NAMESPACE_NOT_FOUND")


async def test_an_unknown_cluster_is_404(client: httpx.AsyncClient) -> None:
    client.headers["Accept"] = CONTENTS_TYPE

    answer = await client.post(JOBS, json={})

    assert told(answer) == (404, "CLUSTER_NOT_FOUND", [DEDICATED, GROUP])
