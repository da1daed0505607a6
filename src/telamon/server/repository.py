"""The repository of a data directory: where it is, how it is made and opened."""

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from telamon.blobs.base import BlobStore
from telamon.blobs.guarded import GuardedStore
from telamon.blobs.local import LocalBlobStore
from telamon.blobs.opening import open_store
from telamon.config import Settings, load_store_credentials
from telamon.errors import ConfigurationError
from telamon.repository.config import CONFIG_KEY
from telamon.repository.keys import RepositorySecret
from telamon.repository.repository import Repository, change_secret, read_config
from telamon.repository.secret_files import read_secret
from telamon.server.locks import (
    Check,
    FleetRepositoryLock,
    RepositoryAccess,
    RepositoryLock,
    never_lost,
    process_lock,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryPlace:
    """Where a repository is, what opens it (None if nothing is needed), and who may use it when."""

    data_dir: Path
    store: BlobStore
    secret: RepositorySecret | None
    lock: RepositoryAccess
    """In the database of the server that uses the repository, or in its data directory."""

    def remove_leftovers(self) -> None:
        """Delete what killed writers left unfinished. Only while nobody writes."""
        if isinstance(self.store, LocalBlobStore):  # an object store has whole blobs only
            self.store.remove_leftovers()


def place_of(settings: Settings, secret: RepositorySecret | None = None) -> RepositoryPlace:
    """What the settings say; a ``secret`` that is given comes before theirs.

    Raises as ``open_store`` does.
    """
    return RepositoryPlace(
        data_dir=settings.data_dir,
        store=open_store(settings.store_url, load_store_credentials(), secrets.token_bytes),
        secret=secret or _secret_of(settings),
        lock=FleetRepositoryLock(settings.database_url)
        if settings.database_url
        else RepositoryLock(settings.data_dir),
    )


def open_repository(place: RepositoryPlace) -> Repository:
    """The repository that a server works with, made if there is none: encrypted if there is a secret.

    Raises as ``Repository.open`` does.
    """
    if not _exists(place.store):
        with contextlib.suppress(ConfigurationError):  # somebody else was faster
            return create_repository(place)
    return open_existing(place)


def require_no_repository(place: RepositoryPlace) -> None:
    """Raises ConfigurationError if there is a repository."""
    if _exists(place.store):
        raise ConfigurationError("There is a repository here already.")


def create_repository(place: RepositoryPlace) -> Repository:
    """Raises ConfigurationError if there is a repository."""
    require_no_repository(place)  # before anything costly is done with the secret
    return Repository.create(place.store, secrets.token_bytes, secret=place.secret)


def open_existing(place: RepositoryPlace) -> Repository:
    """Raises as ``Repository.open`` does."""
    return Repository.open(place.store, place.secret)


@contextlib.contextmanager
def shared_repository(place: RepositoryPlace) -> Iterator[Repository]:
    """The repository, for as long as nobody may take chunks away. Raises Unavailable if one does."""
    repository = open_existing(place)  # first: a mistyped place gets no folder for locks
    with place.lock.shared():
        yield repository


@contextlib.contextmanager
def own_repository(place: RepositoryPlace, *, wait_seconds: float) -> Iterator[Repository]:
    """The repository, with nobody else reading or writing. Raises Unavailable if somebody does.

    What killed writers left unfinished is deleted first.
    """
    held = _Held()
    # First: a mistyped place gets no folder for locks.
    repository = open_existing(replace(place, store=GuardedStore(place.store, held)))
    with place.lock.alone(wait_seconds=wait_seconds) as held.check:
        place.remove_leftovers()
        yield repository


class _Held:
    """Asks a lock that is taken only later."""

    check: Check = staticmethod(never_lost)

    def __call__(self) -> None:
        self.check()


def change_repository_secret(place: RepositoryPlace, new: RepositorySecret) -> None:
    """Raises as ``change_secret`` does; ConfigurationError without a present secret."""
    if place.secret is None:
        raise ConfigurationError(
            "The present passphrase or key file is needed to change it: give --passphrase-file "
            "or --key-file."
        )
    read_config(place.store)
    with process_lock(place.data_dir, "change-key"):
        change_secret(place.store, place.secret, new)


def _exists(store: BlobStore) -> bool:
    return any(info.key == CONFIG_KEY for info in store.list(CONFIG_KEY))


def _secret_of(settings: Settings) -> RepositorySecret | None:
    return read_secret(
        passphrase_file=settings.repository_passphrase_file,
        key_file=settings.repository_key_file,
    )
