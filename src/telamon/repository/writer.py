"""Writing one snapshot: cut, name, leave out what is there, compress, pack, and commit last.

The calling threads cut; two threads of the writer's own hash and compress, which zstd and BLAKE3
do without Python's lock. A pack is in the store, durably, before the index knows its chunks, and
the index knows every chunk of the manifest before the manifest is written. So a crash at any point
leaves packs that nobody names, and never a manifest that names what is not there.
"""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import BoundedSemaphore, Lock
from types import TracebackType
from typing import Self

from telamon.blobs.base import BlobStore
from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef, Manifest
from telamon.repository.codec import EncodedChunk, encode, name_chunk
from telamon.repository.config import RepositoryConfig
from telamon.repository.cut import CutChunk, Cutter
from telamon.repository.index import Index
from telamon.repository.manifest import encode_manifest, manifest_key
from telamon.repository.pack import FinishedPack, PackBuilder, check_whole_pack

_THREADS = 2
_CHUNKS_IN_FLIGHT = 8
_SALTS = 8


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


class SnapshotWriter:
    """Takes the documents of one snapshot, then its manifest. A context manager.

    Left without ``commit``, it leaves no snapshot, and at most packs that nobody names. After the
    first error nothing can be committed.
    """

    def __init__(self, store: BlobStore, index: Index, config: RepositoryConfig) -> None:
        self._store = store
        self._index = index
        self._config = config
        self._packs = _PackStream(store, index)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="write-chunk")
        self._in_flight = BoundedSemaphore(_CHUNKS_IN_FLIGHT)
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

    def add(self, buffers: Iterable[bytes | memoryview]) -> tuple[ChunkRef, ...]:
        """Store the documents of one collection; answer its chunks in the documents' order.

        Each buffer holds whole documents. May be called by several threads at once; waits while
        the chunks in flight, of all threads, are as many as memory is set aside for. The bytes
        are durable only after ``commit``. Raises ``IntegrityError`` for bytes that are no
        documents, whatever the store raises, and whatever ``buffers`` does.
        """
        cutter = Cutter(self._config.cut)
        waiting: deque[Future[ChunkRef]] = deque()
        refs: list[ChunkRef] = []
        try:
            for buffer in buffers:
                for cut in cutter.feed(buffer):
                    waiting.append(self._submit(cut))
                while waiting and waiting[0].done():
                    refs.append(waiting.popleft().result())
            last = cutter.finish()
            if last is not None:
                waiting.append(self._submit(last))
            refs.extend(future.result() for future in waiting)
        except BaseException as error:
            self._fail(error)
            raise
        return tuple(refs)

    def commit(self, manifest: Manifest) -> None:
        """Make the snapshot exist. Call once, after every ``add`` has returned.

        Writing the very same manifest again changes nothing. Raises ``IntegrityError`` if the
        manifest names a chunk that is not stored or the snapshot exists with another manifest,
        and the first error of any ``add``; the snapshot does not exist then.
        """
        self._raise_failure()
        try:
            self._packs.flush()
            self._require_chunks(manifest)
            self._put_manifest(manifest)
        except BaseException as error:
            self._fail(error)
            raise

    def _submit(self, cut: CutChunk) -> Future[ChunkRef]:
        self._in_flight.acquire()
        try:
            self._raise_failure()
            future = self._pool.submit(self._store_chunk, cut)
        except BaseException:
            self._in_flight.release()
            raise
        # Runs for cancelled chunks too, so that no other thread waits for them.
        future.add_done_callback(lambda _: self._in_flight.release())
        return future

    def _store_chunk(self, cut: CutChunk) -> ChunkRef:
        self._raise_failure()
        try:
            chunk_id = name_chunk(cut.data, self._config.chunk_key)
            if self._claim(chunk_id, cut):
                chunk = encode(cut.data)
                with self._lock:
                    self._counts = replace(
                        self._counts, new_bytes=self._counts.new_bytes + len(chunk.stored)
                    )
                self._packs.append(chunk_id, chunk, len(cut.data))
        except BaseException as error:
            self._fail(error)
            raise
        return ChunkRef(chunk_id=chunk_id, documents=cut.documents, size_bytes=len(cut.data))

    def _claim(self, chunk_id: bytes, cut: CutChunk) -> bool:
        """Count the chunk, and answer whether it falls to the caller to store it."""
        with self._lock:
            is_new = chunk_id not in self._claimed and self._index.find(chunk_id) is None
            if is_new:
                self._claimed.add(chunk_id)
            self._counts = replace(
                self._counts,
                documents=self._counts.documents + cut.documents,
                raw_bytes=self._counts.raw_bytes + len(cut.data),
                chunks_new=self._counts.chunks_new + is_new,
                chunks_reused=self._counts.chunks_reused + (not is_new),
            )
        return is_new

    def _require_chunks(self, manifest: Manifest) -> None:
        for stored in manifest.collections:
            for chunk in stored.chunks:
                raw_bytes = self._index.locate(chunk.chunk_id).raw_bytes
                if raw_bytes != chunk.size_bytes:
                    raise IntegrityError(
                        f"Chunk {chunk.chunk_id.hex()} of {stored.spec.namespace} has {raw_bytes} "
                        f"bytes; the manifest to be written says {chunk.size_bytes}."
                    )

    def _put_manifest(self, manifest: Manifest) -> None:
        key = manifest_key(manifest.snapshot_id)
        blob = encode_manifest(manifest)
        if not self._store.put(key, blob) and self._store.get(key) != blob:
            raise IntegrityError(
                f"Snapshot {manifest.snapshot_id} exists already, with another manifest."
            )

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _PackStream:
    """The new chunks of all threads, collected in packs and put.

    One pack may be under way to the store while the next one fills, no more: a thread that fills
    the second waits for the first.
    """

    def __init__(self, store: BlobStore, index: Index) -> None:
        self._store = store
        self._index = index
        self._filling = PackBuilder()
        self._lock = Lock()
        self._putting = Lock()

    def append(self, chunk_id: bytes, chunk: EncodedChunk, raw_bytes: int) -> None:
        """Take a chunk; puts the pack that it fills."""
        with self._lock:
            self._filling.add(chunk_id, chunk, raw_bytes)
            if not self._filling.is_full:
                return
            full, self._filling = self._filling, PackBuilder()
        self._put(full)

    def flush(self) -> None:
        """Put what has been collected; when it returns, every chunk is in the index."""
        with self._lock:
            rest, self._filling = self._filling, PackBuilder()
        if not rest.is_empty:
            self._put(rest)

    def _put(self, builder: PackBuilder) -> None:
        with self._putting:
            for salt in range(_SALTS):
                pack = builder.finish(salt)
                if self._store.put(pack.key, pack.data) or self._is_unharmed(pack):
                    self._index.add_pack(pack.key, pack.index)
                    return
        raise IntegrityError(
            f"Pack {builder.finish(0).key} and its {_SALTS - 1} substitutes are damaged."
        )

    def _is_unharmed(self, pack: FinishedPack) -> bool:
        """Whether the blob that has this pack's name is this pack.

        A crash after a put leaves one, and so does damage to an index. Of a damaged one nothing
        is deleted, since other snapshots may still read from it.
        """
        try:
            check_whole_pack(pack.key, self._store.get(pack.key))
        except IntegrityError:
            return False
        return True
