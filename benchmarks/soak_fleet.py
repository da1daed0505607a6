"""The processes of a soak, and the hand that kills and freezes them."""

import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from telamon.errors import WorkerReplaced

_STOP_SECONDS = 60.0
_LONGEST_FREEZE_SECONDS = 6.0
# Killed by us; or a worker that was frozen for longer than its lease, and has seen it.
_EXPECTED_ENDS = frozenset({-signal.SIGKILL, WorkerReplaced.exit_code})


class FleetProcess:
    """``telamon serve --no-worker`` or ``telamon worker``, started again and again under one name."""

    def __init__(self, name: str, folder: Path, words: Sequence[str], settings: Mapping[str, str]):
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [
            *(sys.executable, "-m", "telamon", *words),
            *("--data-dir", str(folder / name)),
        ]
        self._environment = {**os.environ, **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._frozen = False

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        self._frozen = False

    def ended(self) -> int | None:
        """Its exit code if it runs no more."""
        assert self._process is not None
        return self._process.poll()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        if self._frozen:
            assert self._process is not None
            self._process.send_signal(signal.SIGCONT)
            self._frozen = False

    @property
    def is_frozen(self) -> bool:
        return self._frozen

    def stop(self) -> int:
        """As a service manager does it; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(_STOP_SECONDS)


class Api(FleetProcess):
    """On a port that stays the same."""

    def __init__(self, name: str, folder: Path, settings: Mapping[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        super().__init__(name, folder, ["serve", "--no-worker", "--port", str(port)], settings)
        self.url = f"http://127.0.0.1:{port}"


class Trouble:
    """Now and then kills or freezes one process at random, and starts what has ended."""

    def __init__(
        self, fleet: Sequence[FleetProcess], choose: random.Random, *, every_seconds: float
    ) -> None:
        self.done: Counter[str] = Counter()
        """What was done to whom, and how often."""
        self.unexpected: list[str] = []
        """Ends that nobody asked for."""
        self._fleet = fleet
        self._choose = choose
        self._every_seconds = every_seconds
        self._ending = threading.Event()
        self._timers: list[threading.Timer] = []

    def run(self, seconds: float) -> None:
        """So long; afterwards every process runs, and none is frozen."""
        for _ in range(round(seconds / self._every_seconds)):
            if self._ending.wait(self._every_seconds):
                break
            self._start_the_ended()
            self._strike()
        for timer in self._timers:
            timer.cancel()
        for process in self._fleet:
            process.thaw()
        self._start_the_ended()

    def mend(self) -> None:
        """Start what has ended since: a worker that was frozen ends when it sees its lease lost."""
        self._start_the_ended()

    def _strike(self) -> None:
        victim = self._choose.choice(self._fleet)
        if victim.is_frozen:
            return
        if self._choose.random() < 0.5:  # as often the one as the other
            self.done[f"{victim.name} killed"] += 1
            victim.kill()
            victim.start()
            return
        self.done[f"{victim.name} frozen"] += 1
        victim.freeze()
        timer = threading.Timer(self._choose.uniform(0.5, _LONGEST_FREEZE_SECONDS), victim.thaw)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def _start_the_ended(self) -> None:
        for process in self._fleet:
            code = process.ended()
            if code is None:
                continue
            if code == WorkerReplaced.exit_code:
                self.done[f"{process.name} replaced"] += 1
            if code not in _EXPECTED_ENDS:
                self.unexpected.append(f"{process.name} ended by itself with {code}")
            process.start()
