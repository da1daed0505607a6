"""A chunk as its difference from older chunks: which of their documents it copies, and the rest.

Random updates touch nearly every chunk, each in a document or two. Documents are compared whole and
found again by their first element, so a changed document costs itself, an inserted or deleted
one moves nothing, and untouched documents are never looked into. The bytes that are not copied,
the literals, are compressed with the base's uncopied bytes as dictionary: those are, as a rule, the
older versions of the same documents. docs/repository-format.md has the byte table.
"""

import struct
import threading

import zstandard

from telamon.errors import IntegrityError
from telamon.repository.deciding import deciding_bytes

_COUNT = struct.Struct("<I")
_STEP = struct.Struct("<III")
_LENGTH = struct.Struct("<i")
_ZSTD_LEVEL = 3
_SHORTEST_DICTIONARY_BYTES = 8
_FIRST_STRIDE_BYTES = 4096
_NEAR_DOCUMENTS = 4

Step = tuple[int, int, int]
"""Bytes of literals to take, then where in the base to copy from, and how many bytes."""


def difference(raw: bytes, base: bytes) -> bytes | None:
    """What ``combine`` needs to make ``raw`` of ``base``; both are whole documents, one after another.

    None where less than half of ``raw`` can be copied: it is better stored by itself.
    """
    comparison = _Comparison(raw, base)
    if not comparison.run():
        return None
    literals = b"".join(comparison.literals)
    frame = _compress(literals, _uncopied(base, comparison.steps))
    steps = b"".join(_STEP.pack(*step) for step in comparison.steps)
    return _COUNT.pack(len(comparison.steps)) + steps + frame


def combine(stored: bytes, base: bytes, raw_bytes: int) -> bytes:
    """The ``raw_bytes`` bytes that ``difference`` was given. Whether they are is for a hash to say.

    Raises ``IntegrityError`` for bytes that are no difference from this base.
    """
    try:
        (count,) = _COUNT.unpack_from(stored)
        frame_start = _COUNT.size + count * _STEP.size
        steps = list(_STEP.iter_unpack(stored[_COUNT.size : frame_start]))
        if len(steps) != count or any(start + length > len(base) for _, start, length in steps):
            raise IntegrityError("its copies lie outside its base")
        if sum(length for _, _, length in steps) > raw_bytes:
            raise IntegrityError("it has more bytes than it must have")
        literals = _decompress(stored[frame_start:], _uncopied(base, steps), raw_bytes)
    except (struct.error, zstandard.ZstdError) as error:
        raise IntegrityError("it is no difference from its base") from error
    pieces = []
    position = 0
    for literal_bytes, start, length in steps:
        pieces += [literals[position : position + literal_bytes], base[start : start + length]]
        position += literal_bytes
    return b"".join([*pieces, literals[position:]])


class _Comparison:
    """One walk over ``raw`` with a place in ``base`` that goes along."""

    def __init__(self, raw: bytes, base: bytes) -> None:
        self._raw = raw
        self._base = base
        self._places: dict[bytes | memoryview, int] | None = None
        self.literals: list[bytes] = []
        self.steps: list[Step] = []

    def run(self) -> bool:
        """Fill ``literals`` and ``steps``; False as soon as the literals are half of the chunk."""
        raw, base = self._raw, self._base
        here = there = literal_bytes = pending = 0
        while here < len(raw):
            copied = self._equal_documents(here, there)
            if copied:
                self.steps.append((pending, there, copied))
                pending = 0
                here += copied
                there += copied
                continue
            (length,) = _LENGTH.unpack_from(raw, here)
            place = self._find(here, length, there)
            if place is None:
                place = there  # inserted: the base waits
            elif place == there:
                place = there + _LENGTH.unpack_from(base, there)[0]  # changed
            elif self._is_equal(here, length, place):
                there = place  # what lies between was deleted
                continue
            else:
                place += _LENGTH.unpack_from(base, place)[0]
            there = place
            self.literals.append(raw[here : here + length])
            here += length
            pending += length
            literal_bytes += length
            if 2 * literal_bytes > len(raw):
                return False
        return True

    def _is_equal(self, here: int, length: int, there: int) -> bool:
        return self._raw[here : here + length] == self._base[there : there + length]

    def _equal_documents(self, here: int, there: int) -> int:
        """Bytes of the whole documents from ``here`` on that are the same from ``there`` on."""
        raw = self._raw
        if there >= len(self._base):
            return 0
        (first,) = _LENGTH.unpack_from(raw, here)
        if not self._is_equal(here, first, there):
            return 0
        end = here + _common_bytes(raw, here, self._base, there)
        if end == len(raw):
            return end - here
        position = here
        while (after := position + _LENGTH.unpack_from(raw, position)[0]) <= end:
            position = after
            if position == len(raw):
                break
        return position - here

    def _find(self, here: int, length: int, there: int) -> int | None:
        """Where the base has a document with this one's first element; ``there`` is tried first."""
        wanted = deciding_bytes(self._raw, here, length)
        base = self._base
        position = there
        for _ in range(_NEAR_DOCUMENTS):
            if position >= len(base):
                break
            (base_length,) = _LENGTH.unpack_from(base, position)
            if deciding_bytes(base, position, base_length) == wanted:
                return position
            position += base_length
        if self._places is None:
            self._places = _places(self._base)
        return self._places.get(wanted)


def _common_bytes(one: bytes, start: int, other: bytes, offset: int) -> int:
    """How many bytes are equal from ``start`` and ``offset`` on.

    Compares stretches, first longer and longer ones, then halves of the one that differs: a
    comparison of slices is many times faster than any loop over bytes.
    """
    limit = min(len(one) - start, len(other) - offset)
    low = high = 0
    stride = _FIRST_STRIDE_BYTES
    while low < limit:
        high = min(low + stride, limit)
        if one[start + low : start + high] != other[offset + low : offset + high]:
            break
        low, stride = high, 2 * stride
    else:
        return limit
    while high - low > 1:
        middle = (low + high) // 2
        if one[start + low : start + middle] == other[offset + low : offset + middle]:
            low = middle
        else:
            high = middle
    return low


def _places(base: bytes) -> dict[bytes | memoryview, int]:
    """Where each document begins, by its first element; the first one where several share it."""
    places: dict[bytes | memoryview, int] = {}
    position = 0
    while position < len(base):
        (length,) = _LENGTH.unpack_from(base, position)
        places.setdefault(deciding_bytes(base, position, length), position)
        position += length
    return places


def _uncopied(base: bytes, steps: list[Step]) -> bytes:
    """The stretches of the base that no step copies, in order."""
    pieces = []
    position = 0
    for start, length in sorted((start, length) for _, start, length in steps):
        if start > position:
            pieces.append(base[position:start])
        position = max(position, start + length)
    pieces.append(base[position:])
    return b"".join(pieces)


class _Plain(threading.local):
    """Contexts without a dictionary: costly to make, and not to be shared by threads at work."""

    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_plain = _Plain()


def _dictionary(uncopied: bytes) -> zstandard.ZstdCompressionDict | None:
    if len(uncopied) < _SHORTEST_DICTIONARY_BYTES:
        return None
    return zstandard.ZstdCompressionDict(uncopied, dict_type=zstandard.DICT_TYPE_RAWCONTENT)


def _compress(literals: bytes, uncopied: bytes) -> bytes:
    dictionary = _dictionary(uncopied)
    if dictionary is None:
        return _plain.compressor.compress(literals)
    # Told only the literals' length, zstd takes tables too small for the dictionary, and a window
    # that does not reach back over all of it.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _ZSTD_LEVEL, source_size=len(literals) + len(uncopied)
    )
    compressor = zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters)
    return compressor.compress(literals)


def _decompress(frame: bytes, uncopied: bytes, raw_bytes: int) -> bytes:
    if zstandard.frame_content_size(frame) > raw_bytes:
        raise IntegrityError("it has more bytes than it must have")
    dictionary = _dictionary(uncopied)
    decompressor = (
        _plain.decompressor
        if dictionary is None
        else zstandard.ZstdDecompressor(dict_data=dictionary)
    )
    return decompressor.decompress(frame, allow_extra_data=False)
