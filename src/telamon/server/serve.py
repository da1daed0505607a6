"""``telamon serve``: the API's process."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable

import uvicorn

from telamon.api.asgi import Options, create_app
from telamon.api.call import Services
from telamon.clock import system_clock
from telamon.config import Settings
from telamon.errors import ConfigurationError
from telamon.ids import new_id
from telamon.operations.administration import administration
from telamon.operations.continuous_backup import ContinuousBackup
from telamon.operations.credentials import Credentials
from telamon.operations.download_files import DownloadFiles
from telamon.operations.drill_signing import PURPOSE as DRILL_KEY_PURPOSE
from telamon.operations.drill_signing import DrillKey
from telamon.operations.drills import Drills
from telamon.operations.instances import Instances
from telamon.operations.metrics import Metrics
from telamon.operations.repository_jobs import RepositoryJobs
from telamon.operations.restore_jobs import RestoreJobs
from telamon.operations.snapshots import Snapshots
from telamon.repository.repository import Repository
from telamon.server.locks import process_lock
from telamon.server.machine import machine_of
from telamon.server.repository import open_repository, place_of
from telamon.server.state import State, mongod_program, prepared_state, require_repository
from telamon.server.supervise import supervise


def serve(settings: Settings, announce: Callable[[str], None], *, with_worker: bool = True) -> None:
    """Run the API, and a worker beside it, until SIGTERM or SIGINT.

    ``announce`` is told the URL once it answers. Raises ConfigurationError for a data directory that is in use or a port that is taken, and what
    ``place_of`` and ``open_repository`` do.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on these and raises them again when it has; the worker is still to be stopped.
        signal.signal(number, lambda _number, _frame: None)
    with listen(settings) as listener, _alone(settings, with_worker=with_worker):
        place = place_of(settings)  # first: nothing is made where a setting cannot work
        state = prepared_state(settings)
        with contextlib.closing(state.db):
            # For downloads; and a worker that cannot open it would start again and again.
            repository = open_repository(place)
            if with_worker:
                require_repository(state.db, repository.repository_id)
            services = _services(settings, state, repository, with_worker=with_worker)
            # uvicorn's choice of event loop: uvloop where there is one.
            with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
                runner.run(
                    _serve(settings, state, services, listener, announce, with_worker=with_worker)
                )


def _alone(settings: Settings, *, with_worker: bool) -> contextlib.AbstractContextManager[None]:
    """Any number of APIs may share a database and a data directory; who has a worker is alone there."""
    return process_lock(settings.data_dir, "serve") if with_worker else contextlib.nullcontext()


def _services(
    settings: Settings, state: State, repository: Repository, *, with_worker: bool
) -> Services:
    db, queue = state.db, state.queue
    # Without a worker of its own, an API on SQLite counts on one that has the same settings.
    may_manage = with_worker or not db.is_shared
    return Services(
        access=state.access,
        administration=administration(db, state.access, clock=system_clock, new_id=new_id),
        instances=Instances(
            db,
            queue,
            Credentials(state.sealer),
            mongod=mongod_program(settings) if may_manage else None,
            clock=system_clock,
            new_id=new_id,
            machine=machine_of(settings.data_dir) if db.is_shared else None,
            lease_seconds=settings.lease_seconds,
        ),
        snapshots=Snapshots(
            db, queue, clock=system_clock, new_id=new_id, schedules=settings.schedules
        ),
        continuous_backup=ContinuousBackup(db, clock=system_clock),
        restore_jobs=RestoreJobs(db, queue, clock=system_clock, new_id=new_id),
        download_files=DownloadFiles(
            db,
            repository,
            link_key=state.sealer.derive("download links"),
            clock=system_clock,
        ),
        drills=Drills(
            db,
            queue,
            public_key=DrillKey(state.sealer.derive(DRILL_KEY_PURPOSE)).public,
            clock=system_clock,
            new_id=new_id,
        ),
        metrics=Metrics(db, clock=system_clock, schedules=settings.schedules),
        repository_jobs=RepositoryJobs(db, queue, clock=system_clock, new_id=new_id),
    )


async def _serve(
    settings: Settings,
    state: State,
    services: Services,
    listener: socket.socket,
    announce: Callable[[str], None],
    *,
    with_worker: bool,
) -> None:
    app = create_app(
        services,
        Options(
            public_url=settings.public_url,
            trusted_proxies=settings.trusted_proxies,
            metrics_networks=settings.metrics_networks,
            lenient_accept=settings.lenient_accept,
            sunset_headers=settings.atlas_sunset_headers,
            sunset_enforced=settings.atlas_sunset == "enforce",
            rate_limits=settings.rate_limits,
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
    supervisor = asyncio.create_task(supervise(settings)) if with_worker else None
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        await _AnnouncingServer(config, lambda: announce(url)).serve(sockets=[listener])
    finally:
        if supervisor is not None:
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


def listen(settings: Settings) -> socket.socket:
    """Raises ConfigurationError for a port that is taken, or a host that is not this machine."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        made = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"The API cannot listen on {settings.host} port {settings.port} "
            f"(TELAMON_HOST, TELAMON_PORT): {os.strerror(error.errno or 0)}."
        ) from error
    # Connections inherit it; asyncio sets it only where it knows the protocol, and of a socket made
    # so it does not. A head and a body are two writes: the body would wait 40 ms for the caller's
    # delayed acknowledgement.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
