"""The test's side of ``worker_script``."""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.places import Place

_SCRIPT = "tests.jobs.worker_script"
_SECONDS = 30.0
_STOPPED = "stopped after "


class WorkerProcess:
    """A worker in a process of its own. ``told`` is every line it has told so far."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.told: list[str] = []
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the worker
        self._lines: queue.Queue[str | None] = queue.Queue()
        environment = {**os.environ}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # starting takes far longer with it
        self._process = subprocess.Popen(
            [sys.executable, "-m", _SCRIPT, place.address, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def expect(self, *lines: str) -> None:
        """Wait until each of ``lines`` has been told, in any order."""
        missing = set(lines) - set(self.told)
        while missing:
            missing.discard(self.next_line())

    def next_line(self) -> str:
        line = self._lines.get(timeout=_SECONDS)
        assert line is not None, f"The worker ended; it told {self.told} and {self._logged()}."
        self.told.append(line)
        return line

    def read_lines(self) -> None:
        """Whatever has been told meanwhile; waits a moment for the first line."""
        with contextlib.suppress(queue.Empty):
            line = self._lines.get(timeout=0.05)
            assert line is not None, f"The worker ended; it told {self.told} and {self._logged()}."
            self.told.append(line)

    def about(self, subject_id: str) -> list[str]:
        """What has been told of one job, without its name."""
        return [
            line.removeprefix(f"{subject_id} ")
            for line in self.told
            if line.startswith(f"{subject_id} ")
        ]

    def order(self, order: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()

    def stop(self, grace_seconds: int) -> float:
        """Stop in good order, to the end; answer how many seconds that took."""
        self.order(f"stop {grace_seconds}")
        return self.stopped()

    def stopped(self) -> float:
        """Wait for the end of a stop that was ordered."""
        while not self.next_line().startswith(_STOPPED):
            pass
        return float(self.told[-1].removeprefix(_STOPPED).removesuffix(" s"))

    def kill(self) -> None:
        """As ``kill -9`` does it."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()
        self._reader.join()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()

    def _logged(self) -> str:
        self._log.seek(0)
        return self._log.read().decode()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)


@contextmanager
def running_worker(place: Place, *arguments: str) -> Iterator[WorkerProcess]:
    """One that is ready; killed at the end if it still runs."""
    worker = WorkerProcess(place, *arguments)
    try:
        worker.expect("ready")
        yield worker
    finally:
        worker.close()
