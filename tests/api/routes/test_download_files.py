"""Fetching a download: by its link alone, whole or in parts, until it is over."""

import gzip
import io
import itertools
from datetime import timedelta
from ipaddress import ip_network
from urllib.parse import urlsplit

import httpx
import pytest

from telamon.api.asgi import Options
from telamon.model.instance import Instance
from telamon.state import downloads as rows
from tests.api.routes.downloads import (
    CONTENTS,
    DOWNLOAD_ID,
    FILE_NAME,
    Link,
    add_download,
    link_to,
    prepare,
    store_snapshot,
)
from tests.api.routes.world import SNAPSHOT_ID, World
from tests.mongo.archive_reader import read_archive

MEGABYTE = 1_000_000


@pytest.fixture
def link(world: World, orders: Instance) -> Link:
    """To a download that is ready."""
    store_snapshot(world, orders)
    add_download(world, orders)
    prepare(world)
    return link_to(world)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errorCode"]


async def test_the_file_has_every_document(link: Link) -> None:
    answer = await link.get()

    archive = read_archive(io.BytesIO(gzip.decompress(answer.content)))
    assert answer.status_code == 200
    assert {one.name: one.documents for one in archive.collections.values()} == {
        name: b"".join(documents) for name, documents in CONTENTS.items()
    }


async def test_the_answer_tells_what_clients_go_by(link: Link) -> None:
    answer = await link.get()

    etag = answer.headers.pop("ETag")
    assert (etag[0], etag[-1], len(etag)) == ('"', '"', 34)
    assert dict(answer.headers) == {
        "content-type": "application/gzip",
        "content-disposition": f'attachment; filename="{FILE_NAME}"',
        "accept-ranges": "bytes",
        "cache-control": "private, no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "content-length": str(len(answer.content)),
    }


async def test_head_tells_the_same_and_sends_nothing(link: Link) -> None:
    whole = await link.get()

    answer = await link.client().head(link.url, headers={"Range": "bytes=0-1"})

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers == whole.headers


async def test_ranges_put_together_are_the_whole(link: Link) -> None:
    whole = (await link.get()).content
    bounds = [0, 1, 9, 1000, MEGABYTE, MEGABYTE + 1, 2 * MEGABYTE, len(whole)]

    parts = []
    for start, end in itertools.pairwise(bounds):
        answer = await link.get(Range=f"bytes={start}-{end - 1}")
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(whole)}"
        assert answer.headers["Content-Length"] == str(end - start)
        parts.append(answer.content)

    assert b"".join(parts) == whole


async def test_another_process_makes_the_same_file(world: World, link: Link) -> None:
    here = await link.get()
    there = await Link(world, link.url).get()

    assert (there.content, there.headers["ETag"]) == (here.content, here.headers["ETag"])


async def test_a_transfer_goes_on_where_it_was(link: Link) -> None:
    whole = await link.get()

    answer = await link.get(Range="bytes=1000000-", If_Range=whole.headers["ETag"])

    assert (answer.status_code, answer.content) == (206, whole.content[MEGABYTE:])


async def test_a_transfer_of_another_file_begins_anew(link: Link) -> None:
    answer = await link.get(Range="bytes=1000000-", If_Range='"another"')

    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"]) > MEGABYTE


async def test_a_range_behind_the_end_is_refused_with_the_length(link: Link) -> None:
    size = len((await link.get()).content)

    answer = await link.get(Range=f"bytes={size}-")

    assert code(answer) == (416, "RANGE_NOT_SATISFIABLE")
    assert answer.headers["Content-Range"] == f"bytes */{size}"


async def test_files_of_different_snapshots_have_different_etags(
    world: World, link: Link, orders: Instance
) -> None:
    first = (await link.get()).headers["ETag"]
    again = "65a0000000000000000000d2"
    add_download(world, orders, job_id=again)
    prepare(world, again)
    other = await link_to(world, again).get()
    assert other.headers["ETag"] == first

    world.db.transact(
        lambda tx: tx.exec_driver_sql(
            "UPDATE download SET checksums = zeroblob(24) WHERE restore_job_id = ?", (again,)
        )
    )

    assert (await link_to(world, again).get()).headers["ETag"] != first


# Who may


async def test_any_address_may_and_no_credentials_are_asked_for(link: Link) -> None:
    answer = await link.client(address="2001:db8::1").get(link.url)

    assert answer.status_code == 200
    assert "WWW-Authenticate" not in answer.headers


@pytest.mark.parametrize("authorization", ["Bearer x", "Digest nothing", "Basic eDp5"])
async def test_credentials_are_not_looked_at(link: Link, authorization: str) -> None:
    assert (await link.get(Authorization=authorization)).status_code == 200


async def test_behind_a_trusted_proxy_it_is_the_same(world: World, link: Link) -> None:
    app = world.app(Options(trusted_proxies=(ip_network("127.0.0.1"),)))

    answer = await world.client(app=app).get(link.url, headers={"X-Forwarded-For": "192.0.2.7"})

    assert answer.status_code == 200


def token_of(link: Link) -> str:
    return urlsplit(link.url).path.split("/")[-2]


async def test_a_token_of_which_a_character_was_changed_is_no_token(link: Link) -> None:
    token = token_of(link)
    client = link.client()
    assert len(token) == 64

    for position in range(len(token)):
        other = "A" if token[position] != "A" else "B"
        changed = token[:position] + other + token[position + 1 :]
        answer = await client.head(link.url.replace(token, changed))
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "token", ["x", "A" * 64, "A" * 20, "=" * 64, "é" * 64, "%00", "A" * 5000, "*" * 64]
)
async def test_what_is_no_token_is_not_found(link: Link, token: str) -> None:
    answer = await link.client().get(link.url.replace(token_of(link), token))

    assert answer.status_code == 404


async def test_what_is_cut_or_continued_is_no_token(link: Link) -> None:
    token = token_of(link)

    for changed in (token[:-1], token[:-4], token + "A", token + "AAAA", token[4:]):
        answer = await link.client().get(link.url.replace(token, changed))
        assert code(answer) == (404, "DOWNLOAD_NOT_FOUND")


async def test_a_refusal_does_not_repeat_the_token(link: Link) -> None:
    token = token_of(link)[:-4] + "AAAA"

    answer = await link.client().get(link.url.replace(token_of(link), token))

    assert token not in answer.text
    assert "WWW-Authenticate" not in answer.headers


async def test_the_name_in_the_link_does_not_matter(link: Link) -> None:
    answer = await link.client().head(link.url.replace(FILE_NAME, "mine.gz"))

    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_a_link_is_for_reading(link: Link, method: str) -> None:
    answer = await link.client().request(method, link.url)

    assert answer.status_code == 405


async def test_below_the_links_nothing_else_is_open(link: Link) -> None:
    """Whatever else has the prefix leads nowhere, without a challenge."""
    for path in ("", "/", "/x", "/../groups"):
        answer = await link.client().get(f"http://telamon.test/api/telamon/v1/downloads{path}")
        assert answer.status_code in (401, 404)
        assert b"gzip" not in answer.content


# Its end


async def test_it_can_be_fetched_until_the_last_second(world: World, link: Link) -> None:
    world.clock.advance(hours=4, seconds=-1)

    assert (await link.get()).status_code == 200


async def test_after_four_hours_it_is_gone(world: World, link: Link) -> None:
    world.clock.advance(hours=4)

    assert code(await link.get()) == (410, "DOWNLOAD_EXPIRED")


async def test_an_expired_link_does_not_live_again_with_its_job(world: World, link: Link) -> None:
    """The time is in the token, whatever becomes of the row."""
    later = int((world.clock() + timedelta(days=30)).timestamp())
    world.db.transact(
        lambda tx: tx.exec_driver_sql("UPDATE restore_job SET expires_at = ?", (later,))
    )
    world.clock.advance(hours=4)

    assert code(await link.get()) == (410, "DOWNLOAD_EXPIRED")


async def test_one_that_was_cancelled_is_gone(world: World, link: Link) -> None:
    world.db.transact(lambda tx: rows.cancel(tx, DOWNLOAD_ID, failure="", at=world.clock()))

    assert code(await link.get()) == (410, "DOWNLOAD_EXPIRED")


async def test_one_whose_job_is_forgotten_is_gone(world: World, link: Link) -> None:
    world.db.transact(lambda tx: tx.exec_driver_sql("DELETE FROM restore_job"))

    assert code(await link.get()) == (410, "DOWNLOAD_EXPIRED")


async def test_one_whose_snapshot_was_deleted_is_gone(world: World, link: Link) -> None:
    assert (await link.get()).status_code == 200
    world.repository.delete_snapshot(SNAPSHOT_ID)

    assert code(await link.get()) == (410, "DOWNLOAD_EXPIRED")
