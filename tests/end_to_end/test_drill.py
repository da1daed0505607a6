"""Drills on a real server, by the command, with workers that end in their middle."""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import Mongod, running
from tests.end_to_end.harness import Json, Server, telamon, wait_for


@pytest.fixture
def impatient(mongod_program: Path, tmp_path: Path) -> Iterator[Server]:
    """One that waits for no job when it is stopped."""
    server = Server(tmp_path / "data", mongod_program)
    yield from running(server, TELAMON_STOP_GRACE_SECONDS="0")


def mongods(server: Server) -> set[int]:
    """The processes that run below the directory of drills."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(errors="replace")
        except OSError:
            continue
        if f"{server.data_dir}/drills/" in line:
            found.add(int(path.parent.name))
    return found


def left(server: Server) -> list[Path]:
    return list((server.data_dir / "drills").glob("*"))


def start(server: Server) -> str:
    """Ask for one; answers its id once its mongod runs."""
    started = telamon("drill", "start", "shop", **server.environment)
    assert started.returncode == 0, started.stderr
    wait_for(lambda: mongods(server), bool)
    return started.stdout.strip()


def ended(server: Server, drill_id: str) -> Json:
    found: Json = wait_for(
        lambda: server.own("GET", f"/instances/shop/drills/{drill_id}"),
        lambda it: "finishedAt" in it,
    )
    return found


def damage(server: Server) -> None:
    for path in server.data_dir.glob("repository/packs/**/*"):
        if path.is_file():
            data = bytearray(path.read_bytes())
            data[100] ^= 1
            path.chmod(0o600)
            path.write_bytes(data)


def test_drills_through_everything_that_may_happen(impatient: Server, source: Mongod) -> None:
    server = impatient
    source.client.shop.orders.insert_many({"_id": n, "x": os.urandom(100)} for n in range(1000))
    server.own("POST", "/instances", {"name": "shop", "uri": source.uri})
    snapshot_id = server.snapshot("shop")

    # The worker is killed: the next one begins anew
    drill_id = start(server)
    first = mongods(server)
    os.kill(server.worker_pid(), signal.SIGKILL)
    (second,) = wait_for(lambda: mongods(server) - first, bool)
    os.kill(second, signal.SIGSTOP)  # else the drill may be over before the server is

    # The server is stopped: nothing is left, and the drill is handed back
    server.stop()
    assert (left(server), mongods(server)) == ([], set())
    with closing(sqlite3.connect(server.data_dir / "telamon.db")) as file:
        states = file.execute("SELECT state, attempts FROM drill WHERE id = ?", (drill_id,))
        assert states.fetchall() == [("running", 1)]
    server.start()
    assert ended(server, drill_id)["state"] == "passed"
    assert (left(server), mongods(server)) == ([], set())

    # The repository is damaged
    damage(server)
    done = telamon("drill", "shop", **server.environment)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "telamon: The drill failed: shop.orders cannot be restored: Chunk "
    )
    assert (left(server), mongods(server)) == ([], set())
    listed = telamon("drill", "list", "shop", **server.environment).stdout.splitlines()
    assert [line.split()[1] for line in listed] == ["failed", "passed"]
    assert listed[0].split()[3] == snapshot_id
