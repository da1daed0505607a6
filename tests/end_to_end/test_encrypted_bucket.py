"""A server whose repository is encrypted and in a bucket: no data directory has a snapshot."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from telamon.blobs.opening import open_store
from tests.blobs.conftest import moto
from tests.blobs.servers import CREDENTIALS, S3Server
from tests.conftest import Mongod
from tests.end_to_end.harness import Server, telamon
from tests.mongo import zoo
from tests.mongo.memory import content

__all__ = ["moto"]  # a fixture

AWS = {
    "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key_id,
    "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_access_key,
}


@pytest.fixture
def settings(moto: S3Server, tmp_path: Path) -> dict[str, str]:
    """Of a repository that has been made, with a key file."""
    url = moto.url()
    key_file = tmp_path / "repository.key"
    made = telamon(
        *("repository", "init", "--data-dir", str(tmp_path / "data")),
        *("--generate-key-file", str(key_file)),
        TELAMON_REPOSITORY_URL=url,
        **AWS,
    )
    assert made.returncode == 0, made.stderr
    return {"TELAMON_REPOSITORY_URL": url, "TELAMON_REPOSITORY_KEY_FILE": str(key_file), **AWS}


@pytest.fixture
def server(settings: dict[str, str], tmp_path: Path, mongod_program: Path) -> Iterator[Server]:
    server = Server(tmp_path / "data", mongod_program)
    server.start(**settings)
    try:
        yield server
    finally:
        server.stop()
        server.stop_leftovers()


def test_the_type_zoo_comes_back_equal_through_an_encrypted_bucket(
    server: Server, settings: dict[str, str], source: Mongod, target: Mongod
) -> None:
    zoo.fill(source.client)
    expected = content(source.client)
    server.own("POST", "/instances", {"name": "shop", "uri": source.uri})
    server.own("POST", "/instances", {"name": "copy", "uri": target.uri})

    first = server.snapshot("shop")
    second = server.snapshot("shop")
    server.restore("shop", second, target="copy")

    assert content(target.client) == expected
    assert not (server.data_dir / "repository").exists()
    store = open_store(settings["TELAMON_REPOSITORY_URL"], CREDENTIALS, secrets.token_bytes)
    held = {info.key.split("/")[0] for info in store.list("")}
    assert held == {"config", "keys", "packs", "snapshots"}
    for info in store.list(""):
        assert b"zoo" not in store.get(info.key)

    command = ["repository", "check", "--read-data", "--json", "--data-dir", str(server.data_dir)]
    checked = telamon(*command, **settings)
    assert checked.returncode == 0, checked.stderr
    report = json.loads(checked.stdout)
    assert (report["findings"], report["snapshots"]) == ([], 2)
    stats = telamon(*[*command[:1], "stats", *command[3:]], **settings)
    assert {it["snapshotId"] for it in json.loads(stats.stdout)["snapshots"]} == {first, second}


def test_without_the_key_the_server_does_not_start(
    settings: dict[str, str], tmp_path: Path
) -> None:
    del settings["TELAMON_REPOSITORY_KEY_FILE"]
    data_dir = str(tmp_path / "data")
    assert telamon("init", "--data-dir", data_dir, **settings).returncode == 0
    ended = telamon("serve", "--data-dir", data_dir, "--port", "0", **settings)
    assert ended.returncode == 90
    assert "The repository is encrypted: give its passphrase or key file" in ended.stderr
