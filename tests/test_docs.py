"""The documents name what there is, and their commands work."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from telamon.api.asgi import ROUTES
from telamon.api.call import Route, Surface
from telamon.cli.main import app
from telamon.config import ClientSettings, Settings
from telamon.errors import TelamonError
from telamon.mongo.oplog import last_write
from tests.conftest import Mongod
from tests.end_to_end.harness import Server

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
RESTORE = (ROOT / "docs" / "restore.md").read_text()
SNAPSHOT_IN_DOCUMENTS = "6b053db2eacba0054bb9b72a"
DRILL_IN_DOCUMENTS = "6b053db2eacba0054bb9b72c"
URI_IN_DOCUMENTS = "mongodb://backup:secret@db.example.net/?replicaSet=rs0"
# Shown by a test of their own, or by whoever runs the tests.
SHOWN_ELSEWHERE = ("make ", "pip ", "telamon init", "telamon serve")

SETTINGS = [
    f"TELAMON_{name.upper()}" for name in (*Settings.model_fields, *ClientSettings.model_fields)
]
COMMANDS = sorted(
    f"{group} {name}"
    for group in ("db", "drill", "instance", "key", "snapshot", "restore", "repository")
    for name in app[group]
    if not name.startswith("-")
)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_is_in_the_operations_page(setting: str) -> None:
    assert f"`{setting}`" in OPERATIONS


@pytest.mark.parametrize(
    "command", ["init", "serve", "worker", "retention", "drill NAME", *COMMANDS]
)
def test_every_command_is_in_the_operations_page(command: str) -> None:
    assert f"`telamon {command}" in OPERATIONS


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
def test_every_route_is_in_the_api_page(route: Route) -> None:
    prefix = "/api/private" if Surface.PRIVATE in route.surfaces else ""
    below_group = route.path.removeprefix("/groups/{groupId}")

    lines = {
        f"| {route.method} `{path}` |"
        for path in (f"{prefix}{route.path}" or "/", below_group or "/")
    }
    assert any(line in API for line in lines)


def test_every_exit_code_is_in_the_operations_page() -> None:
    codes = {kind.exit_code for kind in _tree(TelamonError)}

    assert sorted(codes) == [1, 2, 4, 5, 75, 77, 78, 90]
    for code in codes:
        assert f"\n| {code} | " in OPERATIONS


def test_every_error_code_of_the_checks_is_one_of_the_tree() -> None:
    table = API.partition("## Checks, in order")[2].partition("Lists take")[0]
    known = {kind.error_code for kind in _tree(TelamonError)}

    assert set(re.findall(r"`([A-Z]{3,}_[A-Z_]+)`", table)) <= known


def test_every_interruption_of_the_restore_page_is_a_test() -> None:
    """By the page's last column."""
    table = RESTORE.partition("## After an interruption")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|.*`(tests/\S+\.py)::(test_\w+)` \|$", table, re.MULTILINE)

    assert len(rows) == 16
    assert len({what for what, _file, _name in rows}) == 16
    for _what, file, name in rows:
        assert f"\ndef {name}(" in (ROOT / file).read_text()


def test_every_client_that_is_driven_is_in_the_api_page() -> None:
    clients = ROOT / "tests" / "clients"
    pinned = re.findall(r"^(\w+)==(\S+)$", (clients / "requirements.in").read_text(), re.MULTILINE)
    pinned += json.loads((clients / "package.json").read_text())["dependencies"].items()

    assert len(pinned) == 4
    for name, version in pinned:
        assert f"\n| {name} {version} | " in API


def test_the_commands_of_the_documents_work(server: Server, source: Mongod) -> None:
    """Every shell block, with this machine's addresses and ids for those in the text."""
    source.client.shop.orders.insert_one({"_id": 1})
    blocks = [block for page in (README, OPERATIONS) for block in _shell_blocks(page)]
    server.create("staging")
    ids = {SNAPSHOT_IN_DOCUMENTS: "", DRILL_IN_DOCUMENTS: ""}
    ran = []
    for block in blocks:
        for command in _commands(block):
            if "2026-11-24T16:30:00Z" in block:
                command = _with_covered_moment(command, server, source)  # noqa: PLW2901
            output = _run(command, server, source, ids)
            ran.append(command.split()[0])
            if "snapshot take" in command:
                ids[SNAPSHOT_IN_DOCUMENTS] = output.split()[0]
            elif command == "telamon drill shop":
                ids[DRILL_IN_DOCUMENTS] = output.split()[0]

    assert Counter(ran) == {"echo": 1, "telamon": 22, "curl": 5}


def test_what_the_page_says_of_postgresql_and_fleets_are_commands_of_the_fleets_tests() -> None:
    """Which run them as processes; here they would be on nobody's server."""
    block = "\n".join(re.findall(r"^```text\n(.*?)^```$", OPERATIONS, re.MULTILINE | re.DOTALL))
    commands = {
        " ".join(line.partition("#")[0].split())
        for line in block.splitlines()
        if line.startswith("telamon ")
    }

    assert commands == {
        "telamon db upgrade",
        "telamon init",
        "telamon serve",
        "telamon serve --no-worker --data-dir /var/lib/telamon",
        "telamon worker --data-dir /var/lib/telamon",
    }
    exported = set(re.findall(r"^export (TELAMON_[A-Z_]+)=", block, re.MULTILINE))
    assert exported <= set(SETTINGS)


def test_the_demo_tells_its_whole_story(tmp_path: Path) -> None:
    """What ``make demo`` runs."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "demo.py")],
        cwd=tmp_path,
        env={**os.environ, "DEMO_EXIT": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  equal\n") == 3
    assert "collections, options and indexes of every database: equal" in done.stdout
    assert "HTTP/1.1 200 OK" in done.stdout
    assert '"totalCount" : 1' in done.stdout


def _tree(kind: type[TelamonError]) -> Iterator[type[TelamonError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _tree(child)


def _shell_blocks(page: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def _commands(block: str) -> list[str]:
    lines = block.replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith(SHOWN_ELSEWHERE)]


def _with_covered_moment(command: str, server: Server, source: Mongod) -> str:
    """The command with moments that are covered by continuous backup."""
    begun = last_write(source.client)
    while (now := last_write(source.client)).seconds <= begun.seconds:
        source.client.shop.orders.insert_one({})
    while True:
        shown = _run("telamon instance continuous shop", server, source, {})
        covered = re.findall(r"  to  (\S+) \((\d+)\.(\d+)\)$", shown, re.MULTILINE)
        if covered and (int(covered[-1][1]), int(covered[-1][2])) >= (now.seconds, now.increment):
            date, seconds, increment = covered[-1]
            at = command.replace("2026-11-24T16:30:00Z", date)
            return at.replace("1795537958.12", f"{seconds}.{increment}")


def _run(command: str, server: Server, source: Mongod, ids: dict[str, str]) -> str:
    for written, real in (
        (URI_IN_DOCUMENTS, source.uri),
        *ids.items(),
        ("http://127.0.0.1:8080", server.url),
    ):
        command = command.replace(written, real)
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            command.replace("curl ", "curl --fail-with-body -sS ", 1),
        ],
        cwd=server.data_dir,
        env={
            **os.environ,
            **server.environment,
            "TELAMON_DATA_DIR": str(server.data_dir),
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout
