"""Restore jobs on Telamon's own paths."""

from dataclasses import replace
from functools import partial

import httpx
import pytest

from telamon.model.instance import Instance
from telamon.model.manifest import CollectionKind, Namespace
from telamon.model.restore_evidence import NamespaceEvidence, SkippedIndex
from telamon.model.restore_job import RestoreStage
from telamon.model.restore_options import USUAL, IndexFailures, RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection
from telamon.state import restore_evidence, restore_jobs
from tests.api.routes.backups import add_restore_job, add_snapshot
from tests.api.routes.world import GROUP, MISSING_ID, OWN, SNAPSHOT_ID, V1, World

JOBS = f"{OWN}/groups/{GROUP}/instances/orders/restoreJobs"


@pytest.fixture(autouse=True)
def _source(world: World, orders: Instance) -> None:
    """An instance with a completed snapshot."""
    add_snapshot(world, orders)


def options_of(world: World, answer: httpx.Response) -> RestoreOptions:
    return world.db.look(lambda tx: restore_jobs.by_id(tx, answer.json()["id"])).options


async def test_a_snapshot_alone_is_restored_into_its_own_instance(
    world: World, client: httpx.AsyncClient
) -> None:
    answer = await client.post(JOBS, json={"snapshotId": SNAPSHOT_ID})

    body = answer.json()
    assert (answer.status_code, body["stage"]) == (201, "queued")
    assert (body["targetClusterName"], body["targetGroupId"]) == ("orders", GROUP)
    assert (await client.get(f"{JOBS}/{body['id']}")).json() == body
    assert options_of(world, answer) == USUAL


async def test_options_are_kept(world: World, client: httpx.AsyncClient) -> None:
    answer = await client.post(JOBS, json={"snapshotId": SNAPSHOT_ID, "indexFailures": "skip"})

    assert options_of(world, answer) == RestoreOptions(index_failures=IndexFailures.SKIP)


async def test_a_part_is_asked_for_and_shown(world: World, client: httpx.AsyncClient) -> None:
    selection = {
        "collectionSuffix": "_c",
        "databaseSuffix": "_d",
        "existing": "replace",
        "indexes": "allExceptTtl",
        "namespaces": ["shop.orders"],
        "query": '{"tenant": 42}',
        "renames": [{"sourceNamespace": "shop.orders", "targetNamespace": "shop.old"}],
    }

    answer = await client.post(JOBS, json={"snapshotId": SNAPSHOT_ID, "selection": selection})

    assert answer.json()["selection"] == {**selection, "moved": []}
    assert options_of(world, answer).selection == Selection(
        namespaces=("shop.orders",),
        renames=(("shop.orders", "shop.old"),),
        database_suffix="_d",
        collection_suffix="_c",
        indexes=IndexStrategy.ALL_EXCEPT_TTL,
        existing=Existing.REPLACE,
        query='{"tenant": 42}',
    )


async def test_a_part_is_all_that_counts_and_nothing_is_replaced_unasked(
    world: World, client: httpx.AsyncClient
) -> None:
    selection = {"namespaces": ["shop"]}

    answer = await client.post(JOBS, json={"snapshotId": SNAPSHOT_ID, "selection": selection})

    body = answer.json()
    assert (body["documentsTotal"], body["namespacesTotal"]) == (1_000, 1)
    assert body["selection"]["existing"] == "refuse"


async def test_a_job_for_a_part_is_in_the_list_of_a_kind_that_has_no_other(
    world: World, client: httpx.AsyncClient
) -> None:
    selection = {"namespaces": ["shop"]}
    made = await client.post(JOBS, json={"snapshotId": SNAPSHOT_ID, "selection": selection})

    listed = await client.get(f"{V1}/groups/{GROUP}/serverless/orders/backup/restoreJobs")

    assert [each["id"] for each in listed.json()["results"]] == [made.json()["id"]]


@pytest.mark.parametrize(
    ("selection", "code"),
    [
        ({}, "MISSING_ATTRIBUTE"),
        ({"namespaces": []}, "MISSING_ATTRIBUTE"),
        ({"namespaces": [""]}, "INVALID_ATTRIBUTE"),
        ({"namespaces": "shop"}, "INVALID_ATTRIBUTE"),
        ({"namespaces": ["nobody"]}, "INVALID_RESTORE_SELECTION"),
        ({"namespaces": ["shop"], "query": "{"}, "INVALID_RESTORE_SELECTION"),
        ({"namespaces": ["shop"], "query": ""}, "INVALID_ATTRIBUTE"),
        ({"namespaces": ["shop"], "indexes": "some"}, "INVALID_ENUM_VALUE"),
        ({"namespaces": ["shop"], "renames": [{"sourceNamespace": "shop"}]}, "MISSING_ATTRIBUTE"),
        ({"namespaces": ["shop"], "suffix": "x"}, "INVALID_ATTRIBUTE"),
    ],
)
async def test_a_part_that_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, selection: dict[str, object], code: str
) -> None:
    answer = await client.post(JOBS, json={"snapshotId": SNAPSHOT_ID, "selection": selection})

    assert (answer.status_code, answer.json()["errorCode"]) == (400, code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"snapshotId": None}, "MISSING_ATTRIBUTE"),
        ({"snapshotId": "x"}, "INVALID_ATTRIBUTE"),
        ({"targetGroupId": "x"}, "INVALID_GROUP_ID"),
        ({"targetClusterName": "a b"}, "CLUSTER_NAME_INVALID"),
        ({"indexFailures": "ignore"}, "INVALID_ENUM_VALUE"),
        ({"deliveryType": "automated"}, "INVALID_ATTRIBUTE"),
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused(
    client: httpx.AsyncClient, changes: dict[str, object], code: str
) -> None:
    body = {"snapshotId": SNAPSHOT_ID, **changes}
    answer = await client.post(
        JOBS, json={name: value for name, value in body.items() if value is not None}
    )

    assert answer.json()["errorCode"] == code


async def test_a_snapshot_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post(JOBS, json={"snapshotId": MISSING_ID})

    assert answer.status_code == 404


# Evidence

PROVEN = NamespaceEvidence(
    namespace=Namespace("shop", "orders"),
    kind=CollectionKind.COLLECTION,
    documents=10,
    size_bytes=1000,
    content_hash="ab",
    indexes=2,
    seconds=0.25,
    skipped_indexes=(SkippedIndex(name="a_1", definition="{}", reason="no"),),
)
VIEW = replace(
    PROVEN,
    namespace=Namespace("shop", "view"),
    kind=CollectionKind.VIEW,
    content_hash=None,
    skipped_indexes=(),
)


async def test_namespaces_are_listed_with_their_evidence(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    job_id = add_restore_job(world, orders)
    for found in (VIEW, PROVEN):
        world.db.transact(partial(restore_evidence.put, restore_job_id=job_id, found=found))

    answer = (await client.get(f"{JOBS}/{job_id}/namespaces")).json()
    second = (await client.get(f"{JOBS}/{job_id}/namespaces?itemsPerPage=1&pageNum=2")).json()

    assert (answer["totalCount"], answer["results"][1:]) == (2, second["results"])
    assert answer["results"] == [
        {
            "contentHash": "ab",
            "documents": 10,
            "indexes": 2,
            "kind": "collection",
            "namespace": "shop.orders",
            "seconds": 0.25,
            "sizeBytes": 1000,
            "skippedIndexes": [{"definition": "{}", "name": "a_1", "reason": "no"}],
        },
        {
            "documents": 10,
            "indexes": 2,
            "kind": "view",
            "namespace": "shop.view",
            "seconds": 0.25,
            "sizeBytes": 1000,
        },
    ]


async def test_a_job_that_is_not_there_has_no_list(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{JOBS}/{MISSING_ID}/namespaces")

    assert answer.status_code == 404


# Cancelled


async def test_a_serverless_instances_job_is_cancelled_too(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    path = f"{JOBS}/{add_restore_job(world, orders, RestoreStage.QUEUED)}"

    answer = await client.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await client.get(path)).json()["failure"].startswith("It was cancelled before it began")
    assert (await client.delete(path)).json()["errorCode"] == "CANNOT_CANCEL_AUTOMATED_RESTORE"


async def test_what_a_worker_has_begun_is_to_be_ended_by_it(
    world: World, client: httpx.AsyncClient, orders: Instance
) -> None:
    job_id = add_restore_job(world, orders, RestoreStage.LOADING)

    answer = await client.delete(f"{JOBS}/{job_id}")

    assert answer.status_code == 204
    assert world.db.look(lambda tx: restore_jobs.is_cancel_requested(tx, job_id))
