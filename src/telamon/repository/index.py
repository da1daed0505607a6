"""Where each chunk of the repository is, as the packs themselves say."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from telamon.blobs.base import BlobInfo, BlobNotFound, BlobStore
from telamon.errors import IntegrityError, UnknownFormat
from telamon.repository.pack import (
    FOOTER_BYTES,
    PACK_PREFIX,
    check_index,
    is_pack_key,
    iterate_records,
    parse_footer,
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
        self._packs: dict[str, bytes] = {}
        self._places: dict[bytes, tuple[str, int]] = {}
        self._unreadable: dict[str, str] = {}

    def refresh(self) -> None:
        """Learn of packs that came and went. Reads the index of those not seen yet, only.

        Raises ``Unavailable`` if the store does.
        """
        with self._refreshing:
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

    def add_pack(self, key: str, index: bytes) -> None:
        """Take up the chunks of a pack that is in the store, from the bytes of its index."""
        with self._lock:
            if key not in self._packs:
                self._packs[key] = index
                self._add_places(key, index)

    def find(self, chunk_id: bytes) -> Location | None:
        """Where the chunk is; None if no readable pack seen so far has it."""
        with self._lock:
            place = self._places.get(chunk_id)
            if place is None:
                return None
            key, number = place
            index = self._packs[key]
        record = read_record(index, number)
        return Location(
            pack_key=key,
            offset=record.offset,
            stored_bytes=record.stored_bytes,
            raw_bytes=record.raw_bytes,
            encoding=record.encoding,
        )

    def locate(self, chunk_id: bytes) -> Location:
        """As ``find``; raises ``IntegrityError`` naming the chunk and every unreadable pack."""
        location = self.find(chunk_id)
        if location is None:
            raise IntegrityError(
                " ".join([f"Chunk {chunk_id.hex()} is in no readable pack.", *self._reasons()])
            )
        return location

    def _reasons(self) -> Iterator[str]:
        with self._lock:
            yield from [self._unreadable[key] for key in sorted(self._unreadable)]

    def _read_pack(self, info: BlobInfo) -> None:
        key = info.key
        footer_start = max(0, info.size_bytes - FOOTER_BYTES)
        try:
            end = self._store.get_range(key, footer_start, info.size_bytes - footer_start)
            footer = parse_footer(key, end, info.size_bytes)
            index = self._store.get_range(key, footer.index_offset, footer.index_bytes)
            check_index(key, index, footer)
        except BlobNotFound:
            return
        except (IntegrityError, UnknownFormat) as error:
            with self._lock:
                self._unreadable[key] = error.message
            return
        self.add_pack(key, index)

    def _forget(self, gone: set[str]) -> None:
        """Drop packs that the store does not hold any more."""
        if not gone:
            return
        with self._lock:
            for key in gone:
                self._packs.pop(key, None)
                self._unreadable.pop(key, None)
            self._places = {}
            for key, index in self._packs.items():
                self._add_places(key, index)

    def _add_places(self, key: str, index: bytes) -> None:
        for number, record in enumerate(iterate_records(index)):
            self._places.setdefault(record.chunk_id, (key, number))
