"""What snapshots and restores consist of, as the catalogue knows it."""

from dataclasses import dataclass

from telamon.model.manifest import CollectionKind, Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotCollection:
    """One collection, time series or view of a snapshot, or of a moment; bytes are before compression."""

    namespace: Namespace
    kind: CollectionKind
    documents: int
    size_bytes: int
