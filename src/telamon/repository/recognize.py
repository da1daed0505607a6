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
        self._expected: ChunkRef | None = None
        self._passing_over = 0

    def expect(self, data: bytes, start: int) -> int:
        """How many bytes the chunk had that began with the document at ``start``; 0: none that is stored."""
        if self._passing_over:
            self._passing_over -= 1
            return 0
        found = self._lineage.find(chunk_start(data, start))
        if found is None or self._index.find(found.chunk_id) is None:
            return 0
        self._expected = found
        return found.size_bytes

    def confirm(self, piece: memoryview) -> ChunkRef | None:
        """The chunk that was expected, if these are its bytes."""
        expected, self._expected = self._expected, None
        if expected is not None and name_chunk(piece, self._chunk_key) == expected.chunk_id:
            return expected
        self._passing_over = _PASSED_OVER
        return None
