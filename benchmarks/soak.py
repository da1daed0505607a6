"""A fleet under trouble: ``make soak``, or ``python -m benchmarks.soak --seconds 180``.

Workers and APIs on one PostgreSQL database and one bucket; callers that take snapshots of instances
and restore them into each other; and every two seconds one process is killed (SIGKILL) or frozen
(SIGSTOP, then SIGCONT). Then all is left to finish, and it must hold that

- every job whose request was answered is there, every job has one end, and keeps it;
- what an instance holds after a restore has the ``dbHash`` that it had when the snapshot was taken,
  and nothing changes it afterwards;
- ``telamon repository check --read-data`` finds nothing;
- every answer was a good one. A process that is down or frozen gives none: the caller asks another.

Each instance is a mongod of its own, which nobody kills. Ends with 1 if anything of this does not hold.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import httpx

from benchmarks.deployment import Deployment, deployment
from benchmarks.soak_callers import Caller, Fleet, Seen
from benchmarks.soak_fleet import Api, FleetProcess, Trouble
from benchmarks.soak_proof import prove_engine, prove_jobs, prove_repository
from tests.blobs.servers import CREDENTIALS, S3Server, run_moto, run_seaweedfs
from tests.databases import PostgresMaker, find_postgres, running_postgres

_COMMAND_SECONDS = 120
_REST_SECONDS = 300.0
_POLL_SECONDS = 0.5


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--seconds", type=float, default=180, help="of trouble")
    arguments.add_argument(
        "--instances", type=int, default=20, help="each a mongod, of about 150 MB"
    )
    arguments.add_argument("--workers", type=int, default=3)
    arguments.add_argument("--apis", type=int, default=2)
    arguments.add_argument("--every", type=float, default=2, help="seconds from blow to blow")
    arguments.add_argument("--seed", type=int, default=None, help="of every choice")
    chosen = arguments.parse_args()
    signal.signal(signal.SIGTERM, _end)
    seed = chosen.seed if chosen.seed is not None else random.SystemRandom().randrange(2**31)
    seen = Seen()
    summary = [f"seed {seed}, load average before {os.getloadavg()[0]:.1f}"]
    with tempfile.TemporaryDirectory(prefix="telamon-soak-") as folder, ExitStack() as stack:
        soak = Soak(Path(folder), stack, chosen, random.Random(seed), seen)
        summary += soak.run(chosen.seconds)
        if seen.violations:
            kept = Path(tempfile.mkdtemp(prefix="telamon-soak-logs-"))
            for log in Path(folder).glob("*.log"):
                shutil.copy(log, kept)
            summary.append(f"logs are in {kept}")
    print("\n".join(summary))
    for violation in seen.violations:
        print(f"VIOLATION {violation}")
    print(f"{len(seen.violations)} violations, load average after {os.getloadavg()[0]:.1f}")
    sys.exit(1 if seen.violations else 0)


class Soak:
    """One run; ``stack`` ends everything that it starts."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        chosen: argparse.Namespace,
        choose: random.Random,
        seen: Seen,
    ) -> None:
        self._folder = folder
        self._stack = stack
        self._choose = choose
        self._seen = seen
        self._chosen = chosen

    def run(self, seconds: float) -> list[str]:
        """Lines that tell what was done."""
        deployments = self._deployments()
        self._settings = self._environment()
        self._telamon("db", "upgrade")
        self._key: dict[str, str] = json.loads(self._telamon("init", "--json"))
        workers, apis = self._processes()
        fleet: list[FleetProcess] = [*workers, *apis]
        self._urls = [api.url for api in apis]
        for process in fleet:
            self._stack.callback(process.kill)
            process.start()
        for api in apis:
            _await(api)
        trouble = Trouble(fleet, self._fork(), every_seconds=self._chosen.every)
        ending = threading.Event()
        callers = self._callers(deployments, ending)
        _say(f"{len(fleet)} processes, {len(callers)} instances; trouble for {seconds:.0f} s")
        trouble.run(seconds)
        _say("trouble is over; waiting for what was asked for")
        ending.set()
        self._rest(callers, trouble)
        lines = self._proven(list(deployments))
        for process in fleet:
            code = process.stop()
            if code:
                trouble.unexpected.append(f"{process.name} ended with {code} when told to stop")
        self._seen.violations += trouble.unexpected
        return [*lines, f"trouble: {dict(sorted(trouble.done.items()))}"]

    def _deployments(self) -> dict[str, Deployment]:
        return {
            f"i{number}": self._stack.enter_context(deployment(self._folder / f"mongod{number}"))
            for number in range(self._chosen.instances)
        }

    def _environment(self) -> dict[str, str]:
        programs = find_postgres()
        if programs is None:
            sys.exit("There is no PostgreSQL: no initdb is installed.")
        postgres = self._folder / "postgres"
        postgres.mkdir()
        url = self._stack.enter_context(running_postgres(programs, postgres))
        bucket = self._stack.enter_context(_bucket())
        return {
            **os.environ,
            "TELAMON_DATABASE_URL": PostgresMaker(url).make().address,
            "TELAMON_REPOSITORY_URL": bucket.url("soak"),
            "TELAMON_MASTER_KEY_FILE": str(self._folder / "master.key"),
            "TELAMON_SCHEDULES": "false",
            "TELAMON_HEARTBEAT_SECONDS": "1",
            "TELAMON_LEASE_SECONDS": "3",
            "TELAMON_LOG_FORMAT": "json",
            "AWS_ACCESS_KEY_ID": CREDENTIALS.access_key_id,
            "AWS_SECRET_ACCESS_KEY": CREDENTIALS.secret_access_key,
        }

    def _processes(self) -> tuple[list[FleetProcess], list[Api]]:
        workers = [
            FleetProcess(f"worker{number}", self._folder, ["worker"], self._settings)
            for number in range(self._chosen.workers)
        ]
        apis = [
            Api(f"api{number}", self._folder, self._settings) for number in range(self._chosen.apis)
        ]
        return workers, apis

    def _callers(
        self, deployments: dict[str, Deployment], ending: threading.Event
    ) -> list[threading.Thread]:
        threads = []
        for name, one in deployments.items():
            fleet = self._fleet()
            fleet.request(
                f"/api/telamon/v1/groups/{fleet.group_id}/instances",
                {"name": name, "uri": one.uri},
            )
            caller = Caller(name, one.client, fleet, self._seen, self._fork())
            threads.append(threading.Thread(target=caller.run, args=(ending,), name=name))
        for thread in threads:
            thread.start()
        return threads

    def _rest(self, callers: Sequence[threading.Thread], trouble: Trouble) -> None:
        deadline = time.monotonic() + _REST_SECONDS
        for caller in callers:
            while caller.is_alive():
                trouble.mend()
                caller.join(_POLL_SECONDS)
                if time.monotonic() > deadline:
                    self._seen.violations.append(f"the caller of {caller.name} got no end")
                    break

    def _proven(self, instances: Sequence[str]) -> list[str]:
        fleet = self._fleet()
        ends = prove_jobs(fleet, instances, self._seen)
        fleet.close()
        prove_engine(self._settings["TELAMON_DATABASE_URL"], self._seen)
        checked = prove_repository(self._settings, str(self._folder / "check"), self._seen)
        return [
            *(f"{count} x {end}" for end, count in sorted(ends.items())),
            f"seen: {dict(sorted(self._seen.counts.items()))}",
            f"check --read-data: {checked}",
        ]

    def _fleet(self) -> Fleet:
        return Fleet(self._urls, self._key, self._seen, self._fork())

    def _fork(self) -> random.Random:
        """For another thread, so that each makes the same choices again."""
        return random.Random(self._choose.random())

    def _telamon(self, *words: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "telamon", *words, "--data-dir", str(self._folder / "first")],
            env=self._settings,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=_COMMAND_SECONDS,
        ).stdout


@contextmanager
def _bucket() -> Iterator[S3Server]:
    """Of SeaweedFS where that is installed, of moto otherwise."""
    here = str(Path(sys.executable).parent)
    program = shutil.which("weed", path=os.pathsep.join([here, os.environ["PATH"]]))
    with run_moto() if program is None else run_seaweedfs(program) as server:
        yield server


def _await(api: Api) -> None:
    deadline = time.monotonic() + _COMMAND_SECONDS
    while True:
        try:
            httpx.get(f"{api.url}/readyz").raise_for_status()
        except httpx.TransportError:
            if api.ended() is not None or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _end(_signal: int, _frame: FrameType | None) -> None:
    """A termination leaves by the same way as Ctrl-C: through every block that cleans up."""
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
