"""A blob store that misbehaves as it is told, over any store that does not.

::

    store = FaultyStore(MemoryBlobStore(), Fail("put", nth=3), FlippedBit("get", prefix="packs/"))

A fault happens to calls of one method: those for keys (for ``list``: prefixes) that begin with its
``prefix`` are counted from 1, and it happens to the ``nth`` and, of ``times`` altogether, to those
after it; ``times=None`` means every one from the nth on. Several faults may happen to one call, in
the order given.

=================  ==============================================================================
``Fail``           raises ``error(key)`` (default: Unavailable) before anything is done, or with
                   ``lost_answer=True`` once it is done: the answer is lost, what was asked for is not.
                   A ``list`` then breaks off behind its last blob
``Hold``           the call sets ``reached`` and goes on once the test sets ``released``
``ShortRead``      ``get`` or ``get_range`` answers with fewer bytes than there are
``FlippedBit``     ``get`` or ``get_range`` answers with one bit wrong
``LostPut``        ``put`` answers True and stores nothing
``HalfPut``        ``put`` stores the first half, and answers as if it were all
=================  ==============================================================================

How much is cut off and which bit is wrong follows from ``seed``. What the medium holds is not
touched by a fault of reading: a second look may find it whole.

``new_keys_lag`` and ``deleted_keys_lag`` are for stores whose listings come late: a key put through
this store is missing from so many of the listings that should have it, a deleted one is still in
so many of those that should not. ``calls`` has each call's method and key or prefix, in order.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Literal

from telamon.blobs.base import BlobInfo, BlobStore, Data
from telamon.errors import Unavailable

Method = Literal["put", "get", "get_range", "list", "delete", "size"]
READS: tuple[Method, ...] = ("get", "get_range")
HOLD_LIMIT_SECONDS = 30


class CrashError(BaseException):
    """The process ends here; nothing in the program catches this."""


def medium_error(key: str) -> Unavailable:
    return Unavailable(f"Cannot reach {key}: the test says so.")


@dataclass(frozen=True)
class Fault:
    """What happens to some calls; as it stands, nothing."""

    method: Method
    nth: int = field(default=1, kw_only=True)
    times: int | None = field(default=1, kw_only=True)
    prefix: str = field(default="", kw_only=True)

    def happens_to(self, count: int) -> bool:
        return self.nth <= count and (self.times is None or count < self.nth + self.times)

    def before(self, key: str) -> None:
        """When nothing has been done yet."""

    def after(self, key: str) -> None:
        """When all has been done, and nothing answered."""

    def stored(self, data: Data) -> Data | None:
        """What is really put; None if nothing is."""
        return data

    def read(self, data: bytes, chance: random.Random) -> bytes:
        """What is answered instead of ``data``."""
        return data


@dataclass(frozen=True)
class Fail(Fault):
    error: Callable[[str], BaseException] = field(default=medium_error, kw_only=True)
    lost_answer: bool = field(default=False, kw_only=True)

    def before(self, key: str) -> None:
        if not self.lost_answer:
            raise self.error(key)

    def after(self, key: str) -> None:
        if self.lost_answer:
            raise self.error(key)


@dataclass(frozen=True)
class Hold(Fault):
    reached: Event = field(default_factory=Event, kw_only=True)
    released: Event = field(default_factory=Event, kw_only=True)

    def before(self, key: str) -> None:
        self.reached.set()
        assert self.released.wait(HOLD_LIMIT_SECONDS), f"Nobody released {self.method} of {key}."


@dataclass(frozen=True)
class _WrongRead(Fault):
    def __post_init__(self) -> None:
        assert self.method in READS


@dataclass(frozen=True)
class ShortRead(_WrongRead):
    def read(self, data: bytes, chance: random.Random) -> bytes:
        return data[: chance.randrange(len(data))] if data else data


@dataclass(frozen=True)
class FlippedBit(_WrongRead):
    def read(self, data: bytes, chance: random.Random) -> bytes:
        if not data:
            return data
        position = chance.randrange(len(data))
        wrong = data[position] ^ (1 << chance.randrange(8))
        return data[:position] + bytes([wrong]) + data[position + 1 :]


@dataclass(frozen=True)
class LostPut(Fault):
    method: Method = "put"

    def stored(self, data: Data) -> Data | None:
        return None


@dataclass(frozen=True)
class HalfPut(Fault):
    method: Method = "put"

    def stored(self, data: Data) -> Data | None:
        view = memoryview(data).cast("B")
        return bytes(view[: len(view) // 2])


class WrappedStore:
    """A ``BlobStore`` that hands everything on."""

    def __init__(self, inner: BlobStore) -> None:
        self.inner = inner

    def put(self, key: str, data: Data) -> bool:
        return self.inner.put(key, data)

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        return self.inner.get_range(key, start, length)

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def size(self, key: str) -> int:
        return self.inner.size(key)


class FaultyStore(WrappedStore):
    """See the module's text. Any thread may call; faults count calls in the order they begin."""

    def __init__(
        self,
        inner: BlobStore,
        *faults: Fault,
        seed: int = 0,
        new_keys_lag: int = 0,
        deleted_keys_lag: int = 0,
    ) -> None:
        super().__init__(inner)
        self.calls: list[tuple[Method, str]] = []
        self._faults = faults
        self._counts = [0] * len(faults)
        self._chance = random.Random(seed)
        self._new = _Lag(new_keys_lag)
        self._deleted = _Lag(deleted_keys_lag)
        self._lock = Lock()

    def put(self, key: str, data: Data) -> bool:
        due = self._begin("put", key)
        stored = self._put(key, data, due)
        self._end(key, due)
        return stored

    def get(self, key: str) -> bytes:
        due = self._begin("get", key)
        data = self._read(super().get(key), due)
        self._end(key, due)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        due = self._begin("get_range", key)
        data = self._read(super().get_range(key, start, length), due)
        self._end(key, due)
        return data

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        """Begins, and meets its faults, when the first blob is asked for."""
        due = self._begin("list", prefix)
        with self._lock:
            yet_missing = self._new.pass_listing(prefix)
            still_there = self._deleted.pass_listing(prefix)
        found = {info.key: info for info in super().list(prefix)}
        for key in yet_missing:
            found.pop(key, None)
        yield from (info for _, info in sorted({**still_there, **found}.items()))
        self._end(prefix, due)

    def delete(self, key: str) -> None:
        due = self._begin("delete", key)
        deleted = [info for info in super().list(key) if info.key == key]
        with self._lock:
            self._new.forget(key)
            for info in deleted:
                self._deleted.start(info)
        super().delete(key)
        self._end(key, due)

    def size(self, key: str) -> int:
        due = self._begin("size", key)
        size_bytes = super().size(key)
        self._end(key, due)
        return size_bytes

    def _put(self, key: str, data: Data, due: tuple[Fault, ...]) -> bool:
        stored: Data | None = data
        for fault in due:
            stored = None if stored is None else fault.stored(stored)
        if stored is None:
            return True
        is_new = super().put(key, stored)
        if is_new:
            with self._lock:
                self._new.start(BlobInfo(key=key, size_bytes=len(memoryview(stored).cast("B"))))
                self._deleted.forget(key)
        return is_new

    def _begin(self, method: Method, key: str) -> tuple[Fault, ...]:
        with self._lock:
            self.calls.append((method, key))
            due = tuple(self._due(method, key))
        for fault in due:
            fault.before(key)
        return due

    def _due(self, method: Method, key: str) -> Iterator[Fault]:
        for number, fault in enumerate(self._faults):
            if fault.method == method and key.startswith(fault.prefix):
                self._counts[number] += 1
                if fault.happens_to(self._counts[number]):
                    yield fault

    def _read(self, data: bytes, due: tuple[Fault, ...]) -> bytes:
        with self._lock:
            for fault in due:
                data = fault.read(data, self._chance)
        return data

    def _end(self, key: str, due: tuple[Fault, ...]) -> None:
        for fault in due:
            fault.after(key)


class _Lag:
    """Blobs that so many more listings are wrong about."""

    def __init__(self, listings: int) -> None:
        self._listings = listings
        self._left: dict[str, tuple[int, BlobInfo]] = {}

    def start(self, info: BlobInfo) -> None:
        self._left[info.key] = (self._listings, info)

    def forget(self, key: str) -> None:
        self._left.pop(key, None)

    def pass_listing(self, prefix: str) -> dict[str, BlobInfo]:
        """Those that the listing of ``prefix`` that begins now is wrong about."""
        wrong = {}
        for key, (left, info) in list(self._left.items()):
            if not key.startswith(prefix):
                continue
            if left == 0:
                del self._left[key]
            else:
                self._left[key] = (left - 1, info)
                wrong[key] = info
        return wrong
