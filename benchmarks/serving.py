"""Telamon's own processes, as they are run, on data of the benchmark's own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.api_client import Caller

_TELAMON = [sys.executable, "-m", "telamon"]


def run_telamon(data_dir: Path, settings: Mapping[str, str], *words: str) -> str:
    """What the command printed. Raises CalledProcessError."""
    return subprocess.check_output(
        [*_TELAMON, *words, "--data-dir", str(data_dir)], env={**os.environ, **settings}, text=True
    )


@contextmanager
def serving(data_dir: Path, settings: Mapping[str, str]) -> Iterator[tuple[Caller, str]]:
    """``telamon serve`` with its worker, on a new database; its key, and the id of the project."""
    environment = {**os.environ, **settings}
    if settings:
        run_telamon(data_dir, settings, "db", "upgrade")
    key = json.loads(run_telamon(data_dir, settings, "init", "--json"))
    server = subprocess.Popen(
        [*_TELAMON, "serve", "--data-dir", str(data_dir), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        port = urlsplit(url).port
        assert port is not None
        caller = Caller(port=port, public_key=key["publicKey"], private_key=key["privateKey"])
        yield caller, key["groupId"]
    finally:
        server.terminate()
        server.wait()


@contextmanager
def idle_worker(data_dir: Path, settings: Mapping[str, str]) -> Iterator[int]:
    """``telamon worker`` that has nothing to do, on a new database; its process id."""
    if settings:
        run_telamon(data_dir, settings, "db", "upgrade")
    run_telamon(data_dir, settings, "init")
    worker = subprocess.Popen(
        [*_TELAMON, "worker", "--data-dir", str(data_dir)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
    )
    try:
        assert worker.stderr is not None
        for line in worker.stderr:
            if "worker_ready" in line:
                break
        yield worker.pid
    finally:
        worker.terminate()
        worker.wait()
