"""The mongods that Telamon runs itself: started, watched over, stopped. For the worker only."""

import shutil
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from sqlalchemy import Connection

from telamon.errors import ConfigurationError, TelamonError
from telamon.model.instance import Instance, InstanceState
from telamon.mongo.connect import probe
from telamon.mongo.managed import Passwords, address, start_managed, telamon_uri
from telamon.mongo.process import MongodProcess
from telamon.operations.credentials import Credentials
from telamon.state import instances as rows
from telamon.state.database import Database

_WATCH_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_STARTS_AT_ONCE = 4

_log = structlog.get_logger()


class ManagedInstances:
    """Each instance has its directory below ``root``. Thread-safe.

    On a fleet these are the instances of one ``machine``; nobody else can start or reach them.
    """

    def __init__(
        self,
        db: Database,
        credentials: Credentials,
        *,
        mongod: Path | None,
        root: Path,
        machine: str | None = None,
    ) -> None:
        self._db = db
        self._machine = machine
        self._credentials = credentials
        self._mongod = mongod
        self._root = root
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._processes: dict[str, MongodProcess] = {}
        self._next_try: dict[str, tuple[float, float]] = {}  # when, and the pause after it
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watch-instances", daemon=True)

    def start(self, instance_id: str) -> None:
        """Make the instance's mongod, or start it again, and note where it answers.

        Does nothing for an instance that is being deleted, nor after ``close``.
        """
        with self._lock(instance_id):
            if self._stopping.is_set():
                return

            def work(tx: Connection) -> tuple[Instance, Passwords]:
                return rows.by_id(tx, instance_id), self._credentials.passwords(tx, instance_id)

            instance, passwords = self._db.look(work)
            if instance.state is InstanceState.DELETING:
                return  # nobody would stop it again
            process = self._process(instance_id)
            port = start_managed(process, passwords, wanted_port=instance.port)
            version = probe(telamon_uri(port, passwords)).mongodb_version
            self._db.transact(
                lambda tx: rows.set_running(
                    tx, instance_id, address=address(port), port=port, mongodb_version=version
                )
            )
        _log.info("instance_running", action="start_instance", instance=instance.name, port=port)

    def remove(self, instance_id: str) -> None:
        """Stop the instance's mongod and delete its data."""
        with self._lock(instance_id):
            self._process(instance_id).stop()
            shutil.rmtree(self._root / instance_id, ignore_errors=False, onerror=_unless_missing)

    def open(self) -> None:
        """Start every instance that should run, then watch over them until ``close``."""
        self._revive_all()
        self._watcher.start()

    def close(self) -> None:
        """Stop watching, and stop every mongod cleanly."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        if self._mongod is None:
            return
        for instance in self._managed():
            with self._lock(instance.id):
                self._process(instance.id)
        with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
            list(pool.map(lambda process: process.stop(), self._processes.values()))

    def revive(self) -> None:
        """Start again whatever should run and does not. Failures are logged and tried again."""
        down = [instance for instance in self._managed() if self._is_down(instance)]
        if down:
            with ThreadPoolExecutor(_STARTS_AT_ONCE) as pool:
                list(pool.map(self._revive_one, down))

    def _revive_one(self, instance: Instance) -> None:
        when, pause = self._next_try.get(instance.id, (0.0, _WATCH_SECONDS))
        if time.monotonic() < when:
            return
        try:
            self._db.transact(lambda tx: rows.set_state(tx, instance.id, InstanceState.REPAIRING))
            self.start(instance.id)
        except TelamonError as error:
            self._next_try[instance.id] = (
                time.monotonic() + pause,
                min(2 * pause, _LONGEST_PAUSE_SECONDS),
            )
            _log.error(
                "instance_down",
                action="start_instance",
                instance=instance.name,
                reason=error.message,
                next_try_seconds=pause,
            )
        else:
            self._next_try.pop(instance.id, None)

    def _is_down(self, instance: Instance) -> bool:
        with self._lock(instance.id):
            return (
                instance.state is not InstanceState.IDLE or self._process(instance.id).pid is None
            )

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            self._revive_all()

    def _revive_all(self) -> None:
        try:
            self.revive()
        except TelamonError as error:
            _log.error("watch_failed", action="watch_instances", reason=error.message)

    def _managed(self) -> tuple[Instance, ...]:
        return self._db.look(lambda tx: rows.managed(tx, self._machine))

    def _process(self, instance_id: str) -> MongodProcess:
        """The caller holds the instance's lock."""
        if instance_id not in self._processes:
            if self._mongod is None:
                raise ConfigurationError("No mongod is installed to run managed instances with.")
            self._processes[instance_id] = MongodProcess(self._mongod, self._root / instance_id)
        return self._processes[instance_id]

    def _lock(self, instance_id: str) -> threading.Lock:
        with self._guard:
            return self._locks[instance_id]


def _unless_missing(_function: object, _path: object, failure: object) -> None:
    """What is not there need not be deleted: a crash may have come in between."""
    error = failure[1] if isinstance(failure, tuple) else failure
    if isinstance(error, BaseException) and not isinstance(error, FileNotFoundError):
        raise error
