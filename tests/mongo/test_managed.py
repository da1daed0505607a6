"""Managed deployments on a real mongod."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pymongo.errors import OperationFailure

from telamon.errors import ConfigurationError, DeploymentUnavailable
from telamon.mongo.binary import find_mongod
from telamon.mongo.connect import open_client, probe
from telamon.mongo.managed import owner_uri, start_managed, telamon_uri
from telamon.mongo.process import MongodProcess, free_port
from tests.conftest import PASSWORDS, Mongod

# Its first thread is over, as far as anybody can see, when it prints; the second one goes on.
_HEADLESS = """
import ctypes, sys, threading

def outlive():
    while open("/proc/self/stat").read().rpartition(")")[2].split()[0] != "Z":
        pass
    print("ended", flush=True)
    sys.stdin.read()

threading.Thread(target=outlive).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_restart_comes_back_to_the_same_data_and_port(own_mongod: Mongod) -> None:
    own_mongod.client.shop.orders.insert_one({"_id": 1})
    own_mongod.process.stop()
    assert own_mongod.process.pid is None

    port = start_managed(own_mongod.process, PASSWORDS, wanted_port=own_mongod.port)

    assert own_mongod.port == port
    assert own_mongod.client.shop.orders.find_one() == {"_id": 1}


def test_a_taken_port_moves_the_replica_set_to_another(own_mongod: Mongod, source: Mongod) -> None:
    own_mongod.client.shop.orders.insert_one({"_id": 1})
    own_mongod.client.close()
    own_mongod.process.stop()

    port = start_managed(own_mongod.process, PASSWORDS, wanted_port=source.port)

    assert port != source.port
    with open_client(telamon_uri(port, PASSWORDS)) as client:
        assert client.shop.orders.find_one() == {"_id": 1}


def test_a_mongod_that_already_runs_is_found_again(
    own_mongod: Mongod, mongod_program: Path, tmp_path: Path
) -> None:
    """As after a crash of the process that started it."""
    newcomer = MongodProcess(mongod_program, tmp_path / "own")

    port = start_managed(newcomer, PASSWORDS, wanted_port=None)

    assert own_mongod.port == port
    assert own_mongod.process.pid == newcomer.pid


def test_a_killed_mongod_is_started_again(own_mongod: Mongod) -> None:
    pid = own_mongod.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)

    start_managed(own_mongod.process, PASSWORDS, wanted_port=own_mongod.port)

    assert own_mongod.process.pid not in {None, pid}


def test_provisioning_may_stop_after_the_first_user(own_mongod: Mongod) -> None:
    own_mongod.client.admin.command("dropUser", "owner")

    start_managed(own_mongod.process, PASSWORDS, wanted_port=None)

    with open_client(owner_uri(own_mongod.port, PASSWORDS)) as client:
        client.shop.orders.insert_one({"_id": 1})


def test_the_owner_may_use_data_but_not_make_users(source: Mongod) -> None:
    with open_client(owner_uri(source.port, PASSWORDS)) as client:
        client.shop.orders.insert_one({"_id": 1})
        with pytest.raises(OperationFailure):
            client.admin.command("createUser", "mallory", pwd="x", roles=["root"])


def test_nobody_gets_in_without_credentials(source: Mongod) -> None:
    with (
        open_client(f"mongodb://127.0.0.1:{source.port}/?directConnection=true") as client,
        pytest.raises(OperationFailure),
    ):
        client.list_database_names()


def test_the_key_file_is_private(own_mongod: Mongod, tmp_path: Path) -> None:
    assert (tmp_path / "own" / "keyfile").stat().st_mode & 0o777 == 0o600


def test_a_mongod_that_cannot_start_says_why(mongod_program: Path, tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "storage.bson").write_bytes(b"not what mongod wrote")
    process = MongodProcess(mongod_program, tmp_path)

    with pytest.raises(DeploymentUnavailable, match=r"mongod in .* ended: .*storage"):
        start_managed(process, PASSWORDS, wanted_port=None)


def test_a_file_that_is_no_program_is_one_clear_sentence(tmp_path: Path) -> None:
    fake = tmp_path / "mongod"
    fake.write_text("")

    with pytest.raises(ConfigurationError, match="which is not a program"):
        find_mongod(fake)


def test_a_program_that_does_not_run_is_one_clear_sentence(tmp_path: Path) -> None:
    fake = tmp_path / "mongod"
    fake.write_text("no program at all")
    fake.chmod(0o755)

    with pytest.raises(ConfigurationError, match="cannot be run"):
        MongodProcess(find_mongod(fake), tmp_path / "root").start(free_port())


def test_probe_tells_version_and_kind(source: Mongod) -> None:
    found = probe(source.uri)

    assert found.replica_set == "telamon"
    assert source.client.server_info()["version"] == found.mongodb_version


def test_passwords_are_in_no_repr() -> None:
    assert "secret" not in repr(PASSWORDS)


def test_a_mongod_is_found_again_by_another_spelling_of_its_directory(
    own_mongod: Mongod,
    mongod_program: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)

    assert MongodProcess(mongod_program, Path("own")).pid == own_mongod.process.pid


def test_what_is_killed_is_gone_at_once(own_mongod: Mongod) -> None:
    pid = own_mongod.process.pid

    own_mongod.process.kill()
    own_mongod.process.kill()

    assert pid is not None
    assert own_mongod.process.pid is None
    assert not Path(f"/proc/{pid}").exists()


def test_a_process_is_not_over_before_its_last_thread(mongod_program: Path, tmp_path: Path) -> None:
    process = MongodProcess(mongod_program, tmp_path / "own")
    command = [sys.executable, "-c", _HEADLESS, str((tmp_path / "own" / "db").absolute())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as headless:
        assert headless.stdin is not None
        assert headless.stdout is not None
        assert headless.stdout.readline() == b"ended\n"

        assert not process._wait_for_end(headless.pid, timeout_seconds=0.1)
        headless.stdin.close()
        assert process._wait_for_end(headless.pid, timeout_seconds=30)
