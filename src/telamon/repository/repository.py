"""A repository: its snapshots, and the documents in them."""

from collections.abc import Callable, Generator
from typing import Self

from telamon.blobs.base import BlobNotFound, BlobStore
from telamon.errors import ConfigurationError
from telamon.model.manifest import Manifest, StoredCollection
from telamon.repository.codec import CHUNK_KEY_BYTES
from telamon.repository.config import (
    CONFIG_KEY,
    REPOSITORY_ID_BYTES,
    RepositoryConfig,
    decode_config,
    encode_config,
)
from telamon.repository.cut import USUAL_CUT, CutParameters
from telamon.repository.index import Index
from telamon.repository.manifest import MANIFEST_PREFIX, decode_manifest, manifest_key
from telamon.repository.reader import read_chunks
from telamon.repository.writer import SnapshotWriter


class Repository:
    """Made by ``create`` or ``open``. Every method may be called by any thread."""

    def __init__(self, store: BlobStore, config: RepositoryConfig) -> None:
        self._store = store
        self._config = config
        self._index = Index(store)

    @classmethod
    def create(
        cls,
        store: BlobStore,
        random_bytes: Callable[[int], bytes],
        cut: CutParameters = USUAL_CUT,
    ) -> Self:
        """Make an empty repository in ``store``.

        ``random_bytes`` gives as many unpredictable bytes as it is asked for: the repository's id
        and its secret key come from it. Raises ``ConfigurationError`` if there is a repository.
        """
        config = RepositoryConfig(
            repository_id=random_bytes(REPOSITORY_ID_BYTES).hex(),
            chunk_key=random_bytes(CHUNK_KEY_BYTES),
            cut=cut,
        )
        if not store.put(CONFIG_KEY, encode_config(config)):
            raise ConfigurationError(
                "There is a repository here already. Open it, or choose an empty place."
            )
        return cls(store, config)

    @classmethod
    def open(cls, store: BlobStore) -> Self:
        """The repository in ``store``.

        Raises ``ConfigurationError`` if there is none, ``IntegrityError`` if its config is
        damaged, ``UnknownFormat`` if a later program made it.
        """
        try:
            blob = store.get(CONFIG_KEY)
        except BlobNotFound as error:
            raise ConfigurationError(
                "There is no repository here. Create one, or check the place it is looked for."
            ) from error
        return cls(store, decode_config(blob))

    @property
    def repository_id(self) -> str:
        """32 hexadecimal digits, the same for the life of the repository."""
        return self._config.repository_id

    def begin(self) -> SnapshotWriter:
        """A writer of one snapshot, which knows every chunk that is stored now."""
        self._index.refresh()
        return SnapshotWriter(self._store, self._index, self._config)

    def snapshot_ids(self) -> tuple[str, ...]:
        """Every snapshot there is, in the order of the ids."""
        return tuple(
            info.key.removeprefix(MANIFEST_PREFIX) for info in self._store.list(MANIFEST_PREFIX)
        )

    def has_manifest(self, snapshot_id: str) -> bool:
        """Whether the snapshot exists."""
        try:
            self._store.size(manifest_key(snapshot_id))
        except BlobNotFound:
            return False
        return True

    def manifest(self, snapshot_id: str) -> Manifest:
        """Raises ``BlobNotFound`` if there is no such snapshot, ``IntegrityError`` for damage."""
        return decode_manifest(snapshot_id, self._store.get(manifest_key(snapshot_id)))

    def documents(self, stored: StoredCollection) -> Generator[bytes]:
        """The collection's documents in natural order, each item those of one chunk.

        Every item has been proven to be the bytes that were stored. Raises ``IntegrityError``
        naming the first chunk that is not, after the chunks before it. Close the iterator if it
        is not read to its end: it reads ahead in threads of its own.
        """
        if any(self._index.find(chunk.chunk_id) is None for chunk in stored.chunks):
            self._index.refresh()
        yield from read_chunks(self._store, self._index, self._config.chunk_key, stored.chunks)
