"""Help, mistakes, ``telamon init`` and ``telamon serve``."""

import json
import re
import socket
import subprocess
import sys

import pytest

from telamon.ids import is_id
from tests.cli.conftest import Here, Shell

COMMANDS = [
    (),
    ("init",),
    ("serve",),
    ("worker",),
    ("key",),
    ("db",),
    ("db", "upgrade"),
    ("drill",),
    ("key", "create"),
    ("instance",),
    ("instance", "attach"),
    ("instance", "continuous"),
    ("instance", "create"),
    ("instance", "list"),
    ("snapshot",),
    ("snapshot", "take"),
    ("snapshot", "list"),
    ("restore",),
    ("restore", "start"),
    ("restore", "list"),
    ("restore", "cancel"),
    ("restore", "show"),
    ("repository",),
    ("repository", "init"),
    ("repository", "check"),
    ("repository", "prune"),
    ("repository", "stats"),
    ("repository", "rescan"),
    ("repository", "change-key"),
    ("retention",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(here: Here, shell: Shell, command: tuple[str, ...]) -> None:
    ended = here(shell, *command, "--help")

    assert (ended.exit_code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: {' '.join(('telamon', *command))}")


def test_there_is_no_command_without_a_test_of_its_help(here: Here, shell: Shell) -> None:
    listed = set()
    for group in {command[:-1] for command in COMMANDS if command}:
        found = re.findall(r"^│ ([a-z][a-z-]*) ", here(shell, *group, "--help").out, re.MULTILINE)
        listed |= {(*group, name) for name in found}

    assert listed == set(COMMANDS) - {()}


def test_help_needs_neither_the_job_engine_nor_the_driver_nor_the_server() -> None:
    """A command starts in the time of what it needs."""
    script = (
        "import sys, telamon.cli.main\n"
        "names = ('dbos', 'pymongo', 'sqlalchemy', 'uvicorn', 'telamon.server')\n"
        "print([name for name in names if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


def test_the_version_is_told(here: Here, shell: Shell) -> None:
    ended = here(shell, "--version")

    assert (ended.exit_code, ended.err) == (0, "")
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", ended.out)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nosuch",), "nosuch"),
        (("instance", "nosuch"), "nosuch"),
        (("serve", "--nosuch"), "--nosuch"),
        (("serve", "--port", "http"), "http"),
        (("instance", "attach", "name"), "--uri"),
        (("init", "surplus"), "surplus"),
    ],
)
def test_a_mistyped_command_is_told_on_standard_error(
    here: Here, shell: Shell, arguments: tuple[str, ...], word: str
) -> None:
    ended = here(shell, *arguments)

    assert (ended.exit_code, ended.out) == (2, "")
    assert word in ended.err


def test_a_mistyped_command_fails_for_the_shell(shell: Shell) -> None:
    ended = shell.telamon("nosuch")

    assert (ended.exit_code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


def test_init_prints_what_a_script_needs_and_nothing_else(shell: Shell) -> None:
    ended = shell.telamon("init", "--json", "--data-dir", "data")

    assert (ended.exit_code, ended.err) == (0, "")
    made = json.loads(ended.out)
    assert sorted(made) == ["groupId", "orgId", "privateKey", "publicKey"]
    assert is_id(made["orgId"]) is True
    assert is_id(made["groupId"]) is True
    assert re.fullmatch("[a-z]{8}", made["publicKey"])
    assert re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made["privateKey"])
    assert ended.out.count("\n") == 1


def test_init_prints_settings_to_paste_and_is_done_once(
    here: Here, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.folder)
    first = here(shell, "init", "--org-name", "My org")

    assert first.exit_code == 0
    exported = re.findall(r"^export (TELAMON_\w+)=(\S+)$", first.out, re.MULTILINE)
    assert [name for name, _ in exported] == [
        "TELAMON_GROUP_ID",
        "TELAMON_PUBLIC_KEY",
        "TELAMON_PRIVATE_KEY",
    ]
    assert "My org" in first.out
    assert (shell.folder / "telamon-data").stat().st_mode & 0o777 == 0o700

    second = here(shell, "init")

    assert (second.exit_code, second.out) == (78, "")
    assert second.err == (
        "telamon: This data directory has been initialized before; its key was shown then.\n"
    )
    assert dict(exported)["TELAMON_PRIVATE_KEY"] not in second.err


def test_another_key_is_made_beside_a_running_server(here: Here, served: Shell) -> None:
    data = str(served.folder / "telamon-data")

    ended = here(served, "key", "create", "--data-dir", data, "--role", "ORG_READ_ONLY", "--json")

    assert (ended.exit_code, ended.err) == (0, "")
    made = json.loads(ended.out)
    assert sorted(made) == ["privateKey", "publicKey"]
    reader = served.within(
        TELAMON_PUBLIC_KEY=made["publicKey"], TELAMON_PRIVATE_KEY=made["privateKey"]
    )
    assert here(reader, "instance", "list").exit_code == 0
    assert here(reader, "instance", "create", "x").exit_code == 77


def test_a_key_needs_a_data_directory_that_was_initialized(here: Here, shell: Shell) -> None:
    ended = here(shell, "key", "create", "--data-dir", str(shell.folder / "data"))

    assert (ended.exit_code, ended.out, ended.err) == (
        78,
        "",
        "telamon: This data directory has not been initialized: telamon init does that.\n",
    )


@pytest.mark.parametrize("command", ["init", "serve", "worker"])
def test_a_data_directory_that_cannot_be_made_is_a_wrong_setting(
    shell: Shell, command: str
) -> None:
    (shell.folder / "file").touch()

    ended = shell.telamon(command, "--data-dir", "file/data")

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err.endswith(
        f"telamon: TELAMON_DATA_DIR is {shell.folder}/file/data, which cannot be written: "
        "Not a directory.\n"
    )


def test_a_master_key_that_was_lost_is_not_replaced_by_another(here: Here, shell: Shell) -> None:
    """A new one would open no secret that is in the database."""
    data_dir = str(shell.folder / "data")
    here(shell, "init", "--data-dir", data_dir)
    key = shell.folder / "data" / "master.key"
    key.unlink()

    ended = shell.telamon("serve", "--data-dir", data_dir, "--port", "0")

    assert ended.exit_code == 78
    assert ended.err.startswith(f"telamon: The master key file {key} is missing, and ")
    assert not key.exists()


def test_a_master_key_that_others_can_read_is_a_wrong_setting(here: Here, shell: Shell) -> None:
    key = shell.folder / "key"
    key.write_bytes(bytes(32))
    key.chmod(0o644)

    settings = {"TELAMON_MASTER_KEY_FILE": str(key), "TELAMON_DATA_DIR": str(shell.folder / "data")}
    ended = here(shell.within(**settings), "init")

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err == (
        f"telamon: The master key file {key} can be read by others: chmod 600 it.\n"
    )


def test_a_setting_that_nobody_knows_is_told(here: Here, shell: Shell) -> None:
    ended = here(shell.within(TELAMON_PROT="1"), "init")

    assert (ended.exit_code, ended.err) == (
        78,
        "telamon: There is no setting named TELAMON_PROT.\n",
    )


def test_a_taken_port_is_a_wrong_setting(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = shell.telamon("serve", "--port", port)

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err.startswith(
        f"telamon: The API cannot listen on 127.0.0.1 port {port} "
        "(TELAMON_HOST, TELAMON_PORT): Address already in use"
    )


def test_a_host_that_is_not_this_machine_is_a_wrong_setting(shell: Shell) -> None:
    ended = shell.telamon("serve", "--port", "0", "--host", "no.such.host.invalid")

    assert ended.exit_code == 78
    assert ended.err.startswith(
        "telamon: The API cannot listen on no.such.host.invalid port 0 (TELAMON_HOST, "
    )


def test_a_data_directory_has_one_server(served: Shell) -> None:
    ended = served.telamon("serve", "--port", "0")

    assert (ended.exit_code, ended.out) == (78, "")
    assert ended.err == (
        f"telamon: TELAMON_DATA_DIR is {served.folder}/telamon-data, "
        "which another telamon serve is using.\n"
    )


def test_a_database_that_is_none_is_a_wrong_setting(here: Here, shell: Shell) -> None:
    folder = shell.folder / "telamon-data"
    here(shell, "init", "--data-dir", str(folder))
    for path in folder.glob("telamon.db*"):
        path.unlink()
    (folder / "telamon.db").write_bytes(b"anything but a database" * 100)

    ended = here(shell, "init", "--data-dir", str(folder))

    assert (ended.exit_code, ended.err) == (
        78,
        "telamon: The database in TELAMON_DATA_DIR cannot be used: file is not a database.\n",
    )
