"""Hashes of a collection's documents on their way out of Telamon, compared with what its chunks are named."""

from collections.abc import Sequence

from blake3 import blake3

from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef


class ContentHash:
    """Of documents that no manifest tells of: nothing to compare them with."""

    def __init__(self, key: bytes) -> None:
        self._hasher = blake3(key=key)

    def update(self, documents: bytes) -> None:
        """The next of them; large pieces are hashed without the interpreter's lock."""
        self._hasher.update(documents)

    def finish(self) -> str:
        """Hexadecimal, after the last of them."""
        return self._hasher.hexdigest()


class ChunkedContentHash:
    """Of the documents of ``chunks``, wherever the pieces they come in are cut.

    The hash is one of the chunks' ids, each made anew of the bytes that came. So it is known of the
    chunks that are left out, too: the first ``skipped`` of them.
    """

    def __init__(self, chunks: Sequence[ChunkRef], key: bytes, *, skipped: int = 0) -> None:
        self._chunks = chunks
        self._key = key
        self._position = skipped
        self._ids = blake3(key=key)
        for chunk in chunks[:skipped]:
            self._ids.update(chunk.chunk_id)
        self._hasher = blake3(key=key)
        self._hashed_bytes = 0

    def update(self, documents: bytes) -> None:
        """The next of them. Raises IntegrityError naming the first chunk whose bytes are others."""
        view = memoryview(documents)
        while view:
            if self._position == len(self._chunks):
                raise IntegrityError(f"There are {len(view)} bytes more than its chunks have.")
            missing = self._chunks[self._position].size_bytes - self._hashed_bytes
            piece = view[:missing]
            self._hasher.update(piece)
            self._hashed_bytes += len(piece)
            view = view[len(piece) :]
            if len(piece) == missing:
                self._end_chunk()

    def finish(self) -> str:
        """Hexadecimal, after the last of them. Raises IntegrityError if some have not come."""
        if self._position < len(self._chunks):
            missing = self._chunks[self._position].chunk_id.hex()
            raise IntegrityError(f"Chunk {missing} has not come whole.")
        return self._ids.hexdigest()

    def _end_chunk(self) -> None:
        digest = self._hasher.digest()
        expected = self._chunks[self._position].chunk_id
        if digest != expected:
            raise IntegrityError(f"Chunk {expected.hex()} came as {digest.hex()}.")
        self._ids.update(digest)
        self._position += 1
        self._hasher = blake3(key=self._key)
        self._hashed_bytes = 0
