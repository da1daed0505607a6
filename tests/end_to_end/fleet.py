"""APIs and workers on one PostgreSQL database and one repository, as several machines have them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from telamon.state.tables import restore_job, snapshot
from tests.end_to_end.harness import PATIENCE_SECONDS, Server, telamon, wait_for
from tests.places import Place


def _attempts(table: sa.Table, subject_id: str, tx: sa.Connection) -> int | None:
    found = sa.select(table.c.attempts).where(table.c.id == subject_id)
    attempts: int | None = tx.execute(found).scalar()
    return attempts


class Api(Server):
    """``telamon serve --no-worker`` of a fleet."""

    options: tuple[str, ...] = ("--no-worker",)

    def __init__(
        self,
        data_dir: Path,
        key: dict[str, str],
        settings: dict[str, str],
        mongod: Path = Path("/nowhere"),
    ) -> None:
        data_dir.mkdir()
        self._mongod = mongod
        self.data_dir = data_dir
        self.environment = {}
        self.key = key
        self.group_id = key["groupId"]
        self._settings = settings
        self._process = None
        self._log = data_dir / "server.log"

    def start(self, **environment: str) -> None:
        super().start(**self._settings, **environment)


class FleetWorker:
    """``telamon worker`` on a data directory of its own."""

    def __init__(self, data_dir: Path, settings: dict[str, str]) -> None:
        self._log = data_dir / "worker.log"
        data_dir.mkdir(exist_ok=True)
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "telamon", "worker", "--data-dir", str(data_dir)],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **settings},
            )
        wait_for(lambda: self.log, lambda text: "worker_ready" in text or self._has_ended())
        assert not self._has_ended(), self.log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        """Its exit code, once it has one."""
        return self.process.wait(PATIENCE_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def _has_ended(self) -> bool:
        return self.process.poll() is not None


class Fleet:
    """Settings that all of its processes have, and the first organization."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.folder = folder
        self.place = place
        self.settings = {
            "TELAMON_DATABASE_URL": place.address,
            "TELAMON_REPOSITORY_URL": (folder / "repository").as_uri(),
            "TELAMON_MASTER_KEY_FILE": str(folder / "master.key"),
            "TELAMON_HEARTBEAT_SECONDS": "1",
            "TELAMON_LEASE_SECONDS": "2",
            "TELAMON_STOP_GRACE_SECONDS": "0",
        }
        assert self.command("db", "upgrade").returncode == 0
        self.key: dict[str, str] = json.loads(self.command("init", "--json").stdout)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """On a machine that runs nothing else."""
        return telamon(*words, "--data-dir", str(self.folder / "elsewhere"), **self.settings)

    @contextmanager
    def api(self, name: str) -> Iterator[Api]:
        api = Api(self.folder / name, self.key, self.settings)
        api.start()
        try:
            yield api
        finally:
            api.stop()

    @contextmanager
    def worker(self, name: str, **settings: str) -> Iterator[FleetWorker]:
        """One that is ready; told to stop at the end if it still runs."""
        worker = FleetWorker(self.folder / name, {**self.settings, **settings})
        try:
            yield worker
            worker.process.terminate()
            worker.ended()
        finally:
            worker.kill()

    def attempts(self, subject_id: str) -> int:
        """How many times a snapshot or restore job has been begun, as the database has it."""
        with closing(self.place.open()) as db:
            for table in (snapshot, restore_job):
                attempts = db.look(partial(_attempts, table, subject_id))
                if attempts is not None:
                    return attempts
        raise AssertionError(subject_id)
