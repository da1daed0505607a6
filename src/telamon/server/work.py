"""``telamon worker``: the process that runs jobs and managed mongods."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from telamon.clock import system_clock
from telamon.config import Settings
from telamon.errors import TelamonError, Unavailable, WorkerReplaced
from telamon.ids import new_id
from telamon.jobs.lease import Lease
from telamon.jobs.queue import JobKind
from telamon.jobs.worker import APPLICATION_VERSION, JobHandler, Worker
from telamon.mongo.buffers import keep_large_buffers
from telamon.mongo.throwaway import Throwaways
from telamon.operations.credentials import Credentials
from telamon.operations.downloads import PrepareDownload
from telamon.operations.drill_signing import PURPOSE as DRILL_KEY_PURPOSE
from telamon.operations.drill_signing import DrillKey
from telamon.operations.instances import CreateInstance, DeleteInstance
from telamon.operations.kept_snapshots import DeleteSnapshot
from telamon.operations.managed_instances import ManagedInstances
from telamon.operations.oplog_capture import OplogCapture
from telamon.operations.run_drill import RunDrill
from telamon.operations.run_repository_job import CheckRepository, PruneRepository
from telamon.operations.run_restore import RunRestore
from telamon.operations.snapshots import TakeSnapshot
from telamon.repository.repository import Repository
from telamon.server.capturing import Capturing
from telamon.server.chores import chores
from telamon.server.locks import process_lock
from telamon.server.machine import machine_of
from telamon.server.repository import RepositoryPlace, open_repository, place_of
from telamon.server.state import mongod_program, prepared_state, require_repository
from telamon.server.ticker import Ticker
from telamon.server.with_repository import AloneWithRepository, Confirmation, WithRepository
from telamon.state import drills, repository_jobs, restore_jobs, snapshots
from telamon.state.workers import LivingWorker

_ONLY_MACHINE = "this"
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
        parts = _parts(settings)
        parts.lease.begin()
        _unless_refused(parts.throwaways.remove_all)
        parts.managed.open()
        parts.worker.launch()
        parts.ticker.start()
        parts.capturing.start()
        _log.info("worker_ready", action="start_worker", worker=parts.worker_id)
        stopping.wait()
        _log.info("worker_stopping", action="stop_worker", worker=parts.worker_id)
        parts.capturing.stop(_TICK_END_SECONDS)
        parts.ticker.stop(_TICK_END_SECONDS)
        parts.worker.stop(settings.stop_grace_seconds)
        parts.managed.close()
        _end(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """What a worker consists of."""

    worker_id: str
    lease: Lease
    worker: Worker
    managed: ManagedInstances
    throwaways: Throwaways
    ticker: Ticker
    capturing: Capturing


def _parts(settings: Settings) -> _Parts:
    place = place_of(settings)  # first: nothing is made where a setting cannot work
    state = prepared_state(settings)
    machine = machine_of(settings.data_dir) if state.db.is_shared else None
    mongod = mongod_program(settings)
    living = LivingWorker(
        id=new_id(system_clock()),
        machine=machine or _ONLY_MACHINE,
        has_mongod=mongod is not None,
        version=APPLICATION_VERSION,
    )
    lease = Lease(
        state.db,
        living,
        beat_seconds=settings.heartbeat_seconds,
        lease_seconds=settings.lease_seconds,
        lost=lambda: os._exit(WorkerReplaced.exit_code),
    )
    managed = ManagedInstances(
        lease.fenced,
        Credentials(state.sealer),
        mongod=mongod,
        root=settings.data_dir / "instances",
        machine=machine,
    )
    throwaways = Throwaways(mongod, settings.data_dir / "drills")
    drill_key = DrillKey(state.sealer.derive(DRILL_KEY_PURPOSE))
    repository = open_repository(place)
    require_repository(state.db, repository.repository_id)
    _remove_leftovers(place)
    return _Parts(
        worker_id=living.id,
        lease=lease,
        worker=Worker(
            state.db.engine,
            _handlers(
                place,
                repository,
                lease,
                managed,
                Credentials(state.sealer),
                throwaways=throwaways,
                drill_key=drill_key,
            ),
            worker_id=living.id,
            machine=machine,
            has_mongod=machine is not None and mongod is not None,
        ),
        managed=managed,
        throwaways=throwaways,
        ticker=Ticker(chores(settings, lease.fenced, state.queue, repository)),
        capturing=Capturing(
            OplogCapture(
                lease.fenced,
                Credentials(state.sealer),
                repository,
                worker_id=living.id,
                machine=machine,
                clock=system_clock,
            ),
            every_seconds=settings.capture_seconds,
        ),
    )


def _handlers(
    place: RepositoryPlace,
    repository: Repository,
    lease: Lease,
    managed: ManagedInstances,
    credentials: Credentials,
    *,
    throwaways: Throwaways,
    drill_key: DrillKey,
) -> dict[JobKind, JobHandler]:
    db = lease.fenced
    confirm = Confirmation(require=lease.require, require_lately=lease.require_lately)

    def with_repository(handler: JobHandler) -> JobHandler:
        return WithRepository(handler, repository, place.lock, confirm)

    return {
        JobKind.CREATE_INSTANCE: CreateInstance(db, managed),
        JobKind.DELETE_INSTANCE: DeleteInstance(db, managed, system_clock),
        JobKind.TAKE_SNAPSHOT: with_repository(
            TakeSnapshot(db, credentials, repository, system_clock, confirm)
        ),
        JobKind.RESTORE: with_repository(
            RunRestore(db, credentials, repository, system_clock, confirm)
        ),
        JobKind.DELETE_SNAPSHOT: with_repository(DeleteSnapshot(db, repository)),
        JobKind.PREPARE_DOWNLOAD: with_repository(PrepareDownload(db, repository, system_clock)),
        JobKind.CHECK: with_repository(CheckRepository(db, repository, system_clock)),
        JobKind.PRUNE: AloneWithRepository(
            PruneRepository(db, repository, system_clock, confirm),
            repository,
            place.lock,
            confirm,
            tidy=place.remove_leftovers,
        ),
        JobKind.DRILL: with_repository(
            RunDrill(db, repository, throwaways, drill_key, clock=system_clock, confirm=confirm)
        ),
    }


def _end(parts: _Parts) -> None:
    """Threads of jobs that are handed back may still run: the process ends under them."""
    try:
        parts.lease.end(
            parts.worker.running(),
            {
                JobKind.TAKE_SNAPSHOT: snapshots.hand_back,
                JobKind.RESTORE: restore_jobs.hand_back,
                JobKind.PREPARE_DOWNLOAD: restore_jobs.hand_back,
                JobKind.PRUNE: repository_jobs.hand_back,
                JobKind.CHECK: repository_jobs.hand_back,
                JobKind.DRILL: drills.hand_back,
            },
        )
    except TelamonError as error:  # others take them up when the lease has run out
        _log.warning("not_handed_back", action="stop_worker", reason=error.message)
    else:
        # Only now: what becomes of a job without its mongod must not be taken for its outcome.
        _unless_refused(parts.throwaways.close)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _unless_refused(remove: Callable[[], None]) -> None:
    """Take away what is left of drills. What cannot be deleted is in nobody's way."""
    try:
        remove()
    except TelamonError as error:
        _log.warning("drill_left", action="remove_throwaways", reason=error.message)


def _remove_leftovers(place: RepositoryPlace) -> None:
    """Delete what a killed worker left unfinished, unless a prune is writing now."""
    with contextlib.suppress(Unavailable), place.lock.alone():
        place.remove_leftovers()


def _await_orphanhood(stopping: threading.Event) -> None:
    sys.stdin.buffer.read()
    stopping.set()
