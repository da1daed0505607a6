"""Chunks between the thread that cuts them and those that store them: in which portions, and how many."""

from collections.abc import Iterable, Iterator
from threading import Condition

from telamon.model.manifest import ChunkRef
from telamon.repository.cut import CutChunk

_GROUP_BYTES = 1024 * 1024
"""That much, or a chunk more, goes from thread to thread at once: waking one costs as much as a chunk."""


def groups(cuts: Iterable[CutChunk | ChunkRef]) -> Iterator[list[CutChunk | ChunkRef]]:
    """What is worth a thread's while, in order."""
    group: list[CutChunk | ChunkRef] = []
    group_bytes = 0
    for cut in cuts:
        group.append(cut)
        group_bytes += len(cut.data) if isinstance(cut, CutChunk) else 0
        if group_bytes >= _GROUP_BYTES:
            yield group
            group, group_bytes = [], 0
    if group:
        yield group


class Budget:
    """Bytes that threads take before they hold them and give back after."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._taken_bytes = 0
        self._changed = Condition()

    def take(self, wanted_bytes: int) -> int:
        """Wait for the bytes, and answer how many are to be given back.

        What is more than the whole waits for the whole.
        """
        taking_bytes = min(wanted_bytes, self._most_bytes)
        with self._changed:
            if self._taken_bytes + taking_bytes > self._most_bytes:
                left_bytes = min(self._most_bytes // 2, self._most_bytes - taking_bytes)
                self._changed.wait_for(lambda: self._taken_bytes <= left_bytes)
            self._taken_bytes += taking_bytes
        return taking_bytes

    def give_back(self, taken_bytes: int) -> None:
        with self._changed:
            self._taken_bytes -= taken_bytes
            if self._taken_bytes <= self._most_bytes // 2:
                self._changed.notify_all()
