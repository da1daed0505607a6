"""docs/repository-format.md is enough to read a repository.

tools/read_repository.py is written from the page's tables alone, and imports nothing of Telamon.
"""

import ast
import json
import secrets
import struct
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import bson
import pytest
import zstandard
from bson.json_util import loads

from telamon.blobs.local import LocalBlobStore
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.repository import Repository
from tests.repository.samples import (
    FIRST,
    SECOND,
    SMALL_CUT,
    collection,
    document,
    flip,
    manifest,
    noise,
    orders,
    read,
)

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "repository-format.md"
READER = ROOT / "tools" / "read_repository.py"
PASSPHRASE = RepositorySecret(kind=SecretKind.PASSPHRASE, value="päss wörd".encode())
KEY_FILE = RepositorySecret(kind=SecretKind.KEY_FILE, value=bytes(range(32)))
NEW = [*orders(30), document(30, "changed"), *orders(70, start=31)]


@pytest.fixture(params=[None, PASSPHRASE, KEY_FILE], ids=["plain", "passphrase", "key file"])
def secret(request: pytest.FixtureRequest) -> RepositorySecret | None:
    found: RepositorySecret | None = request.param
    return found


@pytest.fixture
def root(tmp_path: Path, small_packs: None, secret: RepositorySecret | None) -> Path:
    """Two snapshots that share chunks, in several packs: text, noise, and deltas."""
    folder = tmp_path / "repository"
    repository = Repository.create(LocalBlobStore(folder), secrets.token_bytes, SMALL_CUT, secret)
    with repository.begin() as writer:
        first = writer.add([b"".join(orders(80))])
        writer.commit(manifest(FIRST, [collection("orders", first)]))
    with repository.begin() as writer:
        chunks = {
            "orders": writer.add([b"".join(NEW)], first),
            "noise": writer.add([b"".join(noise(40))]),
            "empty": writer.add([]),
        }
        assert writer.counts.delta_chunks > 0
        writer.commit(manifest(SECOND, [collection(name, c) for name, c in chunks.items()]))
    return folder


def test_the_reader_can_be_read_in_one_sitting_and_leans_on_nothing_of_telamon() -> None:
    program = READER.read_text()

    assert len(program.splitlines()) <= 200
    assert "import telamon" not in program
    assert "from telamon" not in program


def run_reader(root: Path, secret: RepositorySecret | None, *arguments: object) -> str:
    """Its standard output."""
    options: list[object] = []
    if secret is not None:
        file = root.parent / "secret"
        is_key = secret.kind is SecretKind.KEY_FILE
        file.write_bytes(secret.value.hex().encode() + b"\n" if is_key else secret.value + b"\n")
        options = ["--key-file" if is_key else "--passphrase-file", file]
    command = [sys.executable, READER, *options, root, *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def rebuild(root: Path, secret: RepositorySecret | None, snapshot_id: str) -> dict[str, bytes]:
    output = root.parent / f"out-{snapshot_id}"
    run_reader(root, secret, snapshot_id, output)
    return {path.stem: path.read_bytes() for path in (output / "shop").glob("*.bson")}


def test_the_documents_are_rebuilt_by_the_page_alone(
    root: Path, secret: RepositorySecret | None
) -> None:
    assert rebuild(root, secret, FIRST) == {"orders": b"".join(orders(80))}
    assert rebuild(root, secret, SECOND) == {
        "orders": b"".join(NEW),
        "noise": b"".join(noise(40)),
        "empty": b"",
    }


def test_options_and_indexes_are_beside_them(root: Path, secret: RepositorySecret | None) -> None:
    rebuild(root, secret, FIRST)
    text = (root.parent / f"out-{FIRST}" / "shop" / "orders.metadata.json").read_text()
    assert loads(text) == {
        "options": {},
        "indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}],
        "uuid": bytes(range(16)).hex(),
        "collectionName": "orders",
        "type": "collection",
    }


def test_the_snapshots_are_listed(root: Path, secret: RepositorySecret | None) -> None:
    lines = run_reader(root, secret).splitlines()
    assert [line.split()[0] for line in lines] == [FIRST, SECOND]
    assert "2026-01-22T12:30:00+00:00 Instance0" in lines[0]


def test_what_is_damaged_is_not_written_as_if_it_were_whole(
    root: Path, secret: RepositorySecret | None
) -> None:
    (path, *_) = sorted((root / "packs").glob("*/*"), key=lambda path: path.stat().st_size)[::-1]
    path.write_bytes(flip(path.read_bytes(), 200))
    results = []
    for snapshot_id in (FIRST, SECOND):
        try:
            results.append(rebuild(root, secret, snapshot_id))
        except AssertionError as error:
            assert "cannot be read from any pack" in str(error)  # noqa: PT017
            results.append({})
    whole = Repository.open(LocalBlobStore(root), secret)
    for snapshot_id, found in zip((FIRST, SECOND), results, strict=True):
        if found:
            assert found == read(whole, snapshot_id)


def test_the_reader_imports_nothing_of_telamon_and_is_short() -> None:
    source = READER.read_text()
    imported = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert not [name for name in imported if str(name).startswith("telamon")]
    assert len(source.splitlines()) <= 210


def test_the_keys_are_those_of_the_layout(root: Path, secret: RepositorySecret | None) -> None:
    expected = (
        ["config", "packs", "snapshots"]
        if secret is None
        else ["config", "keys", "packs", "snapshots"]
    )
    assert sorted(path.name for path in root.iterdir()) == expected
    assert sorted(path.name for path in (root / "snapshots").iterdir()) == [FIRST, SECOND]
    assert len(list((root / "packs").glob("*/*"))) > 3


def read_manifest(root: Path) -> dict[str, Any]:
    blob = (root / "snapshots" / SECOND).read_bytes()
    assert struct.unpack_from("<8sI", blob) == (b"TLMNSNAP", 1)
    members: dict[str, Any] = json.loads(zstandard.decompress(blob[44:]))
    return members


def test_every_member_that_is_written_is_on_the_page(
    root: Path, secret: RepositorySecret | None
) -> None:
    page = PAGE.read_text()
    config = json.loads((root / "config").read_bytes())
    members = [*config, *config["cut"]]
    for path in root.glob("keys/*"):
        members += json.loads(path.read_bytes())
    if secret is None:
        found = read_manifest(root)
        members += [*found, *found["collections"][0]]
    assert [member for member in members if f"`{member}`" not in page] == []


@pytest.mark.parametrize("secret", [None], indirect=True)
def test_the_rest_of_a_snapshot_is_in_its_manifest(root: Path) -> None:
    found = read_manifest(root)
    first = found["collections"][0]
    assert found["snapshot_id"] == SECOND
    assert found["taken_at"] == "2026-01-22T12:30:00+00:00"
    assert bson.decode(b64decode(first["options"])) == {}
    assert len(b64decode(first["starts"])) * 5 == len(b64decode(first["chunks"]))
    assert b64decode(first["uuid"]) == bytes(range(16))
