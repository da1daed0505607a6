"""Builds everything: the only module that knows every layer.

``telamon serve`` is two processes, the API and a worker that it supervises; both come from here.
"""

import asyncio
import contextlib
import fcntl
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn

from telamon.api.asgi import Options, create_app
from telamon.api.call import Services
from telamon.blobs.local import LocalBlobStore
from telamon.clock import system_clock
from telamon.config import Settings
from telamon.errors import ConfigurationError
from telamon.ids import new_id
from telamon.jobs.queue import JobKind, JobQueue
from telamon.jobs.queue import migrate as migrate_jobs
from telamon.jobs.worker import JobHandler, Worker
from telamon.model.access import NewApiKey, RoleAssignment
from telamon.mongo.binary import find_mongod
from telamon.operations.access import Access, Beginning
from telamon.operations.credentials import Credentials
from telamon.operations.instances import CreateInstance, DeleteInstance, Instances
from telamon.operations.managed_instances import ManagedInstances
from telamon.operations.restore_jobs import RestoreJobs, RunRestore
from telamon.operations.snapshots import Snapshots, TakeSnapshot
from telamon.repository.repository import Repository
from telamon.state.database import Database
from telamon.state.sealing import Sealer, create_master_key, read_master_key

# The embedded worker is the only one of its database, and takes up its predecessor's jobs.
_EMBEDDED_WORKER = "embedded"
_PREDECESSOR_SECONDS = 60.0
_POLL_SECONDS = 0.1
_RESTART_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_STOP_MARGIN_SECONDS = 60.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What both processes need."""

    db: Database
    sealer: Sealer
    queue: JobQueue

    @property
    def access(self) -> Access:
        return Access(self.db, self.sealer, clock=system_clock, new_id=new_id)


def initialize(settings: Settings, org_name: str, project_name: str) -> Beginning:
    """Make the data directory and the first organization, project and key."""
    state = _prepared(settings)
    with contextlib.closing(state.db):
        return state.access.initialize(org_name, project_name)


def create_key(
    settings: Settings,
    *,
    description: str,
    roles: Sequence[RoleAssignment],
    addresses: Sequence[str],
) -> NewApiKey:
    """Another key of the organization that ``initialize`` made."""
    state = _prepared(settings)
    with contextlib.closing(state.db):
        return state.access.create_key(
            state.access.first_organization(),
            description=description,
            roles=roles,
            access_list=addresses,
        )


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run the API and its worker until SIGTERM or SIGINT. ``announce`` is told the URL once it answers.

    Raises ConfigurationError for a data directory that is in use or a port that is taken.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on these and raises them again when it has; the worker is still to be stopped.
        signal.signal(number, lambda _number, _frame: None)
    listener = _listen(settings)
    with listener, _locked(settings.data_dir, "serve", wait_seconds=0):
        state = _prepared(settings)
        asyncio.run(_serve(settings, state, listener, announce))
        state.db.close()


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
    with _locked(settings.data_dir, "worker", wait_seconds=_PREDECESSOR_SECONDS):
        worker, managed = _worker(settings)
        managed.open()
        worker.launch()
        _log.info("worker_ready", action="start_worker")
        stopping.wait()
        _log.info("worker_stopping", action="stop_worker")
        worker.stop(settings.stop_grace_seconds)
        managed.close()
        # Threads of jobs that were handed back may still run; the next worker does them anew.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _prepared(settings: Settings) -> State:
    """The data directory with everything in it that a first start has to make."""
    folder = settings.data_dir
    database = folder / "telamon.db"
    if database.exists() and not settings.key_file.exists():
        raise ConfigurationError(
            f"The master key file {settings.key_file} is missing, and {database} holds secrets "
            "sealed with it: put it back, or name it in TELAMON_MASTER_KEY_FILE."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_master_key(settings.key_file)
    except OSError as error:
        raise _unwritable(folder, error) from error
    db = Database.sqlite(database)
    db.migrate()
    migrate_jobs(db.engine)
    store = LocalBlobStore(_repository_path(settings))
    with contextlib.suppress(ConfigurationError):  # there is one already
        Repository.create(store, secrets.token_bytes)
    sealer = Sealer(read_master_key(settings.key_file))
    return State(db=db, sealer=sealer, queue=JobQueue(db.engine))


def _unwritable(data_dir: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"TELAMON_DATA_DIR is {data_dir}, which cannot be written: {error.strerror}."
    )


def _repository_path(settings: Settings) -> Path:
    return settings.data_dir / "repository"


def _mongod(settings: Settings) -> Path | None:
    """The program for managed instances; without one, attached instances work all the same."""
    try:
        return find_mongod(settings.mongod)
    except ConfigurationError as error:
        if settings.mongod is not None:
            raise
        _log.warning("no_mongod", action="find_mongod", reason=error.message)
        return None


def _services(settings: Settings, state: State) -> Services:
    db, queue = state.db, state.queue
    return Services(
        access=state.access,
        instances=Instances(
            db,
            queue,
            Credentials(state.sealer),
            mongod=_mongod(settings),
            clock=system_clock,
            new_id=new_id,
        ),
        snapshots=Snapshots(db, queue, clock=system_clock, new_id=new_id),
        restore_jobs=RestoreJobs(db, queue, clock=system_clock, new_id=new_id),
    )


def _worker(settings: Settings) -> tuple[Worker, ManagedInstances]:
    state = _prepared(settings)
    db, credentials = state.db, Credentials(state.sealer)
    store = LocalBlobStore(_repository_path(settings))
    store.remove_leftovers()  # of a worker that was killed; the lock says that nobody writes now
    repository = Repository.open(store)
    managed = ManagedInstances(
        db, credentials, mongod=_mongod(settings), root=settings.data_dir / "instances"
    )
    handlers: dict[JobKind, JobHandler] = {
        JobKind.CREATE_INSTANCE: CreateInstance(db, managed),
        JobKind.DELETE_INSTANCE: DeleteInstance(db, managed, system_clock),
        JobKind.TAKE_SNAPSHOT: TakeSnapshot(db, credentials, repository, system_clock),
        JobKind.RESTORE: RunRestore(db, credentials, repository, system_clock),
    }
    return Worker(db.engine, handlers, executor_id=_EMBEDDED_WORKER), managed


async def _serve(
    settings: Settings,
    state: State,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> None:
    app = create_app(
        _services(settings, state),
        Options(
            public_url=settings.public_url,
            trusted_proxies=settings.trusted_proxies,
            lenient_accept=settings.lenient_accept,
            sunset_headers=settings.atlas_sunset_headers,
            sunset_enforced=settings.atlas_sunset == "enforce",
        ),
        nonce_secret=state.sealer.derive("digest nonces"),
        clock=system_clock,
    )
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # api/origin.py decides whom to believe
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    supervisor = asyncio.create_task(_supervise(settings))
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        await _AnnouncingServer(config, lambda: announce(url)).serve(sockets=[listener])
    finally:
        supervisor.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await supervisor


class _AnnouncingServer(uvicorn.Server):
    """Tells when it is ready to answer."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._announce()


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"The API cannot listen on {settings.host} port {settings.port} "
            f"(TELAMON_HOST, TELAMON_PORT): {os.strerror(error.errno or 0)}."
        ) from error


async def _supervise(settings: Settings) -> None:
    """Keep one worker process alive; end it when this task is cancelled."""
    pause = _RESTART_PAUSE_SECONDS
    while True:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "telamon", "worker", "--supervised"),
            *("--data-dir", str(settings.data_dir)),
            stdin=asyncio.subprocess.PIPE,  # its end tells the worker that this process is gone
        )
        started = time.monotonic()
        try:
            status = await worker.wait()
        except asyncio.CancelledError:
            await _end(worker, settings.stop_grace_seconds + _STOP_MARGIN_SECONDS)
            raise
        if time.monotonic() - started > _LONGEST_PAUSE_SECONDS:
            pause = _RESTART_PAUSE_SECONDS
        _log.error("worker_died", action="supervise", status=status, restart_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _end(worker: asyncio.subprocess.Process, timeout_seconds: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.terminate()
    try:
        await asyncio.wait_for(worker.wait(), timeout_seconds)
    except TimeoutError:
        worker.kill()
        await worker.wait()


def _await_orphanhood(stopping: threading.Event) -> None:
    sys.stdin.buffer.read()
    stopping.set()


@contextlib.contextmanager
def _locked(data_dir: Path, name: str, *, wait_seconds: float) -> Iterator[None]:
    """Hold the data directory's lock of that name; the system frees it with the process."""
    folder = data_dir / "run"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise _unwritable(data_dir, error) from error
    with (folder / f"{name}.lock").open("a") as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    raise ConfigurationError(
                        f"TELAMON_DATA_DIR is {data_dir}, which another telamon {name} is using."
                    ) from error
            time.sleep(_POLL_SECONDS)
        yield
