"""What is particular to blobs on a file system."""

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from telamon.blobs.local import LocalBlobStore
from telamon.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable


class PowerCutError(BaseException):
    """Nothing in the program catches this."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "blobs"


@pytest.fixture
def store(root: Path) -> LocalBlobStore:
    return LocalBlobStore(root)


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def fail(error_number: int) -> OSError:
    return OSError(error_number, os.strerror(error_number))


def test_a_blob_is_a_file_of_its_key_below_the_root(store: LocalBlobStore, root: Path) -> None:
    store.put("packs/aa/bb", b"hello")
    assert (root / "packs/aa/bb").read_bytes() == b"hello"
    assert files(root) == ["packs/aa/bb"]


def test_nobody_but_the_owner_may_read_a_blob(store: LocalBlobStore, root: Path) -> None:
    store.put("packs/a", b"secret")
    assert stat.S_IMODE((root / "packs/a").stat().st_mode) == 0o600
    assert stat.S_IMODE((root / "packs").stat().st_mode) == 0o700


def test_what_one_store_put_another_gets(store: LocalBlobStore, root: Path) -> None:
    store.put("a/b", b"hello")
    assert LocalBlobStore(root).get("a/b") == b"hello"


def test_a_put_works_after_its_folder_was_removed(store: LocalBlobStore, root: Path) -> None:
    store.put("packs/a", b"1")
    store.delete("packs/a")
    (root / "packs").rmdir()
    assert store.put("packs/b", b"2") is True
    assert store.get("packs/b") == b"2"


def test_the_file_and_every_folder_on_its_way_are_forced_to_the_disk(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(str(path.relative_to(root.parent.parent)))
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    store.put("packs/aa/bb", b"hello")

    *folders, file, folder = synced
    assert set(folders) == {".", "deep", "deep/blobs", "deep/blobs/packs"}
    assert file.startswith("deep/blobs/packs/aa/.bb.")
    assert folder == "deep/blobs/packs/aa"


def test_the_name_is_given_only_to_bytes_on_the_disk(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real_fsync, real_link = os.fsync, os.link
    store.put("packs/first", b"")

    def fsync(descriptor: int) -> None:
        events.append("fsync")
        real_fsync(descriptor)

    def link(source: Path, name: Path) -> None:
        events.append("link")
        real_link(source, name)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", link)
    store.put("packs/a", b"hello")
    assert events == ["fsync", "link", "fsync"]


def test_a_put_that_comes_too_late_waits_for_the_folder_too(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer that was first may not have come to it yet."""
    store.put("packs/a", b"hello")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    assert store.put("packs/a", b"hello") is False
    assert len(synced) == 1


# Crashes


@pytest.mark.parametrize("step", ["fsync", "link", "unlink"])
def test_a_crash_in_a_put_leaves_all_or_nothing_to_be_listed(
    step: str, store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine stops: the cleanup that an exception would cause does not happen either."""
    store.put("packs/first", b"1")

    def stop(*arguments: object, **options: object) -> None:
        raise PowerCutError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", stop)
        if step != "unlink":
            patch.setattr(os, step, stop)
        with pytest.raises(PowerCutError):
            store.put("packs/second", b"2")

    survivors = {"fsync": [], "link": [], "unlink": ["packs/second"]}[step]
    assert [info.key for info in LocalBlobStore(root).list("")] == ["packs/first", *survivors]
    assert len(files(root)) == 2 + len(survivors)


def test_leftovers_of_crashes_are_removed_on_request(store: LocalBlobStore, root: Path) -> None:
    store.put("packs/a", b"1")
    (root / "packs/.b.1.0.tmp").write_bytes(b"half")
    (root / ".config.1.0.tmp").write_bytes(b"")
    assert store.remove_leftovers() == 2
    assert files(root) == ["packs/a"]


def test_a_leftover_of_a_process_of_the_same_number_is_in_nobodys_way(
    store: LocalBlobStore, root: Path
) -> None:
    root.mkdir(parents=True)
    leftover = root / f".config.{os.getpid()}.0.tmp"
    leftover.write_bytes(b"half")
    assert store.put("config", b"whole") is True
    assert store.get("config") == b"whole"
    assert leftover.read_bytes() == b"half"


def test_files_of_others_are_not_listed(store: LocalBlobStore, root: Path) -> None:
    store.put("a", b"1")
    (root / "Lost+Found").mkdir()
    (root / "Lost+Found/x").write_bytes(b"")
    (root / "README").write_bytes(b"")
    assert [info.key for info in store.list("")] == ["a"]


def test_what_is_deleted_during_a_listing_is_left_out(store: LocalBlobStore, root: Path) -> None:
    for key in ("a", "b", "c"):
        store.put(key, b"")
    listing = store.list("")
    assert next(listing).key == "a"
    (root / "b").unlink()
    assert [info.key for info in listing] == ["c"]


# The medium


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_put_that_fails_says_where_and_why_and_leaves_nothing(
    error_number: int, store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = fail(error_number)

    def fsync(descriptor: int) -> None:
        raise cause

    store.put("packs/first", b"")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(Unavailable) as caught:
            store.put("packs/a", b"hello")

    assert caught.value.message == (
        f"Cannot write {root / 'packs/a'}: {os.strerror(error_number)}."
    )
    assert caught.value.__cause__ is cause
    assert files(root) == ["packs/first"]


def test_a_file_system_without_links_is_reported(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, name: Path) -> None:
        raise fail(errno.EPERM)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(Unavailable, match=r"Cannot write .*/a: Operation not permitted"):
        store.put("a", b"hello")


def test_a_root_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = LocalBlobStore(tmp_path / "file" / "blobs")
    with pytest.raises(Unavailable, match="Not a directory"):
        store.put("a", b"hello")


@pytest.mark.parametrize("method", ["get", "get_range", "size"])
def test_a_read_that_fails_is_reported(
    method: str, store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("a", b"hello")

    def broken(*arguments: object, **options: object) -> None:
        raise fail(errno.EIO)

    calls: dict[str, Callable[[], object]] = {
        "get": lambda: store.get("a"),
        "get_range": lambda: store.get_range("a", 0, 1),
        "size": lambda: store.size("a"),
    }
    for name in ("open", "read_bytes", "is_dir"):
        monkeypatch.setattr(Path, name, broken)
    with pytest.raises(Unavailable) as caught:
        calls[method]()
    assert caught.value.message == f"Cannot read {root / 'a'}: Input/output error."


def test_a_list_that_fails_is_reported_and_not_cut_short(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("packs/a", b"hello")

    def scandir(path: Path) -> None:
        raise fail(errno.EACCES)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(Unavailable) as caught:
        list(store.list("packs/"))
    assert caught.value.message == f"Cannot list {root / 'packs'}: Permission denied."
