"""A deployment of Telamon's own: a single-node replica set with users, on a loopback port.

Every step looks before it acts, so that provisioning may be killed anywhere and run again.
"""

import socket
import time
from dataclasses import dataclass, field
from urllib.parse import quote

import pymongo
from pymongo.errors import OperationFailure

from telamon.errors import DeploymentUnavailable
from telamon.mongo.connect import AUTHENTICATION_FAILED, Client, translated
from telamon.mongo.process import LOOPBACK, REPLICA_SET, MongodProcess, free_port, port_is_free

TELAMON_USER = "telamon"
OWNER_USER = "owner"
_OWNER_ROLES = [
    "readWriteAnyDatabase",
    "dbAdminAnyDatabase",
    "clusterMonitor",
    "backup",
]
_ALREADY_INITIALIZED = 23
_USER_EXISTS = 51003
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Of Telamon's own user, and of the one whose connection string the API shows."""

    telamon: str = field(repr=False)
    owner: str = field(repr=False)


def start_managed(process: MongodProcess, passwords: Passwords, *, wanted_port: int | None) -> int:
    """Start the deployment if it does not run, make it ready for writes, and return its port.

    The port is the one it runs on, else ``wanted_port`` if that is free, else any free one; a
    replica set that moved is told its new address. Raises DeploymentUnavailable if mongod ends or
    is not writable within a minute.
    """
    port = process.port
    if port is None:
        port = wanted_port if wanted_port is not None and port_is_free(wanted_port) else free_port()
        process.start(port)
    deadline = time.monotonic() + _READY_SECONDS
    with translated():
        _await_answer(process, port, deadline)
        if not _is_provisioned(port, passwords):
            _initiate(process, port, passwords, deadline)
        with _direct(port, passwords.telamon) as client:
            _ensure_address(client, port)
            _await_writable(process, client, deadline)
            _ensure_owner(client, passwords)
    return port


def telamon_uri(port: int, passwords: Passwords) -> str:
    """The connection string that Telamon itself uses."""
    return _uri(port, TELAMON_USER, passwords.telamon)


def owner_uri(port: int, passwords: Passwords) -> str:
    """The connection string for the people whose data it is."""
    return _uri(port, OWNER_USER, passwords.owner)


def address(port: int) -> str:
    """The connection string without anybody's credentials."""
    return f"mongodb://{LOOPBACK}:{port}/?replicaSet={REPLICA_SET}"


def _uri(port: int, user: str, password: str) -> str:
    return (
        f"mongodb://{user}:{quote(password, safe='')}@{LOOPBACK}:{port}"
        f"/?authSource=admin&replicaSet={REPLICA_SET}"
    )


def _direct(port: int, password: str | None) -> Client:
    return pymongo.MongoClient(
        host=LOOPBACK,
        port=port,
        directConnection=True,
        appname="telamon",
        serverSelectionTimeoutMS=2000,
        username=None if password is None else TELAMON_USER,
        password=password,
    )


def _await_answer(process: MongodProcess, port: int, deadline: float) -> None:
    while True:
        process.require_running()
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            _pause(deadline, "does not answer")
        else:
            return


def _is_provisioned(port: int, passwords: Passwords) -> bool:
    """Whether our own user exists, which is the last thing that ``_initiate`` makes."""
    with _direct(port, passwords.telamon) as client:
        try:
            client.admin.command("ping")
        except OperationFailure as error:
            if error.code == AUTHENTICATION_FAILED:
                return False
            raise
        return True


def _initiate(process: MongodProcess, port: int, passwords: Passwords, deadline: float) -> None:
    """Use the localhost exception, which ends with the first user (MongoDB manual)."""
    member = {"_id": 0, "host": f"{LOOPBACK}:{port}"}
    with _direct(port, None) as client:
        try:
            client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": [member]})
        except OperationFailure as error:
            if error.code != _ALREADY_INITIALIZED:
                raise
    # Another client: the first one has learnt that it speaks to a server without sessions.
    with _direct(port, None) as client:
        _await_writable(process, client, deadline)
        client.admin.command("createUser", TELAMON_USER, pwd=passwords.telamon, roles=["root"])


def _ensure_address(client: Client, port: int) -> None:
    config = client.admin.command("replSetGetConfig")["config"]
    here = f"{LOOPBACK}:{port}"
    if config["members"][0]["host"] == here:
        return
    config["members"][0]["host"] = here
    config["version"] += 1
    client.admin.command("replSetReconfig", config, force=True)


def _await_writable(process: MongodProcess, client: Client, deadline: float) -> None:
    while not client.admin.command("hello").get("isWritablePrimary"):
        process.require_running()
        _pause(deadline, "did not become primary")


def _ensure_owner(client: Client, passwords: Passwords) -> None:
    try:
        client.admin.command("createUser", OWNER_USER, pwd=passwords.owner, roles=_OWNER_ROLES)
    except OperationFailure as error:
        if error.code != _USER_EXISTS:
            raise


def _pause(deadline: float, trouble: str) -> None:
    if time.monotonic() > deadline:
        raise DeploymentUnavailable(f"The managed mongod {trouble} within {_READY_SECONDS:.0f} s.")
    time.sleep(_POLL_SECONDS)
