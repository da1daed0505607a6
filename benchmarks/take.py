"""A snapshot as operations/snapshots.py takes one, without its database; and a reading of nothing.

What ``read_snapshot`` and the repository want of their callers is here and nowhere else in the
benchmark: the one place to follow their changes.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from telamon.model.manifest import (
    ChunkRef,
    CollectionSpec,
    Consistency,
    Manifest,
    StoredCollection,
)
from telamon.mongo.connect import Client
from telamon.mongo.reading import Change
from telamon.mongo.snapshot import read_snapshot
from telamon.repository.repository import Repository
from telamon.repository.writer import SnapshotWriter

_NOBODY = "0" * 24


def drop(client: Client) -> int:
    """Read the whole deployment as a snapshot does, and keep nothing; returns the bytes of it."""
    sink = _Dropped()
    read_snapshot(client, sink)
    return sum(sink.sizes)


def take(repository: Repository, client: Client, previous: Manifest | None) -> Manifest:
    """A whole snapshot, stored as differences from ``previous`` where there is one."""
    with repository.begin() as writer:
        sink = _Stored(writer, previous)
        facts = read_snapshot(client, sink)
        assert facts.cluster_time is not None  # the benchmark's deployments are replica sets
        manifest = Manifest(
            snapshot_id=secrets.token_hex(12),
            group_id=_NOBODY,
            instance_id=_NOBODY,
            instance_name="bench",
            taken_at=datetime.fromtimestamp(facts.cluster_time.seconds, UTC),
            cluster_time=facts.cluster_time,
            consistency=Consistency.SNAPSHOT,
            mongodb_version="6.0.5",
            feature_compatibility_version="6.0",
            collections=tuple(sink.collection(spec) for spec in facts.collections),
        )
        writer.commit(manifest)
    return manifest


class _Dropped:
    """A sink that keeps nothing."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def begin(self, spec: CollectionSpec, expected_bytes: int) -> None:
        pass

    def add(self, _spec: CollectionSpec, _part: int, batches: Iterator[bytes]) -> None:
        self.sizes.append(sum(len(batch) for batch in batches))

    def end(self, spec: CollectionSpec) -> None:
        pass

    def change(self, spec: CollectionSpec, change: Change) -> None:
        raise RuntimeError("the benchmark reads what nobody writes to")


class _Stored:
    """A sink that stores everything. Called from several threads."""

    def __init__(self, writer: SnapshotWriter, previous: Manifest | None) -> None:
        self._writer = writer
        self._previous = previous
        self._parts: dict[bytes | None, dict[int, tuple[ChunkRef, ...]]] = {}

    def begin(self, spec: CollectionSpec, _expected_bytes: int) -> None:
        self._parts[spec.uuid] = {}

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        self._parts[spec.uuid][part] = self._writer.add(batches, self._before(spec))

    def end(self, _spec: CollectionSpec) -> None:
        pass

    def change(self, spec: CollectionSpec, change: Change) -> None:
        with closing(self._writer.documents(self.collection(spec).chunks)) as documents:
            self._parts[spec.uuid] = {0: self._writer.add(change(documents), self._before(spec))}

    def collection(self, spec: CollectionSpec) -> StoredCollection:
        parts = self._parts.get(spec.uuid, {})
        chunks = tuple(chunk for number in sorted(parts) for chunk in parts[number])
        return StoredCollection(spec=spec, chunks=chunks)

    def _before(self, spec: CollectionSpec) -> tuple[ChunkRef, ...]:
        stored = None if self._previous is None else self._previous.find(spec)
        return () if stored is None else stored.chunks
