"""Chunks back from the store, proven by their names, a few of them ahead of the caller."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from telamon.blobs.base import BlobNotFound, BlobStore
from telamon.errors import IntegrityError, Unrecoverable
from telamon.model.manifest import ChunkRef
from telamon.repository.codec import decode, is_delta
from telamon.repository.index import Index, Location
from telamon.repository.keys import RepositoryKeys

_THREADS = 2
_GROUPS_AHEAD = 2
_GROUP_BYTES = 4 * 1024 * 1024
_SPAN_BYTES = 4 * 1024 * 1024


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
        bases = [self._read_base(base_id) for base_id in location.base_ids]
        return self._decode(stored, location, chunk_id, bases)

    def read_all(self, chunks: Sequence[ChunkRef]) -> Generator[bytes]:
        """The raw bytes of each chunk, in order.

        Chunks that lie near each other come in one read, a few reads ahead of the caller; what is
        in memory stays below some tens of megabytes. Chunks before a damaged one are still given.
        Raises ``IntegrityError`` as ``read`` does, and for a chunk that is not of the length that
        its snapshot says.
        """
        ahead: deque[Future[list[bytes | Unrecoverable]]] = deque()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-chunk")
        try:
            for group in self._groups(chunks):
                ahead.append(pool.submit(self._read_group, group))
                if len(ahead) > _GROUPS_AHEAD:
                    yield from _raised(ahead.popleft().result())
            while ahead:
                yield from _raised(ahead.popleft().result())
        finally:
            pool.shutdown(cancel_futures=True)

    def _groups(self, chunks: Sequence[ChunkRef]) -> Iterator[list[ChunkRef]]:
        """Runs of chunks whose documents fit in the memory that is set aside for them."""
        group: list[ChunkRef] = []
        raw_bytes = 0
        for chunk in chunks:
            if group and raw_bytes + chunk.size_bytes > _GROUP_BYTES:
                yield group
                group, raw_bytes = [], 0
            group.append(chunk)
            raw_bytes += chunk.size_bytes
        if group:
            yield group

    def _read_group(self, group: Sequence[ChunkRef]) -> list[bytes | Unrecoverable]:
        """Each chunk, or what is wrong with it."""
        places = {chunk.chunk_id: self._index.find(chunk.chunk_id) for chunk in group}
        base_ids = {
            base_id: self._index.find(base_id)
            for place in places.values()
            if place is not None
            for base_id in place.base_ids
        }
        bases = self._decoded(self._fetch(base_ids), {})
        found = self._decoded(self._fetch(places), bases)
        results: list[bytes | Unrecoverable] = []
        for chunk in group:
            try:
                results.append(self._checked(chunk, found.get(chunk.chunk_id)))
            except Unrecoverable as error:
                results.append(error)
        return results

    def _fetch(
        self, places: Mapping[bytes, Location | None]
    ) -> Iterator[tuple[bytes, Location, bytes]]:
        """Id, place and stored bytes of what could be read, neighbours in one read."""
        known = [(place, chunk_id) for chunk_id, place in places.items() if place is not None]
        known.sort(key=lambda pair: (pair[0].pack_key, pair[0].offset))
        while known:
            first = known[0][0]
            span = [
                (place, chunk_id)
                for place, chunk_id in known
                if place.pack_key == first.pack_key
                and place.offset + place.stored_bytes - first.offset <= _SPAN_BYTES
            ] or known[:1]
            known = known[len(span) :]
            end = max(place.offset + place.stored_bytes for place, _ in span)
            try:
                data = self._store.get_range(first.pack_key, first.offset, end - first.offset)
            except Unrecoverable:
                continue  # each of them is looked for by itself
            for place, chunk_id in span:
                start = place.offset - first.offset
                yield chunk_id, place, data[start : start + place.stored_bytes]

    def _decoded(
        self, fetched: Iterable[tuple[bytes, Location, bytes]], bases: Mapping[bytes, bytes]
    ) -> dict[bytes, bytes]:
        """The raw bytes of what is unharmed."""
        found = {}
        for chunk_id, place, stored in fetched:
            if all(base_id in bases for base_id in place.base_ids):
                with suppress(Unrecoverable):
                    found[chunk_id] = self._decode(
                        stored, place, chunk_id, [bases[base_id] for base_id in place.base_ids]
                    )
        return found

    def _checked(self, chunk: ChunkRef, raw: bytes | None) -> bytes:
        if raw is None:
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

    def _decode(
        self, stored: bytes, location: Location, chunk_id: bytes, bases: Sequence[bytes]
    ) -> bytes:
        return decode(
            stored,
            encoding=location.encoding,
            chunk_id=chunk_id,
            raw_bytes=location.raw_bytes,
            key=self._keys.chunk_key,
            cipher=self._keys.cipher,
            bases=bases,
        )


def _raised(results: Iterable[bytes | Unrecoverable]) -> Iterator[bytes]:
    """Every result up to the first error, which is raised."""
    for result in results:
        if isinstance(result, Unrecoverable):
            raise result
        yield result
