"""Which chunks of the previous snapshot a new chunk is likely to be a small change of."""

from collections.abc import Sequence

from xxhash import xxh3_64_intdigest

from telamon.model.manifest import ChunkRef
from telamon.repository.deciding import deciding_bytes

_LENGTH_BYTES = 4
# After this many chunks that begin at no known document, what comes is taken for all new.
_MOST_UNKNOWN = 2


def chunk_start(raw: bytes, position: int = 0) -> int:
    """What a manifest keeps of a chunk's first document, at ``position``: a hash of its first element."""
    length = int.from_bytes(raw[position : position + _LENGTH_BYTES], "little")
    return xxh3_64_intdigest(deciding_bytes(raw, position, length))


class Lineage:
    """Follows one stream of new chunks along the previous snapshot's. For one thread."""

    def __init__(self, previous: Sequence[ChunkRef]) -> None:
        self._previous = previous
        self._positions = {
            chunk.start: position
            for position, chunk in enumerate(previous)
            if chunk.start is not None
        }
        self._next = 0
        self._unknown = 0 if self._positions else _MOST_UNKNOWN

    def find(self, start: int) -> ChunkRef | None:
        """The previous chunk that began with the same document, told by its ``chunk_start``."""
        position = self._positions.get(start)
        return None if position is None else self._previous[position]

    def ancestors(self, start: int, raw_bytes: int) -> tuple[ChunkRef, ...]:
        """The previous chunks that the next chunk of the stream covers, in their order.

        ``start`` is its ``chunk_start``. A chunk whose first document is new begins somewhere in the
        last ancestor of the chunk before it, or right after.
        """
        position = self._positions.get(start)
        missing = raw_bytes
        if position is not None:
            self._unknown = 0
        elif self._unknown < _MOST_UNKNOWN:
            self._unknown += 1
            position = max(self._next - 1, 0)
            missing += self._previous[position].size_bytes
        else:
            return ()
        first = position
        while missing > 0 and position < len(self._previous):
            missing -= self._previous[position].size_bytes
            position += 1
        self._next = position
        return tuple(self._previous[first:position])
