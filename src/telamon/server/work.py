"""``telamon worker``: the process that runs jobs and managed mongods."""

import contextlib
import os
import signal
import sys
import threading

import structlog

from telamon.clock import system_clock
from telamon.config import Settings
from telamon.errors import TelamonError, Unavailable
from telamon.jobs.queue import JobKind
from telamon.jobs.worker import JobHandler, Steps, Worker
from telamon.mongo.buffers import keep_large_buffers
from telamon.operations.credentials import Credentials
from telamon.operations.downloads import PrepareDownload
from telamon.operations.instances import CreateInstance, DeleteInstance
from telamon.operations.kept_snapshots import DeleteSnapshot
from telamon.operations.managed_instances import ManagedInstances
from telamon.operations.restore_jobs import RunRestore
from telamon.operations.snapshots import TakeSnapshot
from telamon.repository.repository import Repository
from telamon.server.chores import chores
from telamon.server.locks import RepositoryLock, process_lock
from telamon.server.repository import RepositoryPlace, open_repository, place_of
from telamon.server.state import mongod_program, prepared_state
from telamon.server.ticker import Ticker

# The embedded worker is the only one of its database, and takes up its predecessor's jobs.
_EMBEDDED_WORKER = "embedded"
_PREDECESSOR_SECONDS = 60.0
_TICK_END_SECONDS = 5.0

_log = structlog.get_logger()


def work(settings: Settings, *, supervised: bool) -> None:
    """Run jobs until SIGTERM, then stop; does not return.

    A supervised worker also stops when its standard input ends, which is when its parent does.
    """
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stopping.set())
    if supervised:
        # A Ctrl-C reaches the whole terminal; the parent tells the worker itself.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.Thread(target=_await_orphanhood, args=(stopping,), daemon=True).start()
    else:
        signal.signal(signal.SIGINT, lambda _number, _frame: stopping.set())
    with process_lock(settings.data_dir, "worker", wait_seconds=_PREDECESSOR_SECONDS):
        keep_large_buffers()
        worker, managed, ticker = _worker(settings)
        managed.open()
        worker.launch()
        ticker.start()
        _log.info("worker_ready", action="start_worker")
        stopping.wait()
        _log.info("worker_stopping", action="stop_worker")
        ticker.stop(_TICK_END_SECONDS)
        worker.stop(settings.stop_grace_seconds)
        managed.close()
        # Threads of jobs that were handed back may still run; the next worker does them anew.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


class WithRepository:
    """A job that counts on the repository's chunks: none goes away while it runs."""

    def __init__(self, handler: JobHandler, repository: Repository, lock: RepositoryLock) -> None:
        self._handler = handler
        self._repository = repository
        self._lock = lock

    def run(self, subject_id: str, steps: Steps) -> None:
        """Waits, however long, while the repository is pruned."""
        with self._lock.shared_at_last():
            # A prune by another process may have moved chunks since they were last looked for.
            self._repository.index.refresh()
            self._handler.run(subject_id, steps)

    def fail(self, subject_id: str, error: TelamonError) -> None:
        self._handler.fail(subject_id, error)


def _worker(settings: Settings) -> tuple[Worker, ManagedInstances, Ticker]:
    state = prepared_state(settings)
    db, credentials = state.db, Credentials(state.sealer)
    place = place_of(settings)
    repository = open_repository(place)
    _remove_leftovers(place)
    managed = ManagedInstances(
        db, credentials, mongod=mongod_program(settings), root=settings.data_dir / "instances"
    )
    handlers: dict[JobKind, JobHandler] = {
        JobKind.CREATE_INSTANCE: CreateInstance(db, managed),
        JobKind.DELETE_INSTANCE: DeleteInstance(db, managed, system_clock),
        JobKind.TAKE_SNAPSHOT: WithRepository(
            TakeSnapshot(db, credentials, repository, system_clock), repository, place.lock
        ),
        JobKind.RESTORE: WithRepository(
            RunRestore(db, credentials, repository, system_clock), repository, place.lock
        ),
        JobKind.DELETE_SNAPSHOT: WithRepository(
            DeleteSnapshot(db, repository), repository, place.lock
        ),
        JobKind.PREPARE_DOWNLOAD: WithRepository(
            PrepareDownload(db, repository, system_clock), repository, place.lock
        ),
    }
    worker = Worker(db.engine, handlers, executor_id=_EMBEDDED_WORKER)
    return worker, managed, Ticker(chores(settings, state, repository))


def _remove_leftovers(place: RepositoryPlace) -> None:
    """Delete what a killed worker left unfinished, unless a prune is writing now."""
    with contextlib.suppress(Unavailable), place.lock.alone():
        place.remove_leftovers()


def _await_orphanhood(stopping: threading.Event) -> None:
    sys.stdin.buffer.read()
    stopping.set()
