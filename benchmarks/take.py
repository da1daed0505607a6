"""A snapshot as operations/snapshots.py takes one, without its database; and a reading of nothing."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime

from telamon.model.manifest import (
    CollectionSpec,
    Consistency,
    Manifest,
)
from telamon.mongo.connect import Client
from telamon.mongo.reading import Change
from telamon.mongo.snapshot import read_snapshot
from telamon.operations.stored_documents import StoredDocuments
from telamon.repository.repository import Repository

_NOBODY = "0" * 24


def drop(client: Client) -> int:
    """Read the whole deployment as a snapshot does, and keep nothing; returns the bytes of it."""
    sink = _Dropped()
    read_snapshot(client, sink)
    return sum(sink.sizes)


def take(repository: Repository, client: Client, previous: Manifest | None) -> Manifest:
    """A whole snapshot, stored as differences from ``previous`` where there is one."""
    with repository.begin() as writer:
        sink = StoredDocuments(writer, previous, _untold)
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


def _untold(_expected_bytes: int, _namespaces: int, _namespaces_total: int) -> None:
    """Nobody watches."""
