"""Where a stream of documents is cut into chunks: the documents themselves decide.

A chunk starts at a document that is *chosen*: ``xxh3_64`` of its whole ``_id`` element falls below
a limit that grows with the document's length. Whether a document is chosen depends on its
``_id``, on the number of binary digits of its length, and on the target of the chunk before it;
not on its position or its neighbours. Chosen documents are passed over until the chunk has half
its target, and a chunk ends before the document that would take it past four times the target.

Re-synchronisation: what follows a cut depends only on the documents that follow it. So two streams
that end in the same documents have the same cuts from the first one they share, and they come to
share one at the next chosen document that lies far enough from the last cut of both: after an
insert, a delete or an update, usually one or two chunks later. docs/repository-format.md has the
rule in numbers.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

from xxhash import xxh3_64_intdigest

from telamon.errors import IntegrityError
from telamon.model.manifest import ChunkRef
from telamon.repository.deciding import (
    ID_START,
    OBJECT_ID_END,
    OBJECT_ID_START,
    deciding_bytes,
)

_INT32 = struct.Struct("<i")
_SHORTEST_DOCUMENT_BYTES = 5
_HASH_RANGE = 1 << 64
# The largest target keeps a chunk's length, four times as much, inside 32 bits.
_TARGETS_BYTES = range(2, 1 << 28)
# The zero byte that ends a document, and of the next one its length; its first element's start and
# value, too, if that is an ObjectId. One call in C where each field would be one.
_ZERO_LENGTH = struct.Struct("<Bi")
_ZERO_LENGTH_ID = struct.Struct("<Bi5s12s")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutParameters:
    """The numbers of the rule. Fixed for the life of a repository: others find no equal chunks."""

    target_bytes: int
    """Mean length of a chunk, nearly."""
    large_target_bytes: int
    """The same for a chunk whose first document is large."""
    large_document_bytes: int
    """A document longer than this is large."""

    def __post_init__(self) -> None:
        numbers = (self.target_bytes, self.large_target_bytes, self.large_document_bytes)
        if not all(type(number) is int and number in _TARGETS_BYTES for number in numbers):
            raise ValueError(f"No chunks can be cut by {self}.")


USUAL_CUT = CutParameters(
    target_bytes=256 * 1024, large_target_bytes=1024 * 1024, large_document_bytes=16 * 1024
)
"""What a repository is created with, unless its creator says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CutChunk:
    """One or more whole documents of the stream."""

    data: bytes
    documents: int


class EarlierChunks(Protocol):
    """Those of a stream that was cut before, which this one may be nearly the same as."""

    def expect(self, data: bytes, start: int) -> ChunkRef | None:
        """The chunk that began with the document at ``start``; None if none did."""
        ...

    def confirm(self, chunk: ChunkRef, piece: memoryview) -> bool:
        """Whether these are the bytes of the chunk that was expected."""
        ...


class _Rule:
    """The limits that follow from one target."""

    __slots__ = ("chosen_below", "maximum_bytes", "minimum_bytes")

    def __init__(self, target_bytes: int) -> None:
        self.minimum_bytes = target_bytes // 2
        self.maximum_bytes = target_bytes * 4
        # Beyond the minimum, a chunk goes on for another half target on average. Lengths of one
        # bit length count alike, as the middle of their range: 3/4 of the power of two above.
        self.chosen_below = tuple(
            min(_HASH_RANGE, (3 << bits) * _HASH_RANGE // (4 * (target_bytes - target_bytes // 2)))
            for bits in range(33)
        )


class Cutter:
    """Cuts one stream that arrives in buffers; one object per stream, for one thread.

    With ``earlier`` chunks, those that come again are told by their bytes as a whole, which takes a
    small part of the time of a walk over their documents. Where the cuts are stays the same.
    """

    def __init__(self, parameters: CutParameters, earlier: EarlierChunks | None = None) -> None:
        self._earlier = earlier
        self._large_document_bytes = parameters.large_document_bytes
        self._usual = _Rule(parameters.target_bytes)
        self._large = _Rule(parameters.large_target_bytes)
        self._rule = self._usual
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._documents = 0
        self._last_bytes = 0

    def feed(self, buffer: bytes | bytearray | memoryview) -> list[CutChunk | ChunkRef]:
        """The chunks that these whole documents finish, in order; often none.

        An earlier chunk that has come again is given as what is known of it. Keeps no reference to ``buffer``. Raises ``IntegrityError`` where its bytes are not whole
        documents one after the other; the object is of no use then.
        """
        data = buffer if isinstance(buffer, bytes) else bytes(buffer)
        chunks: list[CutChunk | ChunkRef] = []
        start = 0
        try:
            while True:
                while (known := self._recognize(data, start)) is not None:
                    chunks.append(known)
                    start += known.size_bytes
                cut = self._find_cut(data, start)
                if cut is None:
                    break
                chunks.append(self._finish_chunk(data[start:cut]))
                start = cut
        except (IndexError, struct.error) as error:
            raise IntegrityError("A document ends beyond the bytes that were read.") from error
        self._hold(data[start:])
        return chunks

    def finish(self) -> CutChunk | None:
        """The last chunk; None if the stream had no documents after the last one fed."""
        return self._finish_chunk(b"") if self._held_bytes else None

    def _recognize(self, data: bytes, start: int) -> ChunkRef | None:
        """The earlier chunk at ``start``, if it is there whole and ends where the rule says."""
        if self._earlier is None or self._held_bytes or start == len(data):
            return None
        chunk = self._earlier.expect(data, start)
        if chunk is None:
            return None
        end = start + chunk.size_bytes
        is_there = self._may_end(data, start, end) and self._earlier.confirm(
            chunk, memoryview(data)[start:end]
        )
        return chunk if is_there else None

    def _may_end(self, data: bytes, start: int, end: int) -> bool:
        """Whether a chunk from ``start`` ends at ``end``, if that is where a document does.

        The document that follows decides, so it must be here. If none begins there, what is read
        means nothing, and ``confirm`` is what tells.
        """
        if end + _INT32.size > len(data):
            return False
        length = int(_INT32.unpack_from(data, end)[0])
        if length < _SHORTEST_DOCUMENT_BYTES or end + length > len(data):
            return False
        rule = self._rule_at(data, start)
        if end + length - start > rule.maximum_bytes:
            return True
        if end - start < rule.minimum_bytes:
            return False
        chosen = xxh3_64_intdigest(deciding_bytes(data, end, length))
        return chosen < rule.chosen_below[length.bit_length()]

    def _rule_at(self, data: bytes, start: int) -> _Rule:
        """That of the chunk whose first document is at ``start``."""
        is_large = _INT32.unpack_from(data, start)[0] > self._large_document_bytes
        return self._large if is_large else self._usual

    def _find_cut(self, data: bytes, start: int) -> int | None:
        """Where in ``data`` the chunk ends that has its bytes from ``start`` on; None: not in it.

        Counts the chunk's documents on the way. The loops here and below are the program's hottest.
        They leave every check of the buffer's end to the indexing itself, and look at the byte that
        ends a document when they read the length of the next one.
        """
        end = len(data)
        origin = start - self._held_bytes
        if start == origin and start < end:
            self._rule = self._rule_at(data, start)
        rule = self._rule
        position = self._pass_whole(data, start, min(end, origin + rule.minimum_bytes))
        length = self._last_bytes
        if length and position - origin > rule.maximum_bytes and position - length > origin:
            self._documents -= 1
            return position - length
        return self._find_chosen(data, position, origin + rule.maximum_bytes)

    def _pass_whole(self, data: bytes, position: int, fence: int) -> int:
        """Pass over documents up to ``fence``, where none is chosen; answers the end of the last."""
        self._last_bytes = length = 0
        documents = self._documents
        if position < fence:
            position += (length := _length_at(data, position))
            documents += 1
        unpack = _ZERO_LENGTH.unpack_from
        while position < fence:
            zero, length = unpack(data, position - 1)
            if zero or length < _SHORTEST_DOCUMENT_BYTES:
                raise _malformed(length)
            position += length
            documents += 1
        if length and data[position - 1]:
            raise _malformed(length)
        self._documents = documents
        self._last_bytes = length
        return position

    def _find_chosen(self, data: bytes, position: int, last_end: int) -> int | None:
        """As ``_find_cut``, from a ``position`` where the chunk may end; it must by ``last_end``."""
        while position < len(data):
            for pass_over in (self._pass_object_ids, self._pass_others):
                is_cut, position = pass_over(data, position, last_end)
                if is_cut:
                    return position
        return None

    def _pass_object_ids(self, data: bytes, position: int, last_end: int) -> tuple[bool, int]:
        """Pass over documents whose ``_id`` is an ObjectId, as nearly all are.

        Answers where it came to, and whether the chunk ends there. Stops short of the buffer's end,
        and does not begin at its start, where there is no byte before.
        """
        if not position:
            return False, position
        unpack = _ZERO_LENGTH_ID.unpack_from
        digest = xxh3_64_intdigest
        chosen_below = self._rule.chosen_below
        longest = below = 0
        documents = self._documents
        before = position
        fence = min(last_end, len(data) - OBJECT_ID_END)
        while position <= fence:
            zero, length, start, value = unpack(data, position - 1)
            if zero or length <= OBJECT_ID_END or start != OBJECT_ID_START:
                break
            if length > longest:
                longest, below = length, chosen_below[length.bit_length()]
            # Most are above the limit of the longest, and need not be asked for their own.
            chosen = digest(start + value)
            if chosen < below and chosen < chosen_below[length.bit_length()]:
                self._documents = documents
                return True, position
            before = position
            position += length
            documents += 1
        is_beyond = position > last_end
        if is_beyond and before < position:
            position, documents = before, documents - 1
        elif position > before and data[position - 1]:
            raise _malformed(position - before)
        self._documents = documents
        return is_beyond, position

    def _pass_others(self, data: bytes, position: int, last_end: int) -> tuple[bool, int]:
        """As ``_pass_object_ids``, over at least one document and up to the next ObjectId."""
        has_object_id = data.startswith
        while position < len(data):
            length = _length_at(data, position)
            after = position + length
            if data[after - 1]:
                raise _malformed(length)
            chosen = xxh3_64_intdigest(deciding_bytes(data, position, length))
            if chosen < self._rule.chosen_below[length.bit_length()] or after > last_end:
                return True, position
            position = after
            self._documents += 1
            if has_object_id(OBJECT_ID_START, position + ID_START):
                break
        return False, position

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._pieces.append(rest)
            self._held_bytes += len(rest)

    def _finish_chunk(self, last_piece: bytes) -> CutChunk:
        # Most chunks lie in one buffer: to join one piece would copy it again.
        data = b"".join([*self._pieces, last_piece]) if self._pieces else last_piece
        chunk = CutChunk(data=data, documents=self._documents)
        self._pieces = []
        self._held_bytes = 0
        self._documents = 0
        return chunk


def _length_at(data: bytes, position: int) -> int:
    length = int(_INT32.unpack_from(data, position)[0])
    if length < _SHORTEST_DOCUMENT_BYTES:
        raise _malformed(length)
    return length


def _malformed(length: int) -> IntegrityError:
    if length < _SHORTEST_DOCUMENT_BYTES:
        return IntegrityError(f"A document gives its length as {length} bytes.")
    return IntegrityError(f"A document of {length} bytes does not end in a zero byte.")
