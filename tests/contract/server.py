"""A server on a socket whose database can be put back to its beginning at any time."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import uvicorn
from requests.auth import HTTPDigestAuth
from starlette.types import ASGIApp, Receive, Scope, Send

from telamon.model.access import NewApiKey
from telamon.state.database import Database
from tests.api.routes.world import CountingIds, World

LOOPBACK = "127.0.0.1"


class Served:
    """What answers at ``url``: an application over a copy of ``template``."""

    def __init__(self, template: Path, folder: Path, key: NewApiKey) -> None:
        self._template = template
        self._path = folder / "telamon.db"
        self._db = Database.sqlite(self._path)
        self._world: World | None = None
        self._app: ASGIApp | None = None
        self.url = ""
        self.anonymous = requests.Session()
        self.session = requests.Session()
        self.session.auth = HTTPDigestAuth(key.key.public_key, key.private_key)

    def begin_anew(self) -> None:
        """Everything that requests have changed is as it was. No request may be under way."""
        self.close()
        shutil.copyfile(self._template, self._path)
        self._world = World(self._db, self._path, new_id=CountingIds(made=1_000))
        self._app = self._world.app()

    def close(self) -> None:
        if self._world is not None:
            self._world.close()
        for old in self._path.parent.iterdir():
            old.unlink()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """On a port of loopback, in a thread of its own."""
    config = uvicorn.Config(
        served, host=LOOPBACK, port=0, log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    with config.bind_socket() as listener:
        served.url = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        listener.listen()  # so that nobody is refused before the thread has begun
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            served.begin_anew()
            yield served
        finally:
            server.should_exit = True
            thread.join()
            served.session.close()
            served.anonymous.close()
            served.close()
