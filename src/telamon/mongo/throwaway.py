"""Mongods that are made for one purpose and then destroyed, data and all.

Each has a directory of its own below one root, answers on a loopback port only, and knows one user,
whose random password nobody is told and nobody keeps.
"""

import contextlib
import secrets
import shutil
import threading
from pathlib import Path

from telamon.errors import DrillFailed, Unavailable
from telamon.mongo.connect import connected
from telamon.mongo.managed import Passwords, start_managed, telamon_uri
from telamon.mongo.process import MongodProcess

_PASSWORD_BYTES = 24
_OPLOG_BYTES = 990 * 1024 * 1024  # which it fills with what is written to it
_SPARE_BYTES = 512 * 1024 * 1024  # journal, and what is not the throwaway's
_NO_PROGRAM = Path("mongod")


class Throwaways:
    """Those of one machine. What a killed process left of them is found by the root alone.

    Thread-safe; one is started or removed at a time.
    """

    def __init__(self, program: Path | None, root: Path) -> None:
        """``program`` is the mongod, None where there is none."""
        self._program = program
        self._root = root
        self._guard = threading.RLock()
        self._processes: dict[str, MongodProcess] = {}
        self._is_closed = False

    def start(self, name: str, *, size_bytes: int) -> str:
        """Make an empty one in place of any that has the name; answers its connection string.

        Raises DrillFailed where there is no mongod or no room for ``size_bytes`` of documents;
        DeploymentUnavailable or ConfigurationError if it does not start; Unavailable after ``close``.
        """
        if self._program is None:
            raise DrillFailed(
                "The worker has no mongod to restore into (pip install 'telamon[local]', or "
                "TELAMON_MONGOD)."
            )
        with self._guard:
            if self._is_closed:
                raise Unavailable("The worker stops.")
            self.remove(name)
            self._make_folder(name, size_bytes)
            passwords = Passwords(
                telamon=secrets.token_urlsafe(_PASSWORD_BYTES),
                owner=secrets.token_urlsafe(_PASSWORD_BYTES),
            )
            port = start_managed(self._process(name), passwords, wanted_port=None)
        uri = telamon_uri(port, passwords)
        with connected(uri) as client:
            # Documents whose time is over are part of a snapshot, too.
            client.admin.command("setParameter", 1, ttlMonitorEnabled=False)
        return uri

    def remove(self, name: str) -> None:
        """Nothing of it is left, whether it runs or not. Raises Unavailable if the disk refuses."""
        with self._guard:
            self._process(name).kill()
            self._processes.pop(name, None)
            try:
                shutil.rmtree(self._root / name)
            except FileNotFoundError:
                return
            except OSError as error:
                raise Unavailable(
                    f"{self._root / name} cannot be deleted: {error.strerror}."
                ) from error

    def remove_all(self) -> None:
        """Those that anybody left. As ``remove``."""
        with contextlib.suppress(FileNotFoundError):
            for folder in sorted(self._root.iterdir()):
                self.remove(folder.name)

    def close(self) -> None:
        """As ``remove_all``; none is started after it, and a start that is under way fails."""
        self._is_closed = True
        for process in tuple(self._processes.values()):
            process.kill()  # without the guard, which whoever waits for a start holds
        with self._guard:
            self.remove_all()

    def _make_folder(self, name: str, size_bytes: int) -> None:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_room(shutil.disk_usage(self._root).free, size_bytes)
            (self._root / name).mkdir(mode=0o700)
        except OSError as error:
            raise Unavailable(f"{self._root} cannot be written: {error.strerror}.") from error

    def _process(self, name: str) -> MongodProcess:
        """The same one while it lives: only who started a process can wait for it."""
        made = MongodProcess(self._program or _NO_PROGRAM, self._root / name)
        return self._processes.setdefault(name, made)


def _require_room(free_bytes: int, size_bytes: int) -> None:
    needed_bytes = size_bytes + min(size_bytes, _OPLOG_BYTES) + _SPARE_BYTES
    if free_bytes < needed_bytes:
        raise DrillFailed(
            f"The restored snapshot may take {needed_bytes} bytes, and the disk of the worker's "
            f"data directory has {free_bytes} left."
        )


def can_hold(mongod_version: str, feature_compatibility_version: str) -> bool:
    """Whether a mongod of that version takes what a server that was set to the other one has."""
    return _numbers(feature_compatibility_version) <= _numbers(mongod_version)


def _numbers(version: str) -> tuple[int, ...]:
    """The first two of a version."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
