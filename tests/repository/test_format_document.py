"""docs/repository-format.md is enough to read a repository.

What follows is written from the page's tables alone; nothing here that reads comes from Telamon.
"""

import json
import struct
from base64 import b64decode
from pathlib import Path
from typing import Any

import bson
import pytest
import zstandard
from blake3 import blake3

from telamon.blobs.local import LocalBlobStore
from tests.repository.samples import FIRST, SECOND, new_repository, noise, orders, take

PAGE = Path(__file__).parents[2] / "docs" / "repository-format.md"


@pytest.fixture
def root(tmp_path: Path, small_packs: None) -> Path:
    """Two snapshots that share chunks, in several packs, of text and of noise."""
    repository = new_repository(LocalBlobStore(tmp_path))
    take(repository, FIRST, {"orders": orders(80)})
    take(repository, SECOND, {"orders": orders(90), "noise": noise(40), "empty": []})
    return tmp_path


def read_config(root: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((root / "config").read_bytes())
    checksum = config.pop("checksum")
    canonical = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    assert blake3(canonical.encode()).hexdigest() == checksum
    assert config["format"] == "telamon-repository"
    assert config["version"] == 1
    return config


def read_packs(root: Path, key: bytes) -> dict[bytes, bytes]:
    """Every chunk's documents by the chunk's name."""
    chunks: dict[bytes, bytes] = {}
    for path in sorted((root / "packs").glob("*/*")):
        pack = path.read_bytes()
        assert blake3(pack).hexdigest() == path.name
        assert path.parent.name == path.name[:2]
        chunks |= read_pack(pack, key)
    return chunks


def read_pack(pack: bytes, key: bytes) -> dict[bytes, bytes]:
    assert struct.unpack_from("<8sII", pack, 0) == (b"TLMNPACK", 1, 0)
    footer = pack[-52:]
    offset, records, version, digest, magic = struct.unpack("<III32s8s", footer)
    index = pack[offset : offset + 48 * records]
    assert (version, magic) == (1, b"TLMNPEND")
    assert offset + len(index) + 52 == len(pack)
    assert blake3(index + footer[:12]).digest() == digest

    chunks = {}
    position = 16
    for record in struct.iter_unpack("<32sIIIB3s", index):
        name, start, stored_length, raw_length, encoding, reserved = record
        assert (start, reserved) == (position, b"\0\0\0")
        position += stored_length
        stored = pack[start:position]
        raw = {0: lambda data: data, 1: zstandard.decompress}[encoding](stored)
        assert len(raw) == raw_length
        assert blake3(raw, key=key).digest() == name
        chunks[name] = raw
    assert position == offset
    return chunks


def read_manifest(root: Path, snapshot_id: str) -> dict[str, Any]:
    blob = (root / "snapshots" / snapshot_id).read_bytes()
    magic, version, digest = struct.unpack_from("<8sI32s", blob)
    assert (magic, version) == (b"TLMNSNAP", 1)
    assert blake3(blob[:12] + blob[44:]).digest() == digest
    manifest: dict[str, Any] = json.loads(zstandard.decompress(blob[44:]))
    return manifest


def rebuild(root: Path, snapshot_id: str) -> dict[str, list[dict[str, Any]]]:
    chunks = read_packs(root, bytes.fromhex(read_config(root)["chunk_key"]))
    rebuilt = {}
    for collection in read_manifest(root, snapshot_id)["collections"]:
        data = b""
        for name, documents, raw_length in struct.iter_unpack(
            "<32sII", b64decode(collection["chunks"])
        ):
            assert len(bson.decode_all(chunks[name])) == documents
            assert len(chunks[name]) == raw_length
            data += chunks[name]
        rebuilt[f"{collection['database']}.{collection['name']}"] = bson.decode_all(data)
    return rebuilt


def decoded(documents: list[bytes]) -> list[dict[str, Any]]:
    return [bson.decode(document) for document in documents]


def test_the_documents_are_rebuilt_by_the_page_alone(root: Path) -> None:
    assert rebuild(root, FIRST) == {"shop.orders": decoded(orders(80))}
    assert rebuild(root, SECOND) == {
        "shop.orders": decoded(orders(90)),
        "shop.noise": decoded(noise(40)),
        "shop.empty": [],
    }


def test_the_keys_are_those_of_the_layout(root: Path) -> None:
    assert sorted(path.name for path in root.iterdir()) == ["config", "packs", "snapshots"]
    assert sorted(path.name for path in (root / "snapshots").iterdir()) == [FIRST, SECOND]
    assert len(list((root / "packs").glob("*/*"))) > 3


def test_every_member_that_is_written_is_on_the_page(root: Path) -> None:
    page = PAGE.read_text()
    manifest = read_manifest(root, SECOND)
    config = read_config(root)
    members = [*config, *config["cut"], *manifest, *manifest["collections"][0]]
    assert [member for member in members if f"`{member}`" not in page] == []


def test_the_rest_of_a_snapshot_is_in_its_manifest(root: Path) -> None:
    manifest = read_manifest(root, SECOND)
    first = manifest["collections"][0]
    assert manifest["snapshot_id"] == SECOND
    assert manifest["taken_at"] == "2026-01-22T12:30:00+00:00"
    assert bson.decode(b64decode(first["options"])) == {}
    assert [bson.decode(b64decode(index)) for index in first["indexes"]] == [
        {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    ]
    assert b64decode(first["uuid"]) == bytes(range(16))
