"""Blobs as files below one directory of this machine.

A blob is written beside its final name, forced to the disk, and only then linked to that name.
The link fails where the name exists, which makes it the one step that decides who stored a blob.
"""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from telamon.blobs.base import (
    UNFINISHED_SUFFIX,
    BlobInfo,
    BlobNotFound,
    Data,
    check_key,
    check_range,
    folder_of,
    is_key,
    range_beyond_end,
)
from telamon.errors import Unavailable

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


class LocalBlobStore:
    """A ``BlobStore`` on a file system that has hard links and honours ``fsync``.

    The root is made when it is missing. Several processes may share it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._durable_folders: set[Path] = set()
        self._lock = Lock()
        self._writes = itertools.count()

    def put(self, key: str, data: Data) -> bool:
        path = self._path(key)
        with _medium_errors("write", path):
            self._make_folder(path.parent)
            stored = not path.exists() and self._write(path, data)
            _sync_folder(path.parent)
            return stored

    def get(self, key: str) -> bytes:
        path = self._path(key)
        with _medium_errors("read", path), _absence(key):
            return path.read_bytes()

    def get_range(self, key: str, start: int, length: int) -> bytes:
        check_range(start, length)
        path = self._path(key)
        with _medium_errors("read", path), _absence(key), path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            if start + length > size_bytes:
                raise range_beyond_end(key, start, length, size_bytes)
            file.seek(start)
            data = file.read(length)
        if len(data) != length:
            raise range_beyond_end(key, start, length, start + len(data))
        return data

    def list(self, prefix: str) -> Iterator[BlobInfo]:
        folder = folder_of(prefix)
        for key, entry in self._walk(folder):
            if not key.startswith(prefix) or not is_key(key):
                continue
            with _medium_errors("read", entry.path):
                try:
                    size_bytes = entry.stat().st_size
                except FileNotFoundError:
                    continue  # deleted since the folder was read
            yield BlobInfo(key=key, size_bytes=size_bytes)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with _medium_errors("delete", path), suppress(FileNotFoundError, NotADirectoryError):
            path.unlink()
            _sync_folder(path.parent)

    def size(self, key: str) -> int:
        path = self._path(key)
        with _medium_errors("read", path), _absence(key):
            if path.is_dir():
                raise IsADirectoryError
            return path.stat().st_size

    def remove_leftovers(self) -> int:
        """Delete what crashes left of unfinished writes; answer how many files went.

        Only while nothing else writes here: a write under way looks the same.
        """
        removed = 0
        for key, entry in self._walk(""):
            if key.endswith(UNFINISHED_SUFFIX):
                with _medium_errors("delete", entry.path):
                    Path(entry.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    def _write(self, path: Path, data: Data) -> bool:
        """Answer False if another write of the same key was first."""
        unfinished = self._create_unfinished(path, data)
        try:
            os.link(unfinished, path)
        except FileExistsError:
            return False
        finally:
            unfinished.unlink(missing_ok=True)
        return True

    def _create_unfinished(self, path: Path, data: Data) -> Path:
        """A new file beside ``path`` that holds all of ``data``, on the disk."""
        while True:
            name = f".{path.name}.{os.getpid()}.{next(self._writes)}{UNFINISHED_SUFFIX}"
            unfinished = path.with_name(name)
            # A crashed process may have had the same number.
            with suppress(FileExistsError):
                descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
                break
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                view = memoryview(data).cast("B")
                while view:
                    view = view[file.write(view) :]
                os.fsync(file.fileno())
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        return unfinished

    def _make_folder(self, wanted: Path) -> None:
        """Make ``wanted``, and each folder above it that is missing, lasting.

        A folder that exists may have been made a moment ago by somebody who has not forced it to
        the disk yet. So the first use in this process does so for every level up to the root.
        """
        with self._lock:
            if wanted in self._durable_folders and wanted.is_dir():
                return
        folder = wanted
        for level in [*reversed(folder.parents), folder]:
            if not level.is_dir():
                with suppress(FileExistsError):
                    level.mkdir(mode=_FOLDER_MODE)
                    _sync_folder(level.parent)
        while folder != self._root:
            folder = folder.parent
            _sync_folder(folder)
        with self._lock:
            self._durable_folders.add(wanted)

    def _walk(self, folder: str) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
        """Every file below ``folder`` with its path from the root, in the order of those paths."""
        path = self._root / folder
        with _medium_errors("list", path):
            try:
                with os.scandir(path) as scan:
                    entries = [(_sort_key(entry), entry) for entry in scan]
            except (FileNotFoundError, NotADirectoryError):
                return
        for name, entry in sorted(entries, key=lambda pair: pair[0]):
            key = f"{folder}/{entry.name}" if folder else entry.name
            if name.endswith("/"):
                yield from self._walk(key)
            else:
                yield key, entry


def _sort_key(entry: "os.DirEntry[str]") -> str:
    """A folder sorts as the beginning of its blobs' keys does, slash included."""
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _absence(key: str) -> Iterator[None]:
    """A folder is no blob, and a blob is no folder of others."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise BlobNotFound(key) from error


@contextmanager
def _medium_errors(verb: str, path: Path | str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"Cannot {verb} {path}: {error.strerror or error}.") from error
