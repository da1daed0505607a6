"""``kill -9`` at every write of a snapshot and of a prune, on a real disk.

A child process does the work and kills itself at its nth touch of the file system: before a file is
opened, with half of it written, before it is forced to the disk, before it gets its name, before
anything is deleted. Then the repository must be whole, and the work must succeed.
"""

import itertools
import os
import random
import secrets
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from telamon.blobs.local import LocalBlobStore
from telamon.errors import SecretUnreadable
from telamon.repository import pack
from telamon.repository.check import Check
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.prune import Prune
from telamon.repository.repository import Repository, change_secret
from tests.repository.samples import (
    FIRST,
    SECOND,
    SMALL_CUT,
    collection,
    document,
    manifest,
    noise,
    orders,
    read,
    take,
)

SECRET = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"k" * 32)
OTHER = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"o" * 32)
THIRD = "65f0000000000000000000a3"
OLD = orders(40)
NEW = [document(n, "new") if n % 10 == 3 else document(n) for n in range(40)]
"""Of which some chunks are deltas."""


class _Fuse:
    """Kills the process at the nth touch of the file system."""

    def __init__(self, touches: int) -> None:
        self._left = touches

    def burn(self, last_act: Callable[[], object] = lambda: None) -> None:
        self._left -= 1
        if self._left == 0:
            last_act()
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any, **options: Any) -> Any:
            self.burn()
            return function(*arguments, **options)

        return guarded

    def opened(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Files whose writes may stop half way."""

        def fdopen(*arguments: Any, **options: Any) -> Any:
            return _HalfWritten(function(*arguments, **options), self)

        return fdopen


class _HalfWritten:
    def __init__(self, file: Any, fuse: _Fuse) -> None:
        self._file = file
        self._fuse = fuse

    def __enter__(self) -> "_HalfWritten":
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def fileno(self) -> int:
        number: int = self._file.fileno()
        return number

    def write(self, data: memoryview) -> int:
        self._fuse.burn(lambda: self._file.write(data[: len(data) // 2]))
        written: int = self._file.write(data)
        return written


def killed_at(touches: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a child that dies at that touch; False: it came to its end before."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            fuse = _Fuse(touches)
            for name in ("open", "fsync", "link", "unlink", "mkdir"):
                setattr(os, name, fuse.before(getattr(os, name)))
            setattr(os, "fdopen", fuse.opened(os.fdopen))  # noqa: B010
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert status == 0, "the work failed in the child"
    return False


def new_store(root: Path, secret: RepositorySecret | None) -> LocalBlobStore:
    store = LocalBlobStore(root)
    repository = Repository.create(store, secrets.token_bytes, SMALL_CUT, secret)
    take(repository, FIRST, {"orders": OLD})
    return store


def take_second(repository: Repository) -> None:
    """With the first as the one before it."""
    before = repository.manifest(FIRST).collections[0].chunks
    with repository.begin() as writer:
        chunks = writer.add([b"".join(NEW)], before)
        other = writer.add([b"".join(noise(30))])
        writer.commit(manifest(SECOND, [collection("orders", chunks), collection("noise", other)]))


SECOND_CONTENT = {"orders": b"".join(NEW), "noise": b"".join(noise(30))}


def assert_whole(store: LocalBlobStore, secret: RepositorySecret | None) -> Repository:
    """As the next worker finds it."""
    store.remove_leftovers()
    repository = Repository.open(store, secret)
    report = Check(repository, random.Random(1)).run(read_data_percent=100)
    assert report.findings == ()
    assert report.notes == ()
    return Repository.open(store, secret)


@pytest.mark.parametrize("secret", [None, SECRET], ids=["plain", "encrypted"])
def test_a_snapshot_killed_at_any_write(
    secret: RepositorySecret | None, tmp_path: Path, small_packs: None
) -> None:
    for touches in itertools.count(1):
        store = new_store(tmp_path / str(touches), secret)
        if not killed_at(touches, partial(take_second, Repository.open(store, secret))):
            break
        repository = assert_whole(store, secret)
        assert read(repository, FIRST) == {"orders": b"".join(OLD)}
        if repository.has_manifest(SECOND):
            assert read(repository, SECOND) == SECOND_CONTENT
        else:
            take_second(repository)
        Prune(repository, max_unused_percent=0).execute()
        repository = assert_whole(store, secret)
        assert read(repository, FIRST) == {"orders": b"".join(OLD)}
        assert read(repository, SECOND) == SECOND_CONTENT
    assert touches > 20


@pytest.mark.parametrize("secret", [None, SECRET], ids=["plain", "encrypted"])
def test_a_prune_killed_at_any_write(
    secret: RepositorySecret | None, tmp_path: Path, small_packs: None
) -> None:
    def prune(repository: Repository) -> None:
        pack.PACK_TARGET_BYTES = 4000  # in the child
        Prune(repository, max_unused_percent=0).execute()

    for touches in itertools.count(1):
        store = new_store(tmp_path / str(touches), secret)
        repository = Repository.open(store, secret)
        take(repository, THIRD, {"people": noise(50), "orders": OLD})
        take_second(repository)
        repository.delete_snapshot(THIRD)
        repository.delete_snapshot(FIRST)
        if not killed_at(touches, partial(prune, Repository.open(store, secret))):
            break
        repository = assert_whole(store, secret)
        assert read(repository, SECOND) == SECOND_CONTENT
        take(repository, THIRD, {"people": noise(50)})
        Prune(repository, max_unused_percent=0).execute()
        repository = assert_whole(store, secret)
        assert read(repository, SECOND) == SECOND_CONTENT
        assert read(repository, THIRD) == {"people": b"".join(noise(50))}
    assert touches > 10


def test_a_change_of_secret_killed_at_any_write(tmp_path: Path) -> None:
    for touches in itertools.count(1):
        store = new_store(tmp_path / str(touches), SECRET)
        if not killed_at(touches, partial(change_secret, store, SECRET, OTHER)):
            break
        store.remove_leftovers()
        opening = [secret for secret in (SECRET, OTHER) if _opens(store, secret)]
        assert opening
        assert read(Repository.open(store, opening[0]), FIRST) == {"orders": b"".join(OLD)}
        change_secret(store, opening[0], OTHER)
        assert not _opens(store, SECRET)
        assert read(Repository.open(store, OTHER), FIRST) == {"orders": b"".join(OLD)}
    assert touches > 5


def _opens(store: LocalBlobStore, secret: RepositorySecret) -> bool:
    try:
        Repository.open(store, secret)
    except SecretUnreadable:
        return False
    return True
