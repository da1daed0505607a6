"""Repositories that nobody reads without their passphrase or key file."""

import secrets

import pytest

from telamon.blobs.memory import MemoryBlobStore
from telamon.errors import ConfigurationError, IntegrityError, SecretUnreadable
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.repository import Repository, change_secret
from tests.repository.samples import (
    FIRST,
    SECOND,
    SMALL_CUT,
    keys,
    noise,
    orders,
    read,
    replace_blob,
    take,
)

SECRET = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
OTHER = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"o" * 32)
PASSPHRASE = RepositorySecret(kind=SecretKind.PASSPHRASE, value="Füße".encode())


@pytest.fixture
def store(small_packs: None) -> MemoryBlobStore:
    """With one snapshot."""
    store = MemoryBlobStore()
    repository = Repository.create(store, secrets.token_bytes, SMALL_CUT, SECRET)
    take(repository, FIRST, {"orders": orders(40), "noise": noise(20)})
    return store


def test_what_was_stored_is_read(store: MemoryBlobStore) -> None:
    repository = Repository.open(store, SECRET)
    assert read(repository, FIRST)["orders"] == b"".join(orders(40))
    take(repository, SECOND, {"orders": orders(50)})
    assert read(Repository.open(store, SECRET), SECOND) == {"orders": b"".join(orders(50))}


def test_equal_chunks_are_stored_once(store: MemoryBlobStore) -> None:
    repository = Repository.open(store, SECRET)
    with repository.begin() as writer:
        writer.add([b"".join(orders(40))])
        assert writer.counts.chunks_new == 0


def test_nothing_of_the_plaintext_is_in_the_store(store: MemoryBlobStore) -> None:
    everything = b"".join(store.get(key) for key in keys(store))
    for secret in (b"document 7", b"shop", b"Instance0", b"orders"):
        assert secret not in everything
    for document in noise(20):
        assert document[20:60] not in everything


def test_two_repositories_with_one_secret_have_nothing_in_common() -> None:
    names = []
    for _ in range(2):
        store = MemoryBlobStore()
        repository = Repository.create(store, secrets.token_bytes, SMALL_CUT, SECRET)
        taken = take(repository, FIRST, {"orders": orders(20)})
        names.append({chunk.chunk_id for chunk in taken.collections[0].chunks})
    assert not names[0] & names[1]


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "The repository is encrypted: give its passphrase or key file"),
        (OTHER, "cannot be opened with this key file"),
        (PASSPHRASE, "cannot be opened with this passphrase"),
    ],
)
def test_without_the_secret_it_does_not_open(
    store: MemoryBlobStore, secret: RepositorySecret | None, words: str
) -> None:
    with pytest.raises(SecretUnreadable, match=words) as caught:
        Repository.open(store, secret)
    assert "othing in the repository can be read" in caught.value.message


def test_a_secret_for_a_plain_repository_is_a_mistake() -> None:
    store = MemoryBlobStore()
    Repository.create(store, secrets.token_bytes)
    with pytest.raises(ConfigurationError, match="The repository is not encrypted"):
        Repository.open(store, SECRET)
    with pytest.raises(ConfigurationError, match="The repository is not encrypted"):
        change_secret(store, SECRET, OTHER)


def test_another_secret_takes_over_and_no_data_is_written(store: MemoryBlobStore) -> None:
    before = {key: store.get(key) for key in keys(store) if not key.startswith("keys/")}
    change_secret(store, SECRET, PASSPHRASE)
    assert {key: store.get(key) for key in keys(store) if not key.startswith("keys/")} == before
    assert read(Repository.open(store, PASSPHRASE), FIRST)["orders"] == b"".join(orders(40))
    with pytest.raises(SecretUnreadable):
        Repository.open(store, SECRET)


def test_who_has_not_the_old_secret_changes_nothing(store: MemoryBlobStore) -> None:
    with pytest.raises(SecretUnreadable):
        change_secret(store, OTHER, PASSPHRASE)
    assert Repository.open(store, SECRET).has_manifest(FIRST)


class StoppedStore(MemoryBlobStore):
    """Ends the process, as it were, at its nth write."""

    def __init__(self, blobs: MemoryBlobStore, writes: int) -> None:
        super().__init__()
        for key in keys(blobs):
            super().put(key, blobs.get(key))
        self._left = writes

    def _write(self) -> None:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1

    def put(self, key: str, data: bytes | bytearray | memoryview) -> bool:
        self._write()
        return super().put(key, data)

    def delete(self, key: str) -> None:
        self._write()
        super().delete(key)


@pytest.mark.parametrize("writes", [0, 1])
def test_a_change_that_was_killed_leaves_a_secret_that_opens(
    store: MemoryBlobStore, writes: int
) -> None:
    stopped = StoppedStore(store, writes)
    with pytest.raises(KeyboardInterrupt):
        change_secret(stopped, SECRET, OTHER)
    assert read(Repository.open(stopped, SECRET), FIRST)["orders"] == b"".join(orders(40))
    assert len(keys(stopped, "keys/")) == 1 + writes


def test_a_repository_that_is_here_keeps_its_keys(store: MemoryBlobStore) -> None:
    before = keys(store)
    with pytest.raises(ConfigurationError, match="There is a repository here already"):
        Repository.create(store, secrets.token_bytes, SMALL_CUT, OTHER)
    assert keys(store) == before


def test_a_damaged_key_is_told_unless_another_one_opens(store: MemoryBlobStore) -> None:
    (key,) = keys(store, "keys/")
    replace_blob(store, key, b"{}")
    with pytest.raises(IntegrityError, match=f"The key {key} is damaged"):
        Repository.open(store, SECRET)


def test_a_manifest_of_another_snapshot_does_not_open(store: MemoryBlobStore) -> None:
    assert store.put(f"snapshots/{SECOND}", store.get(f"snapshots/{FIRST}"))
    with pytest.raises(IntegrityError, match=f"{SECOND} is damaged: it cannot be decrypted"):
        Repository.open(store, SECRET).manifest(SECOND)


def test_a_plain_manifest_is_not_taken_for_one_of_an_encrypted_repository(
    store: MemoryBlobStore,
) -> None:
    """Whoever can write to the store must not be able to make up a snapshot."""
    plain_store = MemoryBlobStore()
    take(Repository.create(plain_store, secrets.token_bytes), SECOND, {"orders": []})
    assert store.put(f"snapshots/{SECOND}", plain_store.get(f"snapshots/{SECOND}"))
    with pytest.raises(IntegrityError, match="is damaged: it is encrypted where"):
        Repository.open(store, SECRET).manifest(SECOND)
