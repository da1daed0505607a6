"""What a snapshot reads, on its way into the repository."""

from collections.abc import Callable, Iterator
from contextlib import closing

from telamon.model.manifest import ChunkRef, CollectionSpec, Manifest, StoredCollection
from telamon.mongo.reading import Change
from telamon.repository.writer import SnapshotWriter

Chunks = tuple[ChunkRef, ...]
Progress = Callable[[int, int, int], None]
"""Told after every batch and every collection: bytes expected in all, namespaces read, all namespaces."""


class StoredDocuments:
    """Where the documents of each collection have gone. Called from several threads."""

    def __init__(
        self, writer: SnapshotWriter, previous: Manifest | None, progress: Progress
    ) -> None:
        """What changed little since ``previous`` is stored as a difference from it."""
        self._writer = writer
        self._previous = previous
        self._progress = progress
        self._parts: dict[bytes | None, dict[int, Chunks]] = {}
        self._expected: dict[bytes | None, int] = {}
        self._expected_bytes = 0
        self._ended: set[bytes | None] = set()

    def begin(self, spec: CollectionSpec, expected_bytes: int) -> None:
        self._parts[spec.uuid] = {}
        self._expected_bytes += expected_bytes - self._expected.get(spec.uuid, 0)
        self._expected[spec.uuid] = expected_bytes
        self._ended.discard(spec.uuid)

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        """Called with several parts of one collection at once."""
        chunks = self._writer.add(self._watched(batches), self._before(spec))
        self._parts[spec.uuid][part] = chunks

    def end(self, spec: CollectionSpec) -> None:
        self._ended.add(spec.uuid)
        self._note()

    def change(self, spec: CollectionSpec, change: Change) -> None:
        with closing(self._writer.documents(self._chunks(spec))) as documents:
            chunks = self._writer.add(change(documents), self._before(spec))
        self._parts[spec.uuid] = {0: chunks}

    def collection(self, spec: CollectionSpec) -> StoredCollection:
        """What was stored of a collection; one without documents, such as a view, has no chunks."""
        return StoredCollection(spec=spec, chunks=self._chunks(spec))

    def _chunks(self, spec: CollectionSpec) -> Chunks:
        parts = self._parts.get(spec.uuid, {})
        return tuple(chunk for number in sorted(parts) for chunk in parts[number])

    def _before(self, spec: CollectionSpec) -> Chunks:
        stored = None if self._previous is None else self._previous.find(spec)
        return () if stored is None else stored.chunks

    def _watched(self, batches: Iterator[bytes]) -> Iterator[bytes]:
        for batch in batches:
            yield batch
            self._note()

    def _note(self) -> None:
        self._progress(self._expected_bytes, len(self._ended), len(self._expected))
