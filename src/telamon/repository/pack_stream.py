"""The new chunks of all threads of a writer, collected in packs and put."""

from threading import Lock

from telamon.blobs.base import BlobStore
from telamon.errors import IntegrityError
from telamon.repository.codec import EncodedChunk
from telamon.repository.index import Index
from telamon.repository.pack import FinishedPack, PackBuilder, check_whole_pack

_SALTS = 8


class PackStream:
    """May be used by any thread.

    One pack may be under way to the store while the next one fills, no more: a thread that fills
    the second waits for the first.
    """

    def __init__(self, store: BlobStore, index: Index) -> None:
        self._store = store
        self._index = index
        self._filling = PackBuilder()
        self._lock = Lock()
        self._putting = Lock()
        self.keys: set[str] = set()
        """Of the packs that were put, those included that were there already."""

    def append(self, chunk_id: bytes, chunk: EncodedChunk, raw_bytes: int) -> None:
        """Take a chunk; puts the pack that it fills."""
        with self._lock:
            self._filling.add(chunk_id, chunk, raw_bytes)
            if not self._filling.is_full:
                return
            full, self._filling = self._filling, PackBuilder()
        self._put(full)

    def flush(self) -> None:
        """Put what has been collected; when it returns, every chunk is in the index."""
        with self._lock:
            rest, self._filling = self._filling, PackBuilder()
        if not rest.is_empty:
            self._put(rest)

    def _put(self, builder: PackBuilder) -> None:
        with self._putting:
            for salt in range(_SALTS):
                pack = builder.finish(salt)
                if self._store.put(pack.key, pack.data) or self._is_unharmed(pack):
                    self._index.add_pack(pack.key, pack.index)
                    self.keys.add(pack.key)
                    return
        raise IntegrityError(
            f"Pack {builder.finish(0).key} and its {_SALTS - 1} substitutes are damaged."
        )

    def _is_unharmed(self, pack: FinishedPack) -> bool:
        """Whether the blob that has this pack's name is this pack.

        A crash after a put leaves one, and so does damage to an index. Of a damaged one nothing
        is deleted, since other snapshots may still read from it.
        """
        try:
            check_whole_pack(pack.key, self._store.get(pack.key))
        except IntegrityError:
            return False
        return True
