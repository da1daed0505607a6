"""A snapshot in memory, and what two deployments are compared by."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from telamon.model.manifest import ChunkRef, CollectionSpec, StoredCollection
from telamon.mongo.connect import Client
from telamon.mongo.elements import document_end
from telamon.mongo.restore import Restore
from telamon.mongo.snapshot import SnapshotFacts, read_snapshot
from tests.conftest import SYSTEM_DATABASES

RAW = CodecOptions(document_class=RawBSONDocument)
JOB = "5f0000000000000000000001"
_HASH_OF_NOTHING = "d41d8cd98f00b204e9800998ecf8427e"


@dataclass
class Memory:
    """Keeps what ``read_snapshot`` hands out, and serves it to a restore."""

    facts: SnapshotFacts
    documents: dict[CollectionSpec, list[bytes]]

    @property
    def collections(self) -> list[StoredCollection]:
        return [self._stored(spec) for spec in self.facts.collections]

    def open(self, stored: StoredCollection) -> Iterator[bytes]:
        return iter(self.documents[stored.spec])

    def count(self, name: str) -> int:
        """How many documents the collection ``db.name`` has here."""
        return next(one.documents for one in self.collections if str(one.spec.namespace) == name)

    def restore(self, client: Client, **changes: Any) -> Restore:
        arguments: dict[str, Any] = {
            "job_id": JOB,
            "collections": self.collections,
            "documents": self.open,
            "progress": ignore,
        }
        return Restore(client, **{**arguments, **changes})

    def _stored(self, spec: CollectionSpec) -> StoredCollection:
        pieces = self.documents.get(spec, [])
        refs = (
            ChunkRef(chunk_id=b"", documents=count(piece), size_bytes=len(piece))
            for piece in pieces
        )
        return StoredCollection(spec=spec, chunks=tuple(refs))


def take(client: Client) -> Memory:
    """A snapshot of the whole deployment."""
    documents: dict[CollectionSpec, list[bytes]] = {}

    def keep(spec: CollectionSpec, batches: Iterator[bytes]) -> None:
        documents[spec] = list(batches)

    facts = read_snapshot(client, keep)
    return Memory(facts, documents)


def restore_all(memory: Memory, client: Client) -> None:
    job = memory.restore(client)
    job.load()
    job.swap()


def ignore(documents: int, size_bytes: int) -> None:
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
    names = set(client.list_database_names()) - SYSTEM_DATABASES
    return {name: _database(client, name) for name in sorted(names)}


def _database(client: Client, name: str) -> dict[str, Any]:
    database = client[name]
    hashes = database.command("dbHash")["collections"]
    found: dict[str, Any] = {
        "hashes": {
            collection: digest
            for collection, digest in hashes.items()
            if digest != _HASH_OF_NOTHING or not collection.startswith("system.")
        }
    }
    for entry in database.cursor_command("listCollections", codec_options=RAW):
        collection = entry["name"]
        if collection in {"system.views", "system.js"}:
            continue
        found[collection] = (entry["type"], bytes(_raw(entry)["options"].raw))
        if entry["type"] != "view":
            indexes = database.cursor_command({"listIndexes": collection}, codec_options=RAW)
            found[f"indexes of {collection}"] = [bytes(_raw(index).raw) for index in indexes]
        if _raw(entry)["options"].get("capped"):
            command = {"find": collection, "batchSize": 1_000_000}
            reply = database.command(command, codec_options=RAW)
            found[f"order in {collection}"] = [
                bytes(one.raw) for one in reply["cursor"]["firstBatch"]
            ]
    return found


def _raw(document: Any) -> RawBSONDocument:
    assert isinstance(document, RawBSONDocument)
    return document
