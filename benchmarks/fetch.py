"""A download fetched over HTTP as a user does it: the route itself, uvicorn, and curl.

What stands around the route, the database with its jobs, is left out.
"""

import json
import subprocess
import threading
from typing import Any

import uvicorn
from starlette.applications import Starlette

from telamon.api.downloads import PREFIX, Downloads
from telamon.mongo.archive import Archive
from telamon.operations.download_files import DownloadFile, DownloadFiles
from telamon.repository.repository import Repository


def fetch(repository: Repository, snapshot_id: str) -> dict[str, Any]:
    """``bytes``, the ``seconds`` that all of them took, and those until the ``first`` came.

    The checksums, which the job that prepares a download has found, are zeros here.
    """
    server = _Server(_Files(repository, snapshot_id))
    server.start()
    try:
        curl = ["curl", "--silent", "--show-error", "--fail", "--output", "/dev/null"]
        told = (
            '{"bytes": %{size_download}, "seconds": %{time_total}, "first": %{time_starttransfer}}'
        )
        done = subprocess.run(
            [*curl, "--write-out", told, server.url], capture_output=True, check=True
        )
    finally:
        server.stop()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class _Files(DownloadFiles):
    """One file, whatever the token is."""

    def __init__(self, repository: Repository, snapshot_id: str) -> None:
        self._repository = repository
        self._snapshot_id = snapshot_id

    def open(self, token: str) -> DownloadFile:
        del token
        manifest = self._repository.manifest(self._snapshot_id)
        archive = Archive(manifest, [0] * len(manifest.collections))
        return DownloadFile("", self._snapshot_id, archive, self._repository)


class _Server:
    def __init__(self, files: DownloadFiles) -> None:
        config = uvicorn.Config(
            Starlette(routes=Downloads(files).routes()),
            port=0,
            log_config=None,
            access_log=False,
            lifespan="off",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.001)

    @property
    def url(self) -> str:
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}{PREFIX}token/archive.gz"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()
