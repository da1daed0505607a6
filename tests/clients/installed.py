"""Clients in environments of their own, installed from their registries and kept in pytest's cache.

A registry that cannot be reached is an error.
"""

import fcntl
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.end_to_end.harness import PATIENCE_SECONDS, Json

HERE = Path(__file__).parent
NODE_NEEDED = (20, 19)
_INSTALL_SECONDS_MAX = 300.0


def python_clients(cache: Path) -> Path:
    """The interpreter that has those of requirements.txt."""
    return _made(cache, "python", [HERE / "requirements.txt"], _install_python) / "bin" / "python"


def node_clients(cache: Path) -> Path:
    """The folder whose ``node_modules`` has those of package.json."""
    locked = [HERE / "package.json", HERE / "package-lock.json"]
    return _made(cache, "node", locked, _install_node)


def missing_node() -> str | None:
    """Why clients of npm cannot be run here, if they cannot."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "there is no npm here"
    version = _run("node", "--version").strip()
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    return None if numbers >= NODE_NEEDED else f"node is {version}, older than the clients take"


def run_script(program: str | Path, script: Path, given: Json, environment: dict[str, str]) -> Json:
    """Run ``script``, hand it ``given`` as JSON, and put together the objects it tells, one a line."""
    done = subprocess.run(
        [str(program), str(script)],
        input=json.dumps(given),
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: Json = {}
    for line in done.stdout.splitlines():
        told |= json.loads(line)
    return told


def _made(cache: Path, kind: str, locked: list[Path], install: Callable[[Path], None]) -> Path:
    """Installed once for all test processes, and anew when what is locked has changed."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in locked)).hexdigest()
    folder = cache / f"{kind}-{digest[:16]}"
    complete = folder / ".complete"
    with (cache / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            for outdated in cache.glob(f"{kind}-*"):
                shutil.rmtree(outdated)
            folder.mkdir()
            install(folder)
            complete.touch()
    return folder


def _install_python(folder: Path) -> None:
    uv = (sys.executable, "-m", "uv")
    _run(*uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
    _run(
        *(*uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")),
        *(
            "--compile-bytecode",
            "--require-hashes",
            "--requirements",
            str(HERE / "requirements.txt"),
        ),
    )


def _install_node(folder: Path) -> None:
    """Without what is optional: two hundred megabytes of a JavaScript engine beside node's."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    _run(
        *("npm", "ci", "--prefix", str(folder), "--omit=optional", "--ignore-scripts"),
        *("--no-audit", "--no-fund"),
    )


def _run(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_INSTALL_SECONDS_MAX, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
