"""One mongod process on one directory: started, found again after our own restart, stopped cleanly.

A mongod outlives the process that started it, so that a crash of Telamon takes no database down;
whoever comes next finds it by the process id in its lock file.
"""

import base64
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from telamon.errors import ConfigurationError, DeploymentUnavailable

LOOPBACK = "127.0.0.1"
REPLICA_SET = "telamon"
_POLL_SECONDS = 0.02
_CACHE_GIGABYTES = "0.25"
_OPLOG_MEGABYTES = "990"  # the smallest that mongod takes
_KEY_BYTES = 96
_LOG_TAIL_BYTES = 4096


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


class MongodProcess:
    """The mongod of one directory, which holds its data, key file and log.

    Not thread-safe: one owner starts and stops it.
    """

    def __init__(self, program: Path, root: Path) -> None:
        root = root.absolute()  # it is looked for in command lines, from anywhere
        self._program = program
        self._data = root / "db"
        self._key_file = root / "keyfile"
        self._log = root / "mongod.log"
        self._output = root / "mongod.out"  # what it says before it has a log
        self._root = root
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the mongod that runs on the directory, or None."""
        if self._child is not None:
            if self._child.poll() is None:
                return self._child.pid
            self._child = None
        return self._recorded_pid()

    @property
    def port(self) -> int | None:
        """The port in the command line of the running mongod, or None."""
        pid = self.pid
        words = _command_line(pid) if pid is not None else []
        return int(words[words.index("--port") + 1]) if "--port" in words else None

    def start(self, port: int) -> None:
        """Start mongod on ``port``, or leave alone one that already runs here. Does not wait for it.

        Raises ConfigurationError where the program cannot be run at all.
        """
        if self.pid is not None:
            return
        self._prepare()
        command = [
            str(self._program),
            *("--dbpath", str(self._data), "--logpath", str(self._log), "--logappend"),
            *("--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--auth", "--keyFile", str(self._key_file)),
            *("--wiredTigerCacheSizeGB", _CACHE_GIGABYTES, "--oplogSize", _OPLOG_MEGABYTES),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
        ]
        try:
            with self._output.open("wb") as output:
                self._child = subprocess.Popen(  # noqa: S603  # our own command line, no shell
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # a Ctrl-C at our terminal is not meant for it
                )
        except OSError as error:
            raise ConfigurationError(
                f"The mongod at {self._program} cannot be run: {error.strerror}."
            ) from error

    def require_running(self) -> None:
        """Raise DeploymentUnavailable, with what mongod said last, if it has ended."""
        if self.pid is not None:
            return
        raise DeploymentUnavailable(f"mongod in {self._root} ended: {self._last_words()}")

    def stop(self, timeout_seconds: float = 30.0) -> None:
        """Ask mongod to shut down cleanly and wait for its end; kill it if it does not come."""
        pid = self.pid
        if pid is None:
            return
        self._signal(pid, signal.SIGTERM)
        if not self._wait_for_end(pid, timeout_seconds):
            self._signal(pid, signal.SIGKILL)
            self._wait_for_end(pid, timeout_seconds)

    def kill(self, timeout_seconds: float = 30.0) -> None:
        """End at once whatever runs on the directory, also what has no lock file yet or any more."""
        pids = self._pids()
        for pid in pids:
            self._signal(pid, signal.SIGKILL)
        for pid in pids:
            self._wait_for_end(pid, timeout_seconds)
        if self._child is not None:
            self._child.kill()  # another process may have been faster
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_seconds)

    def _prepare(self) -> None:
        self._data.mkdir(parents=True, exist_ok=True)
        if not self._key_file.exists():
            unfinished = self._key_file.with_suffix(".new")
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)))
            unfinished.replace(self._key_file)

    def _pids(self) -> list[int]:
        """Of every process that has the directory in its command line."""
        numbers = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [number for number in numbers if str(self._data) in _command_line(number)]

    def _recorded_pid(self) -> int | None:
        try:
            text = (self._data / "mongod.lock").read_text().strip()
        except OSError:
            return None
        if not text.isdecimal():
            return None
        # A process id may have passed to somebody else since.
        return int(text) if str(self._data) in _command_line(int(text)) else None

    def _wait_for_end(self, pid: int, timeout_seconds: float) -> bool:
        """Of the process itself: mongod empties its lock file before it is gone."""
        deadline = time.monotonic() + timeout_seconds
        while self.pid is not None or not _is_over(pid):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def _last_words(self) -> str:
        """What explains the end: an error in its log or output, else the last line."""
        lines = [line for path in (self._output, self._log) for line in _tail(path)]
        telling = [line for line in lines if '"s":"F"' in line or '"s":"E"' in line]
        return telling[0] if telling else (lines or ["it left no log"])[-1]


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _LOG_TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _is_over(pid: int) -> bool:
    """Whether no thread runs: the first one of a killed process may be gone before the others are."""
    try:
        return not _command_line(pid) and len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
    except OSError:
        return True


def _command_line(pid: int) -> list[str]:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return []
    return [] if state == "Z" else raw.decode(errors="replace").split("\0")
