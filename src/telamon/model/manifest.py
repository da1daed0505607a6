"""What one snapshot consists of: the values that the MongoDB engine and the repository share."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ClusterTime:
    """A position in a replica set's history: a BSON timestamp."""

    seconds: int
    increment: int

    def __str__(self) -> str:
        return f"{self.seconds}.{self.increment}"


@dataclass(frozen=True, slots=True, order=True)
class Namespace:
    """A database and a collection in it."""

    database: str
    name: str

    def __str__(self) -> str:
        return f"{self.database}.{self.name}"


class CollectionKind(StrEnum):
    """What ``listCollections`` calls its type."""

    COLLECTION = "collection"
    """Documents; capped and clustered ones too."""
    VIEW = "view"
    """No documents of its own."""
    TIMESERIES = "timeseries"
    """Its documents are the buckets of ``system.buckets.<name>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSpec:
    """How a collection is made again, apart from its documents.

    ``options`` is the BSON of ``listCollections``' ``options``, byte for byte. ``indexes`` are the
    BSON of each of ``listIndexes``' answers in the server's order, the ``_id`` index included; empty
    for views. ``uuid`` is that of the collection that holds the documents; None for views.
    """

    namespace: Namespace
    kind: CollectionKind
    options: bytes
    indexes: tuple[bytes, ...]
    uuid: bytes | None
    capped: bool = False


class Consistency(StrEnum):
    """What the documents of a snapshot have in common."""

    SNAPSHOT = "snapshot"
    """All are as of one cluster time."""
    NONE = "none"
    """Each was read at a time of its own: a standalone mongod keeps no history of its writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkRef:
    """A chunk as a manifest names it."""

    chunk_id: bytes
    documents: int
    size_bytes: int
    """Length of the documents before compression."""
    start: int | None = None
    """A hash of its first document's ``_id``, 64 bits: the next snapshot finds by it which chunk
    began at the same document. None where the manifest does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCollection:
    """A collection and where its documents are; chunks in natural order."""

    spec: CollectionSpec
    chunks: tuple[ChunkRef, ...]

    @property
    def documents(self) -> int:
        return sum(chunk.documents for chunk in self.chunks)

    @property
    def size_bytes(self) -> int:
        return sum(chunk.size_bytes for chunk in self.chunks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One snapshot, whole. Enough to restore it where nothing else is left."""

    snapshot_id: str
    group_id: str
    instance_id: str
    instance_name: str
    taken_at: datetime
    cluster_time: ClusterTime | None
    """None where there is no consistency."""
    consistency: Consistency
    mongodb_version: str
    feature_compatibility_version: str
    collections: tuple[StoredCollection, ...]

    @property
    def documents(self) -> int:
        return sum(stored.documents for stored in self.collections)

    @property
    def size_bytes(self) -> int:
        return sum(stored.size_bytes for stored in self.collections)

    def find(self, spec: CollectionSpec) -> StoredCollection | None:
        """The collection that ``spec`` is a later state of: by its UUID, else by its name."""
        same_name = None
        for stored in self.collections:
            if spec.uuid is not None and stored.spec.uuid == spec.uuid:
                return stored
            if stored.spec.namespace == spec.namespace:
                same_name = stored
        return same_name
