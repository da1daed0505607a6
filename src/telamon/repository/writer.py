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
from threading import Condition, Lock
from types import TracebackType
from typing import Self

from telamon.blobs.base import BlobStore
from telamon.errors import IntegrityError, SnapshotExists, Unrecoverable
from telamon.model.manifest import ChunkRef, Manifest
from telamon.repository.codec import (
    MOST_BASES,
    EncodedChunk,
    encode,
    encode_delta,
    encrypt,
    is_delta,
    name_chunk,
)
from telamon.repository.cut import CutChunk, CutParameters, Cutter
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
        self._in_flight = _Budget(_IN_FLIGHT_BYTES)
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
        waiting: deque[Future[ChunkRef]] = deque()
        refs: list[ChunkRef] = []
        try:
            for buffer in buffers:
                for cut in cutter.feed(buffer):
                    if isinstance(cut, ChunkRef):
                        waiting.append(self._reuse(cut, lineage))
                    else:
                        waiting.append(self._submit(cut, lineage))
                while waiting and waiting[0].done():
                    refs.append(waiting.popleft().result())
            last = cutter.finish()
            if last is not None:
                waiting.append(self._submit(last, lineage))
            refs.extend(future.result() for future in waiting)
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

    def _reuse(self, known: ChunkRef, lineage: Lineage) -> Future[ChunkRef]:
        assert known.start is not None  # by which it was found
        lineage.ancestors(known.start, known.size_bytes)  # the stream has come past them
        self._claim(known.chunk_id, known.documents, known.size_bytes)
        done: Future[ChunkRef] = Future()
        done.set_result(known)
        return done

    def _submit(self, cut: CutChunk, lineage: Lineage) -> Future[ChunkRef]:
        start = chunk_start(cut.data)
        ancestors = lineage.ancestors(start, len(cut.data))
        held_bytes = self._in_flight.take(len(cut.data))
        try:
            self._raise_failure()
            future = self._pool.submit(self._store_chunk, cut, start, ancestors)
        except BaseException:
            self._in_flight.give_back(held_bytes)
            raise
        # Runs for cancelled chunks too, so that no other thread waits for them.
        future.add_done_callback(lambda _: self._in_flight.give_back(held_bytes))
        return future

    def _store_chunk(self, cut: CutChunk, start: int, ancestors: Sequence[ChunkRef]) -> ChunkRef:
        self._raise_failure()
        try:
            chunk_id = name_chunk(cut.data, self._keys.chunk_key)
            if self._claim(chunk_id, cut.documents, len(cut.data)):
                chunk = self._encode_delta(cut.data, ancestors) or encode(cut.data)
                if self._keys.cipher is not None:
                    chunk = encrypt(chunk, chunk_id, self._keys.cipher)
                self._count_stored(chunk)
                self._packs.append(chunk_id, chunk, len(cut.data))
        except BaseException as error:
            self._fail(error)
            raise
        return ChunkRef(
            chunk_id=chunk_id, documents=cut.documents, size_bytes=len(cut.data), start=start
        )

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

    def _claim(self, chunk_id: bytes, documents: int, raw_bytes: int) -> bool:
        """Count the chunk, and answer whether it falls to the caller to store it."""
        with self._lock:
            is_new = chunk_id not in self._claimed and self._index.find(chunk_id) is None
            if is_new:
                self._claimed.add(chunk_id)
            self._counts = replace(
                self._counts,
                documents=self._counts.documents + documents,
                raw_bytes=self._counts.raw_bytes + raw_bytes,
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


class _Budget:
    """Bytes that threads take before they hold them and give back after."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._taken_bytes = 0
        self._changed = Condition()

    def take(self, wanted_bytes: int) -> int:
        """Wait for the bytes, and answer how many are to be given back.

        What is more than the whole waits for the whole.
        """
        taking_bytes = min(wanted_bytes, self._most_bytes)
        with self._changed:
            self._changed.wait_for(lambda: self._taken_bytes + taking_bytes <= self._most_bytes)
            self._taken_bytes += taking_bytes
        return taking_bytes

    def give_back(self, taken_bytes: int) -> None:
        with self._changed:
            self._taken_bytes -= taken_bytes
            self._changed.notify_all()
