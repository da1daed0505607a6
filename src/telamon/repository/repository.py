"""A repository: its snapshots, and the documents in them."""

import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Self

from telamon.blobs.base import BlobInfo, BlobNotFound, BlobStore
from telamon.blobs.guarded import GuardedStore
from telamon.errors import ConfigurationError, IntegrityError
from telamon.model.manifest import Manifest, StoredCollection
from telamon.model.oplog import OplogSlice
from telamon.repository.cipher import KEY_BYTES, Cipher, RandomBytes
from telamon.repository.codec import CHUNK_KEY_BYTES, is_delta
from telamon.repository.config import (
    CONFIG_KEY,
    REPOSITORY_ID_BYTES,
    RepositoryConfig,
    decode_config,
    encode_config,
)
from telamon.repository.content import ChunkedContentHash, ContentHash
from telamon.repository.cut import USUAL_CUT, CutParameters
from telamon.repository.index import Index
from telamon.repository.keys import (
    KEY_PREFIX,
    RepositoryKeys,
    RepositorySecret,
    no_key_opens,
    open_keys,
    seal_keys,
)
from telamon.repository.manifest import MANIFEST_PREFIX, decode_manifest, manifest_key
from telamon.repository.oplog_slice import (
    OPLOG_PREFIX,
    decode_slice,
    encode_slice,
    is_slice_key,
    slice_key,
)
from telamon.repository.pack import PACK_PREFIX
from telamon.repository.reader import ChunkReader
from telamon.repository.writer import SnapshotWriter

# Of documents that nothing is known of: what compresses to less is rare.
_SMALLEST_PART = 1 / 16


class Repository:
    """Made by ``create`` or ``open``. Every method may be called by any thread."""

    def __init__(self, store: BlobStore, config: RepositoryConfig, keys: RepositoryKeys) -> None:
        self._config = config
        self.store = store
        self.keys = keys
        self.index = Index(store)
        self._reader = ChunkReader(store, self.index, keys)

    @classmethod
    def create(
        cls,
        store: BlobStore,
        random_bytes: RandomBytes,
        cut: CutParameters = USUAL_CUT,
        secret: RepositorySecret | None = None,
    ) -> Self:
        """Make an empty repository in ``store``; with a ``secret``, an encrypted one.

        The repository's id and its secret keys come from ``random_bytes``. Raises
        ``ConfigurationError`` if there is a repository.
        """
        repository_id = random_bytes(REPOSITORY_ID_BYTES).hex()
        chunk_key = random_bytes(CHUNK_KEY_BYTES)
        cipher = sealed = None
        if secret is not None:
            data_key = random_bytes(KEY_BYTES)
            cipher = Cipher(data_key, random_bytes)
            sealed = seal_keys(chunk_key, data_key, secret, repository_id, random_bytes)
            # Before the config: a repository whose keys nobody has must never be there.
            store.put(sealed.key, sealed.data)
        config = RepositoryConfig(
            repository_id=repository_id, chunk_key=None if cipher else chunk_key, cut=cut
        )
        if not store.put(CONFIG_KEY, encode_config(config)):
            if sealed is not None:
                store.delete(sealed.key)
            raise ConfigurationError(
                "There is a repository here already. Open it, or choose an empty place."
            )
        return cls(store, config, RepositoryKeys(chunk_key=chunk_key, cipher=cipher))

    def guarded(self, confirm: Callable[[], None]) -> "Repository":
        """The same repository, which calls ``confirm`` before each deletion of a blob."""
        return Repository(GuardedStore(self.store, confirm), self._config, self.keys)

    @classmethod
    def open(
        cls,
        store: BlobStore,
        secret: RepositorySecret | None = None,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> Self:
        """The repository in ``store``.

        Raises ``ConfigurationError`` if there is none, or it is not encrypted though a ``secret``
        is given; ``SecretUnreadable`` if it is, and the secret does not open it; ``IntegrityError``
        if its config is damaged, ``UnknownFormat`` if a later program made it.
        """
        config = read_config(store)
        if config.chunk_key is None:
            chunk_key, data_key = _unlock(store, config, secret, random_bytes)
            keys = RepositoryKeys(chunk_key=chunk_key, cipher=Cipher(data_key, random_bytes))
        elif secret is None:
            keys = RepositoryKeys(chunk_key=config.chunk_key)
        else:
            raise ConfigurationError(
                f"The repository is not encrypted, but a {secret.kind.value.replace('-', ' ')} "
                "is set for it. Encryption is chosen when a repository is made."
            )
        return cls(store, config, keys)

    @property
    def repository_id(self) -> str:
        """32 hexadecimal digits, the same for the life of the repository."""
        return self._config.repository_id

    def begin(self) -> SnapshotWriter:
        """A writer of one snapshot, which knows every chunk that is stored now."""
        self.index.refresh()
        return SnapshotWriter(self.store, self.index, self._config.cut, self.keys)

    def snapshot_ids(self) -> tuple[str, ...]:
        """Every snapshot there is, in the order of the ids."""
        return tuple(
            info.key.removeprefix(MANIFEST_PREFIX) for info in self.store.list(MANIFEST_PREFIX)
        )

    def has_manifest(self, snapshot_id: str) -> bool:
        """Whether the snapshot exists."""
        try:
            self.store.size(manifest_key(snapshot_id))
        except BlobNotFound:
            return False
        return True

    def manifest(self, snapshot_id: str) -> Manifest:
        """Raises ``BlobNotFound`` if there is no such snapshot, ``IntegrityError`` for damage."""
        blob = self.store.get(manifest_key(snapshot_id))
        return decode_manifest(snapshot_id, blob, self.keys.cipher)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """End the snapshot's existence; its chunks stay until they are pruned. Idempotent."""
        self.store.delete(manifest_key(snapshot_id))

    def pack_totals(self) -> tuple[int, int]:
        """How many packs there are, and their bytes. Lists all of them."""
        sizes = [info.size_bytes for info in self.store.list(PACK_PREFIX)]
        return len(sizes), sum(sizes)

    def content_hash(self) -> ContentHash:
        """Of documents that are not stored as they are."""
        return ContentHash(self.keys.chunk_key)

    def content_check(self, stored: StoredCollection, *, skipped: int = 0) -> ChunkedContentHash:
        """Of documents that should be those of the collection, but for its first ``skipped`` chunks."""
        return ChunkedContentHash(stored.chunks, self.keys.chunk_key, skipped=skipped)

    def least_bytes(self, collections: Iterable[StoredCollection]) -> int:
        """What a database that compresses would need for their documents, rather too little.

        As much as they take here; a difference from another chunk counts as much as it would whole.
        """
        whole_bytes = stored_bytes = other_bytes = 0
        for chunk in (chunk for stored in collections for chunk in stored.chunks):
            place = self.index.find(chunk.chunk_id)
            if place is None or is_delta(place.encoding):
                other_bytes += chunk.size_bytes
            else:
                whole_bytes += chunk.size_bytes
                stored_bytes += place.stored_bytes
        part = stored_bytes / whole_bytes if whole_bytes else _SMALLEST_PART
        return stored_bytes + round(other_bytes * part)

    def put_slice(self, found: OplogSlice, entries: bytes) -> int:
        """Store a slice of an oplog, unless it is there; answers how many bytes it takes.

        Raises ``IntegrityError`` where what is there is damaged or another slice.
        """
        key = slice_key(found)
        blob = encode_slice(found, entries, self.keys.cipher)
        if self.store.put(key, blob):
            return len(blob)
        known, known_entries = self.read_slice(key)
        if (known, known_entries) != (found, entries):
            raise IntegrityError(f"The oplog slice {key} is there with other contents.")
        return self.store.size(key)

    def read_slice(self, key: str) -> tuple[OplogSlice, bytes]:
        """Raises ``BlobNotFound``, and as ``decode_slice``."""
        return decode_slice(key, self.store.get(key), self.keys.cipher)

    def slices(self, prefix: str = OPLOG_PREFIX) -> Iterator[BlobInfo]:
        """Every oplog slice there is, those of one instance in their order."""
        return (info for info in self.store.list(prefix) if is_slice_key(info.key))

    def delete_slice(self, key: str) -> None:
        """Idempotent."""
        self.store.delete(key)

    def documents(self, stored: StoredCollection) -> Generator[bytes]:
        """The collection's documents in natural order, each item those of one chunk.

        Every item has been proven to be the bytes that were stored. Raises ``IntegrityError``
        naming the first chunk that is not, after the chunks before it. Close the iterator if it
        is not read to its end: it reads ahead in threads of its own.
        """
        if any(self.index.find(chunk.chunk_id) is None for chunk in stored.chunks):
            self.index.refresh()
        yield from self._reader.read_all(stored.chunks)


def read_config(store: BlobStore) -> RepositoryConfig:
    """The config of the repository in ``store``; raises as ``Repository.open`` does."""
    try:
        blob = store.get(CONFIG_KEY)
    except BlobNotFound as error:
        raise ConfigurationError(
            "There is no repository here. Create one, or check the place it is looked for."
        ) from error
    return decode_config(blob)


def change_secret(
    store: BlobStore,
    old: RepositorySecret,
    new: RepositorySecret,
    random_bytes: RandomBytes = secrets.token_bytes,
) -> None:
    """Let ``new`` open an encrypted repository, and no other secret; no data is written anew.

    Killed in the middle, both open it. Who kept a copy of the old ``keys/`` blob and the old secret
    can still read data that they can reach. Raises as ``Repository.open`` does.
    """
    config = read_config(store)
    if not config.encrypted:
        raise ConfigurationError(
            "The repository is not encrypted. Encryption is chosen when a repository is made."
        )
    chunk_key, data_key = _unlock(store, config, old, random_bytes)
    former = [info.key for info in store.list(KEY_PREFIX)]
    sealed = seal_keys(chunk_key, data_key, new, config.repository_id, random_bytes)
    store.put(sealed.key, sealed.data)
    _unlock(store, config, new, random_bytes)  # what replaces the old one is proven first
    for key in former:
        store.delete(key)


def _unlock(
    store: BlobStore,
    config: RepositoryConfig,
    secret: RepositorySecret | None,
    random_bytes: RandomBytes,
) -> tuple[bytes, bytes]:
    """Chunk key and data key. A damaged ``keys/`` blob is passed over if another one opens."""
    if secret is None:
        raise no_key_opens(secret)
    damage: IntegrityError | None = None
    for info in store.list(KEY_PREFIX):
        try:
            opened = open_keys(
                info.key, store.get(info.key), secret, config.repository_id, random_bytes
            )
        except IntegrityError as error:
            damage = error
            continue
        if opened is not None:
            return opened
    if damage is not None:
        raise damage
    raise no_key_opens(secret)
