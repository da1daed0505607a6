"""A snapshot in memory, and what two deployments are compared by."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, cast

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from telamon.model.manifest import ChunkRef, CollectionSpec, StoredCollection
from telamon.mongo.connect import Client
from telamon.mongo.elements import document_end
from telamon.mongo.fill import Source
from telamon.mongo.reading import Change
from telamon.mongo.restore import Restore
from telamon.mongo.snapshot import SnapshotFacts, read_snapshot
from tests.conftest import SYSTEM_DATABASES

RAW = CodecOptions(document_class=RawBSONDocument)
JOB = "5f0000000000000000000001"
_HASH_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"


class Memory:
    """Keeps what ``read_snapshot`` hands out, and serves it to a restore."""

    facts: SnapshotFacts

    def __init__(self) -> None:
        self.parts: dict[bytes, dict[int, list[bytes]]] = {}
        self.ended: list[CollectionSpec] = []

    def begin(self, spec: CollectionSpec, expected_bytes: int) -> None:
        assert expected_bytes >= 0
        self.parts[uuid_of(spec)] = {}

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        self.parts[uuid_of(spec)][part] = list(batches)

    def end(self, spec: CollectionSpec) -> None:
        self.ended.append(spec)

    def change(self, spec: CollectionSpec, change: Change) -> None:
        self.parts[uuid_of(spec)] = {0: list(change(iter(self.pieces(spec))))}

    def pieces(self, spec: CollectionSpec) -> list[bytes]:
        """The documents of a collection, in order."""
        parts = self.parts.get(spec.uuid or b"", {})
        return [piece for number in sorted(parts) for piece in parts[number]]

    @property
    def collections(self) -> list[StoredCollection]:
        return [self._stored(spec) for spec in self.facts.collections]

    def open(self, stored: StoredCollection) -> Iterator[bytes]:
        """Told by its name, so that a test may alter the rest of a spec."""
        namespace = stored.spec.namespace
        spec = next(spec for spec in self.facts.collections if spec.namespace == namespace)
        return iter(self.pieces(spec))

    def count(self, name: str) -> int:
        """How many documents the collection ``db.name`` has here."""
        return next(one.documents for one in self.collections if str(one.spec.namespace) == name)

    def restore(self, client: Client, **changes: Any) -> Restore:
        """With ``collections`` or ``documents`` in the changes: other ones, or read otherwise."""
        collections = changes.pop("collections", self.collections)
        documents = changes.pop("documents", self.open)
        sources = [
            Source(
                spec=stored.spec,
                documents=stored.documents,
                size_bytes=stored.size_bytes,
                read=partial(documents, stored),
            )
            for stored in collections
        ]
        arguments: dict[str, Any] = {"job_id": JOB, "sources": sources, "progress": ignore}
        return Restore(client, **{**arguments, **changes})

    def _stored(self, spec: CollectionSpec) -> StoredCollection:
        pieces = self.pieces(spec)
        refs = (
            ChunkRef(chunk_id=b"", documents=count(piece), size_bytes=len(piece))
            for piece in pieces
        )
        return StoredCollection(spec=spec, chunks=tuple(refs))


def take(client: Client, **options: Any) -> Memory:
    """A snapshot of the whole deployment."""
    memory = Memory()
    memory.facts = read_snapshot(client, memory, **options)
    return memory


def uuid_of(spec: CollectionSpec) -> bytes:
    assert spec.uuid is not None
    return spec.uuid


def restore_all(memory: Memory, client: Client) -> None:
    job = memory.restore(client)
    job.load()
    job.swap()


def ignore(documents: int, size_bytes: int, namespaces: int) -> None:
    """Progress that nobody watches."""


def count(documents: bytes) -> int:
    found = position = 0
    while position < len(documents):
        position = document_end(documents, position)
        found += 1
    return found


def content(client: Client) -> dict[str, Any]:
    """Everything that a restore must bring back, in a form that compares.

    The server keeps ``system.views`` and ``system.js`` once they were there, so empty ones count as
    none.
    """
    found: dict[str, Any] = {}
    for name in sorted(set(client.list_database_names()) - SYSTEM_DATABASES):
        found |= {f"{name}: {what}": value for what, value in _database(client[name])}
    return found


def _database(database: Database[dict[str, Any]]) -> Iterator[tuple[str, object]]:
    for name, digest in database.command("dbHash")["collections"].items():
        if digest != _HASH_OF_NOTHING or not name.startswith("system."):
            yield f"hash of {name}", digest
    for entry in _entries(database, {"listCollections": 1}):
        name = entry["name"]
        if name in {"system.views", "system.js"}:
            continue
        yield f"{entry['type']} {name}", bytes(entry["options"].raw)
        if entry["type"] != "view":
            yield f"indexes of {name}", _indexes(database, name)
        if entry["options"].get("capped"):
            found = _entries(database, {"find": name, "batchSize": 1_000_000})
            yield f"order in {name}", [bytes(document.raw) for document in found]


def _indexes(database: Database[dict[str, Any]], name: str) -> Sequence[object]:
    command = {"listIndexes": name}
    if name.startswith("system.buckets."):
        # What stands behind the indexes of a time series; the server reorders their fields.
        return list(database.cursor_command(command))
    # Those with a time to live are built last; no server cares for the order.
    return sorted(bytes(index.raw) for index in _entries(database, command))


def _entries(database: Database[dict[str, Any]], command: dict[str, Any]) -> list[RawBSONDocument]:
    return cast("list[RawBSONDocument]", list(database.cursor_command(command, codec_options=RAW)))
