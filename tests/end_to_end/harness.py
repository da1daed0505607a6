"""A real ``telamon serve`` and a client of it, as a user has them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from telamon.mongo.process import MongodProcess

Json = dict[str, Any]
PATIENCE_SECONDS = 60.0
PROVIDER = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
NO_SCHEDULES = {"TELAMON_SCHEDULES": "false"}  # no snapshots but those a test asks for
V2 = {"Accept": "application/vnd.atlas.2023-01-01+json"}


def telamon(*words: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """One command of the program, as a process."""
    return subprocess.run(
        [sys.executable, "-m", "telamon", *words],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def wait_for(ask: Callable[[], Any], is_done: Callable[[Any], object]) -> Any:
    """Ask until the answer will do; what is asked takes its time, so that this needs no sleep."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done(answer := ask()):
        assert time.monotonic() < deadline, f"nothing came of it in time: {answer}"
    return answer


class Server:
    """``telamon serve`` on a data directory of its own, with the key that init printed."""

    options: tuple[str, ...] = ()

    def __init__(self, data_dir: Path, mongod: Path) -> None:
        self.data_dir = data_dir
        self._mongod = mongod
        self.environment: dict[str, str] = {}
        made = telamon("init", "--data-dir", str(data_dir), "--json")
        assert made.returncode == 0, made.stderr
        self.key: dict[str, str] = json.loads(made.stdout)
        self.group_id = self.key["groupId"]
        self._process: subprocess.Popen[str] | None = None
        self._log = data_dir / "server.log"

    def start(self, **environment: str) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "telamon", "serve"),
                    *("--data-dir", str(self.data_dir), "--port", "0", *self.options),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env={**os.environ, **NO_SCHEDULES, **environment},
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert "listening on" in line, self.log
        self.url = line.split()[-1]
        self.http = httpx.Client(
            base_url=self.url,
            auth=httpx.DigestAuth(self.key["publicKey"], self.key["privateKey"]),
            timeout=30,
        )
        self.environment = {
            "TELAMON_URL": self.url,
            "TELAMON_GROUP_ID": self.group_id,
            "TELAMON_PUBLIC_KEY": self.key["publicKey"],
            "TELAMON_PRIVATE_KEY": self.key["privateKey"],
        }

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def worker_pid(self) -> int:
        """The worker that the server supervises now."""
        found = wait_for(lambda: _children(self.pid), bool)
        return int(found[0])

    def stop(self) -> None:
        """As a service manager does it."""
        if self._process is not None:
            self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As nobody should do it. Returns when the worker, too, has noticed and ended."""
        worker = self.worker_pid()
        self._end(signal.SIGKILL)
        wait_for(lambda: is_alive(worker), lambda alive: not alive)

    def kill_alone(self) -> None:
        """Without waiting for a worker, which is to be dead already."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        self.http.close()
        self._process.send_signal(number)
        self._process.wait(PATIENCE_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    def v1(self, method: str, path: str, body: object = None, *, group_id: str = "") -> Json:
        """A call below the project on v1.0 that must succeed."""
        return self._call(method, f"/api/atlas/v1.0/groups/{group_id or self.group_id}{path}", body)

    def v2(self, method: str, path: str, body: object = None) -> Json:
        return self._call(method, f"/api/atlas/v2/groups/{self.group_id}{path}", body)

    def own(self, method: str, path: str, body: object = None) -> Json:
        return self._call(method, f"/api/telamon/v1/groups/{self.group_id}{path}", body)

    def _call(self, method: str, path: str, body: object) -> Json:
        answer = self.http.request(method, path, json=body, headers=V2)
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found

    def create(self, name: str, *, group_id: str = "") -> str:
        """A managed instance; returns its connection string once it is IDLE."""
        body = {"name": name, "providerSettings": PROVIDER}
        self.v1("POST", "/serverless", body, group_id=group_id)
        return self.idle(name, group_id=group_id)

    def idle(self, name: str, *, group_id: str = "") -> str:
        found = wait_for(
            lambda: self.v1("GET", f"/serverless/{name}", group_id=group_id),
            lambda it: it["stateName"] == "IDLE",
        )
        return str(found["connectionStrings"]["standardSrv"])

    def take_snapshot(self, name: str) -> str:
        """Ask for a snapshot; returns its id at once."""
        return str(self.own("POST", f"/instances/{name}/snapshots")["id"])

    def ended_snapshot(self, name: str, snapshot_id: str) -> Json:
        return self._ended(
            lambda: self.own("GET", f"/instances/{name}/snapshots/{snapshot_id}"),
            lambda it: it["status"] in ("completed", "failed"),
        )

    def snapshot(self, name: str) -> str:
        """Take one and wait; returns its id."""
        ended = self.ended_snapshot(name, self.take_snapshot(name))
        assert ended["status"] == "completed", ended
        return str(ended["id"])

    def start_restore(
        self, name: str, snapshot_id: str, *, target: str = "", group_id: str = ""
    ) -> str:
        """Ask for a restore; returns the job's id at once."""
        job = self.v1(
            "POST",
            f"/serverless/{name}/backup/restoreJobs",
            {
                "deliveryType": "automated",
                "snapshotId": snapshot_id,
                "targetClusterName": target or name,
                "targetGroupId": group_id or self.group_id,
            },
        )
        return str(job["id"])

    def job(self, name: str, job_id: str) -> Json:
        return self.v1("GET", f"/serverless/{name}/backup/restoreJobs/{job_id}")

    def job_details(self, name: str, job_id: str) -> Json:
        """Telamon's own view: stage, progress, reason."""
        return self.own("GET", f"/instances/{name}/restoreJobs/{job_id}")

    def ended_job(self, name: str, job_id: str) -> Json:
        return self._ended(lambda: self.job(name, job_id), lambda it: "finishedAt" in it)

    def restore(self, name: str, snapshot_id: str, *, target: str = "", group_id: str = "") -> Json:
        """Restore and wait; returns the finished job."""
        job_id = self.start_restore(name, snapshot_id, target=target, group_id=group_id)
        job = self.ended_job(name, job_id)
        assert not job["failed"], self.job_details(name, job_id)
        return job

    def mongod(self, name: str) -> MongodProcess:
        """The process of a managed instance."""
        instance_id = self.v1("GET", f"/serverless/{name}")["id"]
        return MongodProcess(self._mongod, self.data_dir / "instances" / str(instance_id))

    def stop_leftovers(self) -> None:
        """Stop whatever a killed server left running."""
        for folder in (self.data_dir / "instances").glob("*"):
            MongodProcess(self._mongod, folder).stop()

    @staticmethod
    def _ended(ask: Callable[[], Json], is_done: Callable[[Json], bool]) -> Json:
        found: Json = wait_for(ask, is_done)
        return found


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
