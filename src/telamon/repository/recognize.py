"""Chunks of the previous snapshot that come again, told without a look at their documents."""

from telamon.model.manifest import ChunkRef
from telamon.repository.codec import name_chunk
from telamon.repository.index import Index
from telamon.repository.lineage import Lineage, chunk_start

# Where one chunk has changed, the next ones are likely to: that many are not asked for.
_PASSED_OVER = 4


class Recognizer:
    """What a ``Cutter`` asks of the chunks along a ``lineage``. For one thread.

    A chunk is expected where one began with the same document before, and is known again by its
    name, which is a hash of all its bytes.
    """

    def __init__(self, lineage: Lineage, index: Index, chunk_key: bytes) -> None:
        self._lineage = lineage
        self._index = index
        self._chunk_key = chunk_key
        self._passing_over = 0

    def expect(self, data: bytes, start: int) -> ChunkRef | None:
        """The chunk that began with the document at ``start``; None if none did that is stored."""
        if self._passing_over:
            self._passing_over -= 1
            return None
        found = self._lineage.find(chunk_start(data, start))
        if found is None or self._index.find(found.chunk_id) is None:
            return None
        return found

    def confirm(self, chunk: ChunkRef, piece: memoryview) -> bool:
        """Whether these are the bytes of the chunk that was expected."""
        is_same = name_chunk(piece, self._chunk_key) == chunk.chunk_id
        if not is_same:
            self._passing_over = _PASSED_OVER
        return is_same
