"""A mongod that is no replica set."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from telamon.mongo.connect import Client, open_client
from telamon.mongo.process import free_port
from tests.mongo.trouble import await_answer


class Standalone:
    """A server that the test may kill and start again, and a client of it."""

    client: Client

    def __init__(self, program: Path, data: Path, options: tuple[str, ...]) -> None:
        data.mkdir()
        port = free_port()
        self.uri = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        where = ["--dbpath", data, "--logpath", data / "log", "--port", port]
        quiet = ["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
        self._command = [str(word) for word in [program, *where, *quiet, *options]]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def running_standalone(program: Path, data: Path, *options: str) -> Iterator[Standalone]:
    """One that keeps its data in ``data``, started with further command line options."""
    server = Standalone(program, data, options)
    try:
        with open_client(server.uri, selection_seconds=30) as client:
            await_answer(client)
            server.client = client
            yield server
    finally:
        server.kill()
