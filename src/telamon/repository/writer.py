"""Writing one snapshot: cut, name, leave out what is there, compress, pack, and commit last.

The calling threads cut; two threads of the writer's own hash and compress, which zstd and BLAKE3
do without Python's lock. A pack is in the store, durably, before the index knows its chunks, and
the index knows every chunk of the manifest before the manifest is written. So a crash at any point
leaves packs that nobody names, and never a manifest that names what is not there.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock
from types import TracebackType
from typing import Self

from telamon.blobs.base import BlobStore
from telamon.errors import IntegrityError, SnapshotExists, Unrecoverable
from telamon.model.manifest import ChunkRef, Manifest
from telamon.repository.codec import (
    MOST_BASES,
    EncodedChunk,
    encode_all,
    encode_delta,
    encrypt,
    is_delta,
    name_chunk,
)
from telamon.repository.cut import CutChunk, CutParameters, Cutter
from telamon.repository.in_flight import Budget, groups
from telamon.repository.index import Index, Location
from telamon.repository.keys import RepositoryKeys
from telamon.repository.lineage import Lineage, chunk_start
from telamon.repository.manifest import decode_manifest, encode_manifest, manifest_key
from telamon.repository.pack_stream import PackStream
from telamon.repository.reader import ChunkReader
from telamon.repository.recognize import Recognizer

_THREADS = 2
_IN_FLIGHT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCounts:
    """What a snapshot has taken so far."""

    documents: int = 0
    raw_bytes: int = 0
    """Of all its documents, before compression."""
    chunks_new: int = 0
    chunks_reused: int = 0
    """Chunks whose bytes the repository, or this snapshot, had already."""
    new_bytes: int = 0
    """Of its new chunks, as they are stored."""
    delta_chunks: int = 0
    """New chunks that are stored as a difference from older ones."""
    delta_bytes: int = 0
    """Of those, as they are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewChunk:
    """One that was cut, and is on its way into a pack unless its bytes are there already."""

    data: bytes
    documents: int
    start: int
    ancestors: tuple[ChunkRef, ...]


class SnapshotWriter:
    """Takes the documents of one snapshot, then its manifest. A context manager.

    Left without ``commit``, it leaves no snapshot, and at most packs that nobody names. After the
    first error nothing can be committed.
    """

    def __init__(
        self, store: BlobStore, index: Index, cut: CutParameters, keys: RepositoryKeys
    ) -> None:
        self._store = store
        self._index = index
        self._cut = cut
        self._keys = keys
        self._reader = ChunkReader(store, index, keys)
        self._packs = PackStream(store, index)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="write-chunk")
        self._in_flight = Budget(_IN_FLIGHT_BYTES)
        self._lock = Lock()
        self._claimed: set[bytes] = set()
        self._counts = WriteCounts()
        self._failure: BaseException | None = None

    @property
    def counts(self) -> WriteCounts:
        """As of now; whole once every ``add`` has returned."""
        return self._counts

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def add(
        self, buffers: Iterable[bytes | memoryview], previous: Sequence[ChunkRef] = ()
    ) -> tuple[ChunkRef, ...]:
        """Store the documents of one collection; answer its chunks in the documents' order.

        Each buffer holds whole documents. ``previous`` are the collection's chunks in an earlier
        snapshot, in order: what changed little since then is stored as a difference from them. May
        be called by several threads at once; waits while the chunks in flight, of all threads, take
        the memory that is set aside for them. The bytes are durable only after ``commit``. Raises
        ``IntegrityError`` for bytes that are no documents, whatever the store raises, and whatever
        ``buffers`` does.
        """
        lineage = Lineage(previous)
        recognizer = Recognizer(lineage, self._index, self._keys.chunk_key)
        cutter = Cutter(self._cut, recognizer if previous else None)
        waiting: deque[Future[list[ChunkRef]]] = deque()
        refs: list[ChunkRef] = []
        try:
            for buffer in buffers:
                for group in groups(cutter.feed(buffer)):
                    waiting.append(self._submit(group, lineage))
                while waiting and waiting[0].done():
                    refs.extend(waiting.popleft().result())
            last = cutter.finish()
            if last is not None:
                waiting.append(self._submit([last], lineage))
            for future in waiting:
                refs.extend(future.result())
        except BaseException as error:
            self._fail(error)
            raise
        return tuple(refs)

    def documents(self, chunks: Sequence[ChunkRef]) -> Generator[bytes]:
        """The documents of chunks that were added or are in the repository, a chunk at a time.

        For whoever finds, while the snapshot is being taken, that some of them changed. Raises
        ``IntegrityError`` as ``Repository.documents`` does; close it if it is not read to its end.
        """
        if any(self._index.find(chunk.chunk_id) is None for chunk in chunks):
            self._packs.flush()
        yield from self._reader.read_all(chunks)

    def commit(self, manifest: Manifest, confirm: Callable[[], None] = lambda: None) -> None:
        """Make the snapshot exist. Call once, after every ``add`` has returned.

        ``confirm`` is called just before. Writing the very same manifest again changes nothing.
        Raises ``IntegrityError`` if the manifest names a chunk that is not stored, what ``confirm``
        does, and the first error of any ``add``; the snapshot does not exist then. Raises
        ``SnapshotExists`` if it exists with another manifest.
        """
        self._raise_failure()
        try:
            self._packs.flush()
            self._require_chunks(manifest)
            confirm()
            self._put_manifest(manifest)
        except BaseException as error:
            self._fail(error)
            raise

    def _submit(
        self, group: Sequence[CutChunk | ChunkRef], lineage: Lineage
    ) -> Future[list[ChunkRef]]:
        waiting = [self._follow(cut, lineage) for cut in group]
        held_bytes = self._in_flight.take(
            sum(len(one.data) for one in waiting if isinstance(one, _NewChunk))
        )
        try:
            self._raise_failure()
            future = self._pool.submit(self._keep, waiting)
        except BaseException:
            self._in_flight.give_back(held_bytes)
            raise
        # Runs for cancelled ones too, so that no other thread waits for them.
        future.add_done_callback(lambda _: self._in_flight.give_back(held_bytes))
        return future

    def _follow(self, cut: CutChunk | ChunkRef, lineage: Lineage) -> _NewChunk | ChunkRef:
        if isinstance(cut, ChunkRef):
            assert cut.start is not None  # by which it was found
            lineage.ancestors(cut.start, cut.size_bytes)  # the stream has come past them
            return cut
        start = chunk_start(cut.data)
        ancestors = lineage.ancestors(start, len(cut.data))
        return _NewChunk(data=cut.data, documents=cut.documents, start=start, ancestors=ancestors)

    def _keep(self, group: Sequence[_NewChunk | ChunkRef]) -> list[ChunkRef]:
        self._raise_failure()
        try:
            refs = [self._named(one) if isinstance(one, _NewChunk) else one for one in group]
            new = [
                (ref, one)
                for ref, one in zip(refs, group, strict=True)
                if self._claim(ref) and isinstance(one, _NewChunk)
            ]
            chunks = self._encode([one for _, one in new])
            for (ref, _), chunk in zip(new, chunks, strict=True):
                self._append(ref, chunk)
        except BaseException as error:
            self._fail(error)
            raise
        return refs

    def _named(self, new: _NewChunk) -> ChunkRef:
        return ChunkRef(
            chunk_id=name_chunk(new.data, self._keys.chunk_key),
            documents=new.documents,
            size_bytes=len(new.data),
            start=new.start,
        )

    def _append(self, ref: ChunkRef, chunk: EncodedChunk) -> None:
        if self._keys.cipher is not None:
            chunk = encrypt(chunk, ref.chunk_id, self._keys.cipher)
        self._count_stored(chunk)
        self._packs.append(ref.chunk_id, chunk, ref.size_bytes)

    def _encode(self, new: Sequence[_NewChunk]) -> list[EncodedChunk]:
        deltas = [self._encode_delta(one.data, one.ancestors) for one in new]
        rest = [one.data for one, delta in zip(new, deltas, strict=True) if delta is None]
        whole = iter(encode_all(rest))
        return [delta or next(whole) for delta in deltas]

    def _encode_delta(self, raw: bytes, ancestors: Sequence[ChunkRef]) -> EncodedChunk | None:
        """None where there is nothing to differ from, or not enough is the same."""
        bases = self._whole_chunks(ancestors)
        if not bases:
            return None
        try:
            documents = [self._reader.read_at(place, base_id) for base_id, place in bases.items()]
        except Unrecoverable:
            return None  # the chunk is here, whole; what is damaged is for a check to find
        return encode_delta(raw, tuple(bases), documents)

    def _whole_chunks(self, ancestors: Sequence[ChunkRef]) -> dict[bytes, Location]:
        """Chunks that can be bases: the ancestors, or the bases of those that are deltas."""
        whole: dict[bytes, Location] = {}
        for ancestor in ancestors:
            place = self._index.find(ancestor.chunk_id)
            if place is None:
                continue
            for base_id in place.base_ids or (ancestor.chunk_id,):
                base_place = self._index.find(base_id)
                if base_place is not None and not is_delta(base_place.encoding):
                    whole.setdefault(base_id, base_place)
        return dict(list(whole.items())[:MOST_BASES])

    def _count_stored(self, chunk: EncodedChunk) -> None:
        delta = is_delta(chunk.encoding)
        with self._lock:
            self._counts = replace(
                self._counts,
                new_bytes=self._counts.new_bytes + len(chunk.stored),
                delta_chunks=self._counts.delta_chunks + delta,
                delta_bytes=self._counts.delta_bytes + (len(chunk.stored) if delta else 0),
            )

    def _claim(self, chunk: ChunkRef) -> bool:
        """Count the chunk, and answer whether it falls to the caller to store it."""
        with self._lock:
            is_new = (
                chunk.chunk_id not in self._claimed and self._index.find(chunk.chunk_id) is None
            )
            if is_new:
                self._claimed.add(chunk.chunk_id)
            self._counts = replace(
                self._counts,
                documents=self._counts.documents + chunk.documents,
                raw_bytes=self._counts.raw_bytes + chunk.size_bytes,
                chunks_new=self._counts.chunks_new + is_new,
                chunks_reused=self._counts.chunks_reused + (not is_new),
            )
        return is_new

    def _require_chunks(self, manifest: Manifest) -> None:
        for stored in manifest.collections:
            for chunk in stored.chunks:
                place = self._index.locate(chunk.chunk_id)
                if place.raw_bytes != chunk.size_bytes:
                    raise IntegrityError(
                        f"Chunk {chunk.chunk_id.hex()} of {stored.spec.namespace} has "
                        f"{place.raw_bytes} bytes; the manifest to be written says "
                        f"{chunk.size_bytes}."
                    )
                for base_id in place.base_ids:
                    self._index.locate(base_id)

    def _put_manifest(self, manifest: Manifest) -> None:
        key = manifest_key(manifest.snapshot_id)
        blob = encode_manifest(manifest, self._keys.cipher)
        if not self._store.put(key, blob) and self._present(key, manifest.snapshot_id) != manifest:
            raise SnapshotExists(
                f"Snapshot {manifest.snapshot_id} exists already, with another manifest."
            )

    def _present(self, key: str, snapshot_id: str) -> Manifest:
        return decode_manifest(snapshot_id, self._store.get(key), self._keys.cipher)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
