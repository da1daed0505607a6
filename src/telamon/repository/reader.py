"""Chunks back from the store, proven by their names, a few of them ahead of the caller."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from telamon.blobs.base import BlobNotFound, BlobStore
from telamon.errors import IntegrityError, Unrecoverable
from telamon.model.manifest import ChunkRef
from telamon.repository.codec import decode, is_delta
from telamon.repository.index import Index, Location
from telamon.repository.keys import RepositoryKeys

_THREADS = 2
_CHUNKS_AHEAD = 4


class ChunkReader:
    """Reads chunks by their ids. May be used by any thread."""

    def __init__(self, store: BlobStore, index: Index, keys: RepositoryKeys) -> None:
        self._store = store
        self._index = index
        self._keys = keys

    def read(self, chunk_id: bytes) -> bytes:
        """The chunk's raw bytes, from the first of its copies that is unharmed.

        Raises ``IntegrityError`` naming the chunk, and the pack where it was looked for first.
        """
        first = self._index.locate(chunk_id)
        try:
            return self.read_at(first, chunk_id)
        except Unrecoverable:
            for copy in self._index.find_copies(chunk_id):
                with suppress(Unrecoverable):
                    return self.read_at(copy, chunk_id)
            raise

    def read_at(self, location: Location, chunk_id: bytes) -> bytes:
        """As ``read``, from one place."""
        try:
            stored = self._store.get_range(
                location.pack_key, location.offset, location.stored_bytes
            )
            return self.decode(stored, location, chunk_id)
        except (BlobNotFound, IntegrityError) as error:
            raise IntegrityError(
                f"Chunk {chunk_id.hex()} cannot be read from {location.pack_key}: {error.message}"
            ) from error

    def decode(self, stored: bytes, location: Location, chunk_id: bytes) -> bytes:
        """The raw bytes of what is ``stored`` at the location; reads the bases of a delta."""
        return decode(
            stored,
            encoding=location.encoding,
            chunk_id=chunk_id,
            raw_bytes=location.raw_bytes,
            key=self._keys.chunk_key,
            cipher=self._keys.cipher,
            bases=[self._read_base(base_id) for base_id in location.base_ids],
        )

    def read_all(self, chunks: Sequence[ChunkRef]) -> Generator[bytes]:
        """The raw bytes of each chunk, in order.

        At most a handful of chunks is in memory. Chunks before a damaged one are still given.
        Raises ``IntegrityError`` as ``read`` does, and for a chunk that is not of the length that
        its snapshot says.
        """
        ahead: deque[Future[bytes]] = deque()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-chunk")
        try:
            for chunk in chunks:
                ahead.append(pool.submit(self._read_ref, chunk))
                if len(ahead) > _CHUNKS_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _read_ref(self, chunk: ChunkRef) -> bytes:
        raw = self.read(chunk.chunk_id)
        if len(raw) != chunk.size_bytes:
            raise IntegrityError(
                f"Chunk {chunk.chunk_id.hex()} has {len(raw)} bytes; "
                f"its snapshot says {chunk.size_bytes}."
            )
        return raw

    def _read_base(self, base_id: bytes) -> bytes:
        # A base that is a delta would make a chain, and a ring of them would have no end.
        places = [self._index.locate(base_id), *self._index.find_copies(base_id)]
        failure: Unrecoverable = IntegrityError(f"Its base {base_id.hex()} is a delta itself.")
        for place in places:
            if not is_delta(place.encoding):
                try:
                    return self.read_at(place, base_id)
                except Unrecoverable as error:
                    failure = error
        raise failure
