"""Databases and collections of a snapshot."""

from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from telamon.model.instance import Instance
from telamon.model.snapshot import SnapshotStatus
from telamon.state import snapshot_collections
from telamon.state import snapshots as rows
from tests.api.routes.backups import ODD, add_contents, add_snapshot, manifest_of
from tests.api.routes.kinds import CONTENTS_TYPE, DEDICATED, add_dedicated
from tests.api.routes.world import GROUP, MISSING_ID, SNAPSHOT_ID, V1, V2, World

CLUSTER = f"{V2}/groups/{GROUP}/clusters/{DEDICATED}"
DATABASES = f"{CLUSTER}/backup/snapshots/{SNAPSHOT_ID}/databases"


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
def contents(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The owner, asking for the version that has contents."""
    client.headers["Accept"] = CONTENTS_TYPE
    return client


@pytest.mark.usefixtures("fixed")
async def test_the_databases_are_these_to_the_byte(contents: httpx.AsyncClient) -> None:
    answer = await contents.get(DATABASES)

    here = f"http://telamon.test{DATABASES}"
    assert (answer.status_code, answer.text) == (
        200,
        f'{{"links":[{{"href":"{here}?pageNum=1&itemsPerPage=100","rel":"self"}}],"results":'
        f'[{{"links":[{{"href":"{here}/metrics","rel":"self"}}],"name":"metrics"}},'
        f'{{"links":[{{"href":"{here}/shop","rel":"self"}}],"name":"shop"}}],"totalCount":2}}',
    )


@pytest.mark.usefixtures("fixed")
async def test_databases_come_in_pages(contents: httpx.AsyncClient) -> None:
    page = (await contents.get(f"{DATABASES}?itemsPerPage=1&pageNum=2")).json()

    assert ([each["name"] for each in page["results"]], page["totalCount"]) == (["shop"], 2)


@pytest.mark.usefixtures("fixed")
async def test_a_database_is_shown_alone_as_in_the_list(contents: httpx.AsyncClient) -> None:
    listed = (await contents.get(DATABASES)).json()["results"]

    assert (await contents.get(f"{DATABASES}/shop")).json() == listed[1]


@pytest.mark.usefixtures("fixed")
async def test_collections_are_listed_by_name_views_and_time_series_too(
    contents: httpx.AsyncClient,
) -> None:
    shop = (await contents.get(f"{DATABASES}/shop/collections")).json()
    metrics = (await contents.get(f"{DATABASES}/metrics/collections")).json()

    assert [each["name"] for each in shop["results"]] == [ODD, "expensive", "orders"]
    assert [each["name"] for each in metrics["results"]] == ["cpu"]
    assert (shop["totalCount"], metrics["totalCount"]) == (3, 1)


@pytest.mark.usefixtures("fixed")
async def test_the_link_of_a_collection_leads_to_it_whatever_it_is_called(
    contents: httpx.AsyncClient,
) -> None:
    odd = (await contents.get(f"{DATABASES}/shop/collections")).json()["results"][0]

    href = odd["links"][0]["href"]
    read = await contents.get(href)

    assert href == f"http://telamon.test{DATABASES}/shop/collections/{quote(ODD, safe='')}"
    assert (read.status_code, read.json()) == (200, odd)


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("/nobody", "database nobody"),
        ("/nobody/collections", "database nobody"),
        ("/nobody/collections/orders", "database nobody"),
        ("/shop/collections/nobody", "collection shop.nobody"),
        ("/metrics/collections/orders", "collection metrics.orders"),
    ],
)
@pytest.mark.usefixtures("fixed")
async def test_what_the_snapshot_lacks_is_404(
    contents: httpx.AsyncClient, path: str, what: str
) -> None:
    answer = await contents.get(f"{DATABASES}{path}")

    assert told(answer) == (404, "SNAPSHOT_NAMESPACE_NOT_FOUND", [what, SNAPSHOT_ID])


@pytest.mark.usefixtures("fixed")
async def test_an_unknown_snapshot_is_404(contents: httpx.AsyncClient) -> None:
    answer = await contents.get(f"{CLUSTER}/backup/snapshots/{MISSING_ID}/databases")

    assert told(answer) == (404, "SNAPSHOT_NOT_FOUND", [MISSING_ID, DEDICATED])


async def test_a_snapshot_that_is_being_taken_has_no_databases_yet(
    world: World, contents: httpx.AsyncClient
) -> None:
    add_snapshot(world, add_dedicated(world), SnapshotStatus.IN_PROGRESS)

    listed = (await contents.get(DATABASES)).json()

    assert (listed["results"], listed["totalCount"]) == ([], 0)


@pytest.mark.usefixtures("fixed")
async def test_a_snapshot_from_before_contents_were_kept_says_so(
    world: World, contents: httpx.AsyncClient
) -> None:
    def forget(tx: sa.Connection) -> None:
        tx.execute(sa.text("DELETE FROM snapshot_collection"))
        tx.execute(sa.text("UPDATE snapshot SET collections = NULL"))

    world.db.transact(forget)

    answer = await contents.get(DATABASES)

    assert told(answer) == (
        403,
        "FEATURE_UNSUPPORTED",
        [
            f"the collections of snapshot {SNAPSHOT_ID} are not in the catalogue "
            "(telamon repository rescan puts them there)"
        ],
    )


@pytest.mark.usefixtures("fixed")
async def test_counts_and_bytes_are_kept_for_restores_of_a_part(world: World) -> None:
    page = world.db.look(
        lambda tx: snapshot_collections.page(tx, SNAPSHOT_ID, "shop", limit=9, offset=0)
    )

    assert [(each.namespace.name, each.documents, each.size_bytes) for each in page.items] == [
        (ODD, 3, 300),
        ("expensive", 0, 0),
        ("orders", 3, 300),
    ]


@pytest.mark.usefixtures("fixed")
async def test_they_are_kept_once(world: World) -> None:
    def again(tx: sa.Connection) -> None:
        manifest = manifest_of(rows.by_id(tx, SNAPSHOT_ID))
        snapshot_collections.insert(tx, manifest)

    world.db.transact(again)

    page = world.db.look(
        lambda tx: snapshot_collections.databases(tx, SNAPSHOT_ID, limit=9, offset=0)
    )
    assert page.items == ("metrics", "shop")


# Versions


@pytest.mark.usefixtures("fixed")
async def test_an_older_version_has_no_contents(client: httpx.AsyncClient) -> None:
    answer = await client.get(DATABASES)  # asks for 2023-01-01

    assert told(answer)[:2] == (406, "INVALID_VERSION_DATE")


@pytest.mark.usefixtures("fixed")
async def test_v1_has_no_contents(client: httpx.AsyncClient) -> None:
    answer = await client.get(DATABASES.replace(V2, V1))

    assert told(answer)[:2] == (404, "RESOURCE_NOT_FOUND")
