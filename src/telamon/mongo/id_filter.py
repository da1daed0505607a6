"""Which ids are surely not among many."""

from xxhash import xxh3_64_intdigest

_BITS_PER_ID = 64  # so that of 64 other ids one is looked for in vain
_FEWEST_BITS = 1 << 16
_MOST_BITS = 1 << 28  # 32 MiB; beyond four million ids more are looked for in vain


class IdFilter:
    """Tells quickly of most ids that they are not among those that were added. Of bounded size."""

    def __init__(self, count: int) -> None:
        wanted = min(max(count * _BITS_PER_ID, _FEWEST_BITS), _MOST_BITS)
        self._mask = (1 << (wanted - 1).bit_length()) - 1
        self._bits = bytearray((self._mask + 1) // 8)

    def add(self, id_: bytes) -> None:
        bit = xxh3_64_intdigest(id_) & self._mask
        self._bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, id_: bytes) -> bool:
        bit = xxh3_64_intdigest(id_) & self._mask
        return bool(self._bits[bit >> 3] & 1 << (bit & 7))
