"""Small repositories, and documents to put in them. Everything is the same in every run."""

import random
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import bson

from telamon.blobs.base import BlobStore
from telamon.blobs.memory import MemoryBlobStore
from telamon.model.manifest import (
    ChunkRef,
    ClusterTime,
    CollectionKind,
    CollectionSpec,
    Consistency,
    Manifest,
    Namespace,
    StoredCollection,
)
from telamon.repository.cut import CutParameters
from telamon.repository.repository import Repository

FIRST = "65f0000000000000000000a1"
SECOND = "65f0000000000000000000a2"
SMALL_CUT = CutParameters(target_bytes=1024, large_target_bytes=4096, large_document_bytes=512)
KEY = bytes(range(32))


def counting_bytes(length: int) -> bytes:
    """Stands in for the source of random bytes."""
    return bytes(range(length))


def document(number: int, note: str = "") -> bytes:
    """About a hundred bytes."""
    return bson.encode({"_id": number, "name": f"document {number}", "note": note.ljust(50, ".")})


def orders(count: int, start: int = 0) -> list[bytes]:
    return [document(number) for number in range(start, start + count)]


def noise(count: int, noise_bytes: int = 150) -> list[bytes]:
    """Documents that hardly compress, or not at all if they are long."""
    source = random.Random(count)
    return [bson.encode({"_id": n, "noise": source.randbytes(noise_bytes)}) for n in range(count)]


def new_repository(store: BlobStore | None = None) -> Repository:
    return Repository.create(store or MemoryBlobStore(), counting_bytes, SMALL_CUT)


def collection(name: str, chunks: Sequence[ChunkRef]) -> StoredCollection:
    spec = CollectionSpec(
        namespace=Namespace("shop", name),
        kind=CollectionKind.COLLECTION,
        options=bson.encode({}),
        indexes=(bson.encode({"v": 2, "key": {"_id": 1}, "name": "_id_"}),),
        uuid=bytes(range(16)),
    )
    return StoredCollection(spec=spec, chunks=tuple(chunks))


def manifest(snapshot_id: str, collections: Iterable[StoredCollection]) -> Manifest:
    return Manifest(
        snapshot_id=snapshot_id,
        group_id="65f0000000000000000000b1",
        instance_id="65f0000000000000000000c1",
        instance_name="Instance0",
        taken_at=datetime(2026, 1, 22, 12, 30, tzinfo=UTC),
        cluster_time=ClusterTime(seconds=1769085000, increment=7),
        consistency=Consistency.SNAPSHOT,
        mongodb_version="6.0.5",
        feature_compatibility_version="6.0",
        collections=tuple(collections),
    )


def take(
    repository: Repository, snapshot_id: str, contents: Mapping[str, Sequence[bytes]]
) -> Manifest:
    """A snapshot of collections, given as the documents of each name."""
    with repository.begin() as writer:
        taken = manifest(
            snapshot_id,
            [collection(name, writer.add([b"".join(docs)])) for name, docs in contents.items()],
        )
        writer.commit(taken)
    return taken


def read(repository: Repository, snapshot_id: str) -> dict[str, bytes]:
    """Everything in a snapshot: the documents of each collection, one after the other."""
    return {
        stored.spec.namespace.name: b"".join(repository.documents(stored))
        for stored in repository.manifest(snapshot_id).collections
    }


def keys(store: BlobStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def replace_blob(store: BlobStore, key: str, data: bytes) -> None:
    """As a failing disk does it."""
    store.delete(key)
    assert store.put(key, data)


def flip(data: bytes, position: int, bit: int = 0) -> bytes:
    """The same bytes but for one bit; a negative position counts from the end."""
    changed = bytearray(data)
    changed[position] ^= 1 << bit
    return bytes(changed)
