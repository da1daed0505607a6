"""The command line as people run it: in processes of its own."""

import io
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from telamon.cli.main import main

_SECONDS = 60.0
_LISTENING = "Telamon is listening on "


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    exit_code: int
    out: str
    err: str


Here = Callable[..., Ended]


@dataclass(frozen=True)
class Shell:
    """Where commands are run, and with which settings."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def telamon(self, *arguments: str, given: str = "") -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "telamon", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def within(self, **settings: str) -> "Shell":
        """The same with more settings."""
        return Shell(self.folder, {**self.settings, **settings})

    @property
    def environment(self) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            # Starting takes far longer without compiled modules.
            if not name.startswith("TELAMON_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {**inherited, "COLUMNS": "200", **self.settings}

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[str]:
        """A server that answers at the URL; at the end it is told to stop, and must do so well."""
        with (
            (self.folder / "serve.log").open("ab") as log,
            subprocess.Popen(
                [sys.executable, "-m", "telamon", "serve", "--port", "0", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            ) as server,
        ):
            try:
                assert server.stdout is not None
                ready, _, _ = select.select([server.stdout], [], [], _SECONDS)
                assert ready, "The server did not come up."
                line = server.stdout.readline()
                assert line.startswith(_LISTENING), (self.folder / "serve.log").read_text()
                yield line.removeprefix(_LISTENING).strip()
                server.send_signal(signal.SIGTERM)
                assert server.wait(_SECONDS) == 0
            finally:
                server.kill()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs a command in this process, for those that leave nothing behind in it: it is faster."""

    def run(shell: Shell, *arguments: str, given: str = "") -> Ended:
        with monkeypatch.context() as patch:
            for name in os.environ:
                if name.startswith("TELAMON_"):
                    patch.delenv(name)
            for name, value in {**shell.settings, "COLUMNS": "200"}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["telamon", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(given))
            try:
                main()
            except SystemExit as ended:
                code = ended.code
            else:
                code = 0
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell with the settings of a server that runs."""
    shell = Shell(tmp_path_factory.mktemp("served"))
    made = json.loads(shell.telamon("init", "--json").out)
    with shell.serving() as url:
        yield shell.within(
            TELAMON_URL=url,
            TELAMON_GROUP_ID=made["groupId"],
            TELAMON_PUBLIC_KEY=made["publicKey"],
            TELAMON_PRIVATE_KEY=made["privateKey"],
        )
