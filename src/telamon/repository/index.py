"""Where each chunk of the repository is, as the packs themselves say."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from telamon.blobs.base import BlobInfo, BlobNotFound, BlobStore
from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.config import require_present
from telamon.repository.pack import (
    FOOTER_BYTES,
    PACK_PREFIX,
    PackIndex,
    is_pack_key,
    iterate_chunk_ids,
    parse_footer,
    parse_index,
    read_record,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The bytes of one chunk."""

    pack_key: str
    offset: int
    stored_bytes: int
    raw_bytes: int
    encoding: int
    base_ids: tuple[bytes, ...] = ()
    """Of a delta: the chunks without which it cannot be read, in order."""


_Place = tuple[str, int]


class Index:
    """All chunks of the packs seen so far. Every method may be called by any thread.

    One damaged pack does not stop what stands elsewhere: it is remembered, and named when a chunk
    is wanted that no other pack has.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self._lock = Lock()
        self._refreshing = Lock()
        # A chunk takes its 48 bytes of the pack's own index and one entry of a dict: the key of the
        # pack, and the number of the record in it. Repositories have millions of chunks.
        self._packs: dict[str, PackIndex] = {}
        self._places: dict[bytes, _Place] = {}
        # Of chunks that several packs have, the other places; few do.
        self._copies: dict[bytes, list[_Place]] = {}
        self._unreadable: dict[str, str] = {}

    def refresh(self) -> None:
        """Learn of packs that came and went. Reads the index of those not seen yet, only.

        Raises ``Unavailable`` if the store does, or has no repository any more.
        """
        with self._refreshing:
            require_present(self._store)
            with self._lock:
                known = self._packs.keys() | self._unreadable.keys()
            listed = {
                info.key: info for info in self._store.list(PACK_PREFIX) if is_pack_key(info.key)
            }
            # Only what was known before the listing can be missing from it by being gone.
            self._forget(known - listed.keys())
            for key, info in listed.items():
                if key not in known:
                    self._read_pack(info)

    def add_pack(self, key: str, index: PackIndex) -> None:
        """Take up the chunks of a pack that is in the store."""
        with self._lock:
            if key not in self._packs:
                self._packs[key] = index
                self._add_places(key, index)

    def packs(self) -> dict[str, PackIndex]:
        """Every readable pack seen so far, by its key."""
        with self._lock:
            return dict(self._packs)

    def unreadable(self) -> dict[str, str]:
        """What is wrong with each pack whose index cannot be read, by its key."""
        with self._lock:
            return dict(self._unreadable)

    def find(self, chunk_id: bytes) -> Location | None:
        """Where the chunk is; None if no readable pack seen so far has it."""
        with self._lock:
            place = self._places.get(chunk_id)
            return None if place is None else self._location(place)

    def find_copies(self, chunk_id: bytes) -> list[Location]:
        """Where else the chunk is, besides the place that ``find`` gives."""
        with self._lock:
            return [self._location(place) for place in self._copies.get(chunk_id, ())]

    def locate(self, chunk_id: bytes) -> Location:
        """As ``find``; raises ``IntegrityError`` naming the chunk and every unreadable pack.

        ``Unavailable`` where it is the whole repository that is gone.
        """
        location = self.find(chunk_id)
        if location is None:
            require_present(self._store)
            raise IntegrityError(
                " ".join([f"Chunk {chunk_id.hex()} is in no readable pack.", *self._reasons()])
            )
        return location

    def _location(self, place: _Place) -> Location:
        key, number = place
        record = read_record(self._packs[key], number)
        return Location(
            pack_key=key,
            offset=record.offset,
            stored_bytes=record.stored_bytes,
            raw_bytes=record.raw_bytes,
            encoding=record.encoding,
            base_ids=record.base_ids,
        )

    def _reasons(self) -> Iterator[str]:
        with self._lock:
            yield from [self._unreadable[key] for key in sorted(self._unreadable)]

    def _read_pack(self, info: BlobInfo) -> None:
        try:
            try:
                index = self._fetch_index(info)
            except IntegrityError:
                # Bytes may be harmed on their way: what a second look finds whole is whole.
                index = self._fetch_index(info)
        except BlobNotFound:
            return
        except (IntegrityError, UnknownFormat) as error:
            with self._lock:
                self._unreadable[info.key] = error.message
            return
        self.add_pack(info.key, index)

    def _fetch_index(self, info: BlobInfo) -> PackIndex:
        key = info.key
        footer_start = max(0, info.size_bytes - FOOTER_BYTES)
        end = self._store.get_range(key, footer_start, info.size_bytes - footer_start)
        footer = parse_footer(key, end, info.size_bytes)
        blob = self._store.get_range(key, footer.index_offset, footer.index_bytes)
        return parse_index(key, blob, footer)

    def _forget(self, gone: set[str]) -> None:
        """Drop packs that the store does not hold any more."""
        if not gone:
            return
        with self._lock:
            for key in gone:
                self._packs.pop(key, None)
                self._unreadable.pop(key, None)
            self._places = {}
            self._copies = {}
            for key, index in self._packs.items():
                self._add_places(key, index)

    def _add_places(self, key: str, index: PackIndex) -> None:
        for number, chunk_id in enumerate(iterate_chunk_ids(index)):
            place = (key, number)
            if self._places.setdefault(chunk_id, place) is not place:
                self._copies.setdefault(chunk_id, []).append(place)
