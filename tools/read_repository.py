"""Read a snapshot out of a repository without Telamon: BSON files that mongorestore takes.

    python read_repository.py REPOSITORY                      lists the snapshots
    python read_repository.py REPOSITORY SNAPSHOT OUTPUT      writes OUTPUT/<database>/<collection>.bson

Needs Python 3.11 and, from PyPI, blake3, zstandard, cryptography and pymongo; nothing of Telamon. It
follows docs/repository-format.md and proves every byte that it writes.
"""

import argparse
import json
import struct
import sys
from base64 import b64decode
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import bson
import zstandard
from blake3 import blake3
from bson import json_util
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

RAW, DELTA, ENCRYPTED, INFO = 0, 2, 128, b"telamon repository key file"


class Place(NamedTuple):
    pack: Path
    start: int
    stored: int
    raw: int
    encoding: int
    bases: list[bytes]


class Repository:
    def __init__(self, root: Path, secrets: dict[str, bytes]) -> None:
        self.root = root
        config = read_record(root / "config", "telamon-repository")
        known = bytes.fromhex(config.get("chunk_key", ""))
        keys = known or open_keys(root, config["repository_id"], secrets)
        self.chunk_key, self.data_key = keys[:32], keys[32:]
        self.places: dict[bytes, list[Place]] = {}

    def manifest(self, snapshot: str) -> dict[str, Any]:
        blob = (self.root / "snapshots" / snapshot).read_bytes()
        (magic, version, digest), payload = struct.unpack_from("<8sI32s", blob), blob[44:]
        is_whole = blake3(blob[:12] + payload).digest() == digest
        prove(magic == b"TLMNSNAP" and version in (1, 2) and is_whole, snapshot)
        if version == 2:
            payload = self.decrypt(payload, f"snapshots/{snapshot}".encode())
        manifest: dict[str, Any] = json.loads(zstandard.decompress(payload))
        prove(manifest["snapshot_id"] == snapshot, snapshot)
        return manifest

    def read_index(self, path: Path) -> None:
        with path.open("rb") as pack:
            end = pack.seek(-52, SEEK_END)
            footer = pack.read()
            offset, count, version, digest, magic = struct.unpack("<III32s8s", footer)
            prove(magic == b"TLMNPEND" and 16 <= offset <= end, path.name)
            pack.seek(offset)
            index = pack.read(end - offset)
        prove(version in (1, 2) and blake3(index + footer[:12]).digest() == digest, path.name)
        bases: dict[int, list[bytes]] = {}
        for number, base in struct.iter_unpack("<I32s", index[48 * count :]):
            bases.setdefault(number, []).append(base)
        records = struct.iter_unpack("<32sIIIB3x", index[: 48 * count])
        for number, (name, *where) in enumerate(records):
            place = Place._make((path, *where, bases.get(number, [])))
            self.places.setdefault(name, []).append(place)

    def chunk(self, name: bytes, *, as_base: bool = False) -> bytes:
        """The documents of a chunk, from the first of its copies that is unharmed."""
        for place in self.places.get(name, []):
            if as_base and place.encoding & ~ENCRYPTED == DELTA:
                continue
            with suppress(ValueError, struct.error, zstandard.ZstdError, OSError, InvalidTag):
                raw = self.read(name, place)
                if len(raw) == place.raw and blake3(raw, key=self.chunk_key).digest() == name:
                    return raw
        raise ValueError(f"chunk {name.hex()} cannot be read from any pack")

    def read(self, name: bytes, place: Place) -> bytes:
        with place.pack.open("rb") as pack:
            pack.seek(place.start)
            stored = pack.read(place.stored)
        if place.encoding & ENCRYPTED:
            stored = self.decrypt(stored, name)
        encoding = place.encoding & ~ENCRYPTED
        if encoding == DELTA:
            return combine(stored, b"".join(self.chunk(base, as_base=True) for base in place.bases))
        return stored if encoding == RAW else zstandard.decompress(stored)

    def decrypt(self, sealed: bytes, place: bytes) -> bytes:
        return AESGCM(self.data_key).decrypt(sealed[:12], sealed[12:], place)


def combine(stored: bytes, base: bytes) -> bytes:
    end = 4 + 12 * int.from_bytes(stored[:4], "little")
    steps = list(struct.iter_unpack("<III", stored[4:end]))
    uncopied, position = b"", 0
    for start, length in sorted((start, length) for _, start, length in steps):
        uncopied += base[position:start]
        position = max(position, start + length)
    uncopied += base[position:]
    known = zstandard.ZstdCompressionDict(uncopied, 1) if len(uncopied) >= 8 else None  # 1: raw
    literals = zstandard.ZstdDecompressor(dict_data=known).decompress(stored[end:])
    raw, position = b"", 0
    for literal, start, length in steps:
        raw += literals[position : position + literal] + base[start : start + length]
        position += literal
    return raw + literals[position:]


def read_record(path: Path, format_name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_bytes())
    checksum = record.pop("checksum")
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    prove(blake3(canonical.encode()).hexdigest() == checksum, path.name)
    prove(record["format"] == format_name, path.name)
    return record


def open_keys(root: Path, repository_id: str, secrets: dict[str, bytes]) -> bytes:
    """Chunk key and data key, one after the other."""
    for path in sorted((root / "keys").glob("*")):
        record = read_record(path, "telamon-key")
        salt, sealed = bytes.fromhex(record["salt"]), bytes.fromhex(record["sealed"])
        if record["kind"] == "passphrase":
            key = Scrypt(salt, 32, **record["scrypt"]).derive(secrets["passphrase"])
        else:
            key = HKDF(hashes.SHA256(), 32, salt, INFO).derive(secrets["key-file"])
        with suppress(InvalidTag):
            return AESGCM(key).decrypt(sealed[:12], sealed[12:], f"keys/{repository_id}".encode())
    raise ValueError("no key of the repository opens with what was given")


def write_collection(repository: Repository, collection: dict[str, Any], output: Path) -> None:
    """As mongodump names and describes things; a time series' documents are its buckets."""
    folder = output / quote(collection["database"], safe=" ")
    folder.mkdir(parents=True, exist_ok=True)
    name = quote(collection["name"], safe=" ")
    buckets = "system.buckets." if collection["kind"] == "timeseries" else ""
    metadata = {
        "options": bson.decode(b64decode(collection["options"])),
        "indexes": [bson.decode(b64decode(index)) for index in collection["indexes"]],
        "uuid": b64decode(collection["uuid"] or "").hex(),
        "collectionName": collection["name"],
        "type": collection["kind"],
    }
    described = json_util.dumps(metadata, json_options=json_util.CANONICAL_JSON_OPTIONS)
    (folder / f"{name}.metadata.json").write_text(described)
    if collection["uuid"] is not None:
        with (folder / f"{buckets}{name}.bson").open("wb") as file:
            for chunk, _, _ in struct.iter_unpack("<32sII", b64decode(collection["chunks"])):
                file.write(repository.chunk(chunk))


def prove(right: bool, what: str) -> None:
    if not right:
        raise ValueError(f"{what} is not what it must be")


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("repository", type=Path)
    arguments.add_argument("snapshot", nargs="?")
    arguments.add_argument("output", nargs="?", type=Path)
    arguments.add_argument("--passphrase-file", type=Path, default="/dev/null")
    arguments.add_argument("--key-file", type=Path, default="/dev/null")
    given = arguments.parse_args()
    secrets = {
        "passphrase": given.passphrase_file.read_bytes().partition(b"\n")[0],
        "key-file": bytes.fromhex(given.key_file.read_text()),
    }
    repository = Repository(given.repository, secrets)
    if given.output is None:
        for path in sorted((given.repository / "snapshots").glob("*[!p]")):
            found = repository.manifest(path.name)
            print(path.name, found["taken_at"], found["instance_name"], found["summary"])
        return
    for path in sorted((given.repository / "packs").glob("*/*")):
        try:
            repository.read_index(path)
        except (ValueError, struct.error, OSError) as error:
            print(f"passed over {path.name}: {error}", file=sys.stderr)
    for collection in repository.manifest(given.snapshot)["collections"]:
        write_collection(repository, collection, given.output)


if __name__ == "__main__":
    main()
