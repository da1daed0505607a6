"""Chunks back from the store, proven by their names, a few of them ahead of the caller."""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from telamon.blobs.base import BlobNotFound, BlobStore
from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef
from telamon.repository.codec import decode
from telamon.repository.index import Index

_THREADS = 2
_CHUNKS_AHEAD = 4


def read_chunk(store: BlobStore, index: Index, key: bytes, chunk: ChunkRef) -> bytes:
    """The chunk's raw bytes; ``key`` is the one chunks are named with.

    Raises ``IntegrityError`` naming the chunk, and the pack where it was looked for.
    """
    location = index.locate(chunk.chunk_id)
    try:
        stored = store.get_range(location.pack_key, location.offset, location.stored_bytes)
        raw = decode(
            stored,
            encoding=location.encoding,
            chunk_id=chunk.chunk_id,
            raw_bytes=location.raw_bytes,
            key=key,
        )
    except (BlobNotFound, IntegrityError) as error:
        raise IntegrityError(
            f"Chunk {chunk.chunk_id.hex()} cannot be read from {location.pack_key}: {error.message}"
        ) from error
    if len(raw) != chunk.size_bytes:
        raise IntegrityError(
            f"Chunk {chunk.chunk_id.hex()} has {len(raw)} bytes; "
            f"its snapshot says {chunk.size_bytes}."
        )
    return raw


def read_chunks(
    store: BlobStore, index: Index, key: bytes, chunks: Sequence[ChunkRef]
) -> Generator[bytes]:
    """The raw bytes of each chunk, in order, as ``read_chunk`` gives them.

    At most a handful of chunks is in memory. Chunks before a damaged one are still given.
    """
    ahead: deque[Future[bytes]] = deque()
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="read-chunk")
    try:
        for chunk in chunks:
            ahead.append(pool.submit(read_chunk, store, index, key, chunk))
            if len(ahead) > _CHUNKS_AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
