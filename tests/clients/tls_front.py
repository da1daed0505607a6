"""HTTPS before a server that speaks HTTP, as operators put a proxy there."""

import asyncio
import ipaddress
import ssl
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_LOOPBACK = "127.0.0.1"
_REPLACED = (b"connection:", b"x-forwarded-")


class TlsFront:
    """Hands one request a connection on, and tells the server that it came by HTTPS."""

    def __init__(self, upstream: str, folder: Path) -> None:
        self.certificate = folder / "certificate.pem"
        """Whom clients have to trust."""
        self.answered: list[tuple[str, int]] = []
        """Method and path, with the status it was answered with."""
        self._upstream = urlsplit(upstream)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(_certified(self.certificate))
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, _LOOPBACK, 0, ssl=self._context)
        )
        self._thread = Thread(target=self._loop.run_forever)

    @property
    def url(self) -> str:
        return f"https://{_LOOPBACK}:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._hand_on(reader, writer)
        finally:
            await _closed(writer)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        answers, requests = await asyncio.open_connection(_LOOPBACK, self._upstream.port)
        requests.write(_forwarded(head))
        body = asyncio.create_task(_copy(reader, requests))
        try:
            status_line = await answers.readuntil(b"\r\n")
            method, path, _ = head.decode("latin-1").split(" ", 2)
            self.answered.append((f"{method} {path}", int(status_line.split()[1])))
            writer.write(status_line)
            await _copy(answers, writer)
        finally:
            body.cancel()
            await asyncio.gather(body, return_exceptions=True)
            await _closed(requests)


def _forwarded(head: bytes) -> bytes:
    """The request without what a client may not say, and with what only a proxy knows."""
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(_REPLACED)]
    told = [b"Connection: close", b"X-Forwarded-Proto: https", b"X-Forwarded-For: 127.0.0.1"]
    return b"\r\n".join([*kept, *told, b"", b""])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
        await writer.drain()


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def _certified(certificate: Path) -> Path:
    """Write a certificate of the loopback address, its own authority, and return a file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _LOOPBACK)])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36500))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(_LOOPBACK))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    both = certificate.with_name("server.pem")
    both.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.read_bytes()
    )
    return both
