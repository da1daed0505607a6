"""Pages of restore jobs: parameters, their defaults and limits, and links."""

import contextlib
import ipaddress
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from telamon.api.asgi import Options
from telamon.model.access import NewApiKey
from telamon.state.database import Database
from tests.api.routes.backups import add_finished_jobs
from tests.api.routes.world import GROUP, World

HOST = "http://telamon.test"
Crowd = tuple[World, NewApiKey]


def page_of(prefix: str, query: str = "") -> str:
    return f"{prefix}/groups/{GROUP}/serverless/orders/backup/restoreJobs{query}"


def hrefs(answer: httpx.Response, prefix: str) -> dict[str, str]:
    """Relation to query, in the order of the body."""
    start = f"{HOST}{page_of(prefix)}"
    return {link["rel"]: link["href"].removeprefix(start) for link in answer.json()["links"]}


def numbers(body: dict[str, Any]) -> list[int]:
    """Which jobs are on a page, the first made being 1."""
    return [int(job["id"][4:], 16) for job in body["results"]]


def crowd(migrated_file: Path, folder: Path, count: int) -> Iterator[Crowd]:
    """An instance with ``count`` finished jobs. Only for reading, so one for the whole module."""
    path = Path(shutil.copy(migrated_file, folder))
    with contextlib.closing(World(Database.sqlite(path), path)) as world:
        key = world.add_key(world.add_organization())
        add_finished_jobs(world, world.add_instance(), count)
        yield world, key


@pytest.fixture(scope="module")
def five(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    yield from crowd(migrated_file, tmp_path_factory.mktemp("five"), 5)


@pytest.fixture(scope="module")
def many(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    """One job more than fit on the largest page."""
    yield from crowd(migrated_file, tmp_path_factory.mktemp("many"), 501)


@pytest.fixture
def client(five: Crowd) -> httpx.AsyncClient:
    """The owner of five jobs."""
    world, key = five
    return world.client(key)


@pytest.mark.parametrize(
    ("query", "count", "first"),
    [
        ("", 100, 501),
        ("?pageNum=1&itemsPerPage=500", 500, 501),
        ("?pageNum=2&itemsPerPage=500", 1, 1),
        ("?pageNum=2", 100, 401),
        ("?pageNum=6", 1, 1),
        ("?itemsPerPage=501", 500, 501),
        ("?itemsPerPage=1000000", 500, 501),
        ("?pageNum=0&itemsPerPage=0", 100, 501),
        ("?pageNum=&itemsPerPage=", 100, 501),
        ("?pageNum=501&itemsPerPage=1", 1, 1),
    ],
)
async def test_a_page_holds_these_of_501_jobs(
    many: Crowd, atlas: str, query: str, count: int, first: int
) -> None:
    world, key = many

    body = (await world.client(key).get(page_of(atlas, query))).json()

    found = numbers(body)
    assert (len(found), found[0], body["totalCount"]) == (count, first, 501)


async def test_the_pages_together_hold_every_job_once_newest_first(many: Crowd, atlas: str) -> None:
    world, key = many
    client = world.client(key)

    pages = [(await client.get(page_of(atlas, f"?pageNum={n}"))).json() for n in range(1, 8)]

    assert [each for page in pages for each in numbers(page)] == list(range(501, 0, -1))


@pytest.mark.parametrize("page_num", [2, 100_000, 18446744073709551])
async def test_a_page_past_the_end_is_empty_and_counts_the_same(
    client: httpx.AsyncClient, atlas: str, page_num: int
) -> None:
    answer = await client.get(page_of(atlas, f"?pageNum={page_num}"))

    body = answer.json()
    assert (answer.status_code, body["results"], body["totalCount"]) == (200, [], 5)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("pageNum", "-1"),
        ("pageNum", "one"),
        ("pageNum", "1.0"),
        ("pageNum", "1e3"),
        ("pageNum", "0x1"),
        ("pageNum", "%201"),
        ("pageNum", "+1"),
        ("pageNum", "%2B1"),
        ("pageNum", "%D9%A1"),  # a digit, but not an ASCII one
        ("pageNum", "9999999999999999999"),
        ("pageNum", "99999999999999999999"),
        ("itemsPerPage", "-1"),
        ("itemsPerPage", "-500"),
        ("itemsPerPage", "all"),
        ("itemsPerPage", "1,2"),
        ("includeCount", "yes"),
        ("includeCount", "1"),
        ("includeCount", "0"),
        ("includeCount", "%20true"),
        ("pretty", "yes"),
        ("pretty", "1"),
        ("envelope", "on"),
        ("envelope", "truee"),
    ],
)
async def test_a_bad_value_of_a_parameter_is_refused_by_the_parameters_name(
    client: httpx.AsyncClient, atlas: str, parameter: str, value: str
) -> None:
    answer = await client.get(page_of(atlas, f"?{parameter}={value}"))

    assert (answer.status_code, answer.json()) == (
        400,
        {
            "detail": f"Invalid query parameter {parameter} specified.",
            "error": 400,
            "errorCode": "INVALID_QUERY_PARAMETER",
            "parameters": [parameter],
            "reason": "Bad Request",
        },
    )


@pytest.mark.parametrize("value", ["true", "TRUE", "True", "tRuE", ""])
async def test_the_count_is_there_by_default_and_for_true_in_any_case(
    client: httpx.AsyncClient, atlas: str, value: str
) -> None:
    body = (await client.get(page_of(atlas, f"?includeCount={value}"))).json()

    assert body["totalCount"] == 5


@pytest.mark.parametrize("value", ["false", "FALSE", "False"])
async def test_the_count_is_left_out_for_false_in_any_case(
    client: httpx.AsyncClient, atlas: str, value: str
) -> None:
    body = (await client.get(page_of(atlas, f"?includeCount={value}"))).json()

    assert list(body) == ["links", "results"]


async def test_the_next_page_is_linked_without_a_count_too(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas, "?includeCount=false&itemsPerPage=2"))

    assert list(hrefs(answer, atlas)) == ["self", "next"]


async def test_an_unknown_parameter_is_passed_over(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(page_of(atlas, "?colour=blue"))

    assert answer.status_code == 200


# Links


async def test_the_first_page_links_to_itself_and_the_next(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas, "?itemsPerPage=2"))

    assert list(hrefs(answer, atlas).items()) == [
        ("self", "?pageNum=1&itemsPerPage=2"),
        ("next", "?itemsPerPage=2&pageNum=2"),
    ]


async def test_a_page_in_the_middle_links_to_both_neighbours(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas, "?itemsPerPage=2&pageNum=2"))

    assert list(hrefs(answer, atlas).items()) == [
        ("previous", "?itemsPerPage=2&pageNum=1"),
        ("self", "?pageNum=2&itemsPerPage=2"),
        ("next", "?itemsPerPage=2&pageNum=3"),
    ]


async def test_the_last_page_links_to_the_previous_and_itself(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas, "?itemsPerPage=2&pageNum=3"))

    assert list(hrefs(answer, atlas).items()) == [
        ("previous", "?itemsPerPage=2&pageNum=2"),
        ("self", "?pageNum=3&itemsPerPage=2"),
    ]


async def test_links_keep_the_callers_other_parameters_in_their_order(
    client: httpx.AsyncClient, atlas: str
) -> None:
    query = "?pretty=true&itemsPerPage=2&zeta=1&pageNum=2&includeCount=true&alpha="
    answer = await client.get(page_of(atlas, query))

    kept = "?pretty=true&zeta=1&includeCount=true&alpha="
    assert list(hrefs(answer, atlas).values()) == [
        f"{kept}&itemsPerPage=2&pageNum=1",
        f"{kept}&pageNum=2&itemsPerPage=2",
        f"{kept}&itemsPerPage=2&pageNum=3",
    ]


async def test_a_limited_page_size_is_linked_as_served(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas, "?itemsPerPage=9999"))

    assert hrefs(answer, atlas) == {"self": "?pageNum=1&itemsPerPage=500"}


async def test_the_next_link_leads_to_the_next_page(client: httpx.AsyncClient, atlas: str) -> None:
    first = await client.get(page_of(atlas, "?itemsPerPage=4"))
    second = await client.get(first.json()["links"][1]["href"])

    assert numbers(second.json()) == [1]


async def test_links_begin_with_the_host_that_the_client_named(
    client: httpx.AsyncClient, atlas: str
) -> None:
    answer = await client.get(page_of(atlas), headers={"Host": "backup.example:8080"})

    assert answer.json()["links"] == [
        {
            "href": f"http://backup.example:8080{page_of(atlas)}?pageNum=1&itemsPerPage=100",
            "rel": "self",
        }
    ]


async def test_links_begin_with_the_public_url_if_there_is_one(five: Crowd, atlas: str) -> None:
    world, key = five
    client = world.with_options(key, Options(public_url="https://telamon.example"))

    answer = await client.get(page_of(atlas), headers={"Host": "10.0.0.7:8080"})

    assert answer.json()["links"] == [
        {
            "href": f"https://telamon.example{page_of(atlas)}?pageNum=1&itemsPerPage=100",
            "rel": "self",
        }
    ]


@pytest.mark.parametrize(
    ("trusted", "told", "scheme"),
    [
        ("127.0.0.1/32", "https", "https"),
        ("127.0.0.1/32", "HTTPS", "https"),
        ("127.0.0.1/32", "http", "http"),
        ("127.0.0.1/32", "javascript", "http"),
        ("127.0.0.1/32", "", "http"),
        ("10.0.0.0/8", "https", "http"),
    ],
)
async def test_a_trusted_proxy_is_believed_about_the_scheme_of_links(
    five: Crowd, atlas: str, trusted: str, told: str, scheme: str
) -> None:
    world, key = five
    client = world.with_options(key, Options(trusted_proxies=(ipaddress.ip_network(trusted),)))

    answer = await client.get(page_of(atlas), headers={"X-Forwarded-Proto": told})

    (link,) = answer.json()["links"]
    assert link["href"].startswith(f"{scheme}://telamon.test/")


async def test_a_trailing_slash_is_not_in_the_links(client: httpx.AsyncClient, atlas: str) -> None:
    answer = await client.get(f"{page_of(atlas)}/")

    assert hrefs(answer, atlas) == {"self": "?pageNum=1&itemsPerPage=100"}
