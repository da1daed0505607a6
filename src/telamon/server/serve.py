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
from telamon.operations.credentials import Credentials
from telamon.operations.download_files import DownloadFiles
from telamon.operations.instances import Instances
from telamon.operations.metrics import Metrics
from telamon.operations.restore_jobs import RestoreJobs
from telamon.operations.snapshots import Snapshots
from telamon.repository.repository import Repository
from telamon.server.locks import process_lock
from telamon.server.repository import open_repository, place_of
from telamon.server.state import State, mongod_program, prepared_state
from telamon.server.supervise import supervise


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Run the API and its worker until SIGTERM or SIGINT. ``announce`` is told the URL once it answers.

    Raises ConfigurationError for a data directory that is in use or a port that is taken, and what
    ``place_of`` and ``open_repository`` do.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops on these and raises them again when it has; the worker is still to be stopped.
        signal.signal(number, lambda _number, _frame: None)
    listener = _listen(settings)
    with listener, process_lock(settings.data_dir, "serve"):
        state = prepared_state(settings)
        # For downloads; and a worker that cannot open it would start again and again.
        repository = open_repository(place_of(settings))
        asyncio.run(_serve(settings, state, repository, listener, announce))
        state.db.close()


def _services(settings: Settings, state: State, repository: Repository) -> Services:
    db, queue = state.db, state.queue
    return Services(
        access=state.access,
        administration=administration(db, state.access, clock=system_clock, new_id=new_id),
        instances=Instances(
            db,
            queue,
            Credentials(state.sealer),
            mongod=mongod_program(settings),
            clock=system_clock,
            new_id=new_id,
        ),
        snapshots=Snapshots(db, queue, clock=system_clock, new_id=new_id),
        restore_jobs=RestoreJobs(db, queue, clock=system_clock, new_id=new_id),
        download_files=DownloadFiles(
            db,
            repository,
            link_key=state.sealer.derive("download links"),
            clock=system_clock,
        ),
        metrics=Metrics(db, clock=system_clock, schedules=settings.schedules),
    )


async def _serve(
    settings: Settings,
    state: State,
    repository: Repository,
    listener: socket.socket,
    announce: Callable[[str], None],
) -> None:
    app = create_app(
        _services(settings, state, repository),
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
    supervisor = asyncio.create_task(supervise(settings))
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
