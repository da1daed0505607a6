"""A snapshot downloaded over real HTTP, and restored elsewhere from the file."""

import gzip
import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Mongod, drop_user_databases
from tests.end_to_end.harness import Json, Server, telamon, wait_for
from tests.mongo import zoo
from tests.mongo.archive_reader import read_archive
from tests.mongo.memory import content

pytestmark = pytest.mark.xdist_group("downloads")
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")


def download(server: Server, name: str, snapshot_id: str) -> Json:
    """Ask for one and wait; returns the job that is ready."""
    path = f"/serverless/{name}/backup/restoreJobs"
    job = server.v1("POST", path, {"deliveryType": "download", "snapshotId": snapshot_id})
    assert job["deliveryUrl"] == []
    ready = server.ended_job(name, str(job["id"]))
    assert not ready["failed"], server.job_details(name, job["id"])
    return ready


def url_of(job: Json) -> str:
    (url,) = job["deliveryUrl"]
    return str(url)


@pytest.fixture(scope="module")
def before(shared_mongod: Mongod) -> dict[str, Any]:
    """What the deployment holds: every kind of collection, and megabytes that hardly compress."""
    client = shared_mongod.client
    drop_user_databases(client)
    zoo.fill_kinds(client)
    zoo.fill_timeseries(client)
    client["noise"]["documents"].insert_many(
        [{"_id": number, "noise": os.urandom(100_000)} for number in range(300)]
    )
    return content(client)


@pytest.fixture(scope="module")
def taken(server: Server, shared_mongod: Mongod, before: dict[str, Any]) -> tuple[str, str]:
    """An instance, and a snapshot of it."""
    assert before
    server.own("POST", "/instances", {"name": "zoo", "uri": shared_mongod.uri})
    return "zoo", server.snapshot("zoo")


@needs_curl
def test_a_download_that_was_broken_off_goes_on_and_is_restored(
    server: Server,
    taken: tuple[str, str],
    before: dict[str, Any],
    target: Mongod,
    tmp_path: Path,
) -> None:
    url, path = url_of(download(server, *taken)), tmp_path / "archive.gz"
    curl = ["curl", "--silent", "--show-error", "--fail", "--output", str(path)]
    broken = subprocess.run([*curl, "--max-filesize", "1", url], check=False)
    assert broken.returncode == 63  # it would be larger, as the server has told
    subprocess.run([*curl, "--range", "0-2999999", url], check=True)
    assert path.stat().st_size == 3_000_000

    subprocess.run([*curl, "--continue-at", "-", url], check=True)

    assert path.stat().st_size == int(httpx.head(url).headers["Content-Length"])
    subprocess.run(["gzip", "--test", str(path)], check=True)
    with gzip.open(path) as file:
        read_archive(io.BytesIO(file.read())).restore(target.client)
    assert content(target.client) == before


def test_clients_that_leave_make_room_for_others(server: Server, taken: tuple[str, str]) -> None:
    """More of them than may be served at once."""
    url = url_of(download(server, *taken))
    for _ in range(25):
        with httpx.stream("GET", url) as answer:
            assert answer.status_code == 200
            assert next(answer.iter_raw(1000)).startswith(b"\x1f\x8b")

    answer = wait_for(lambda: httpx.get(url), lambda it: it.status_code == 200)

    assert len(answer.content) == int(answer.headers["Content-Length"])
    assert gzip.decompress(answer.content).endswith(b"\xff\xff\xff\xff")


def test_a_link_is_in_no_log(server: Server, taken: tuple[str, str]) -> None:
    url = url_of(download(server, *taken))
    token = url.split("/")[-2]
    assert httpx.get(url, headers={"Range": "bytes=0-9"}).status_code == 206
    assert httpx.get(url.replace(token, token[::-1])).status_code == 404
    assert httpx.post(url).status_code == 405

    assert "prepare_download" in server.log
    assert token not in server.log
    assert token[::-1] not in server.log


def test_a_damaged_snapshot_is_not_offered(own_server: Server, source: Mongod) -> None:
    """It is found out by the job, which says what is harmed."""
    server = own_server
    source.client.shop.orders.insert_many({"_id": n, "x": os.urandom(100)} for n in range(100))
    server.own("POST", "/instances", {"name": "shop", "uri": source.uri})
    snapshot_id = server.snapshot("shop")
    (pack,) = (path for path in server.data_dir.glob("repository/packs/**/*") if path.is_file())
    data = bytearray(pack.read_bytes())
    data[100] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(data)

    path = "/serverless/shop/backup/restoreJobs"
    job = server.v1("POST", path, {"deliveryType": "download", "snapshotId": snapshot_id})
    ended = server.ended_job("shop", str(job["id"]))

    assert (ended["failed"], ended["deliveryUrl"]) == (True, [])
    assert server.job_details("shop", str(job["id"]))["failure"].startswith("Chunk ")


def test_the_command_line_lists_downloads_with_their_links(
    server: Server, taken: tuple[str, str]
) -> None:
    job = download(server, *taken)

    listed = telamon("restore", "list", taken[0], **server.environment)

    assert f"{job['id']}  finished {job['finishedAt']}  {taken[1]}  {url_of(job)}" in listed.stdout
