"""A client that costs little beside the server it measures: one connection, digest, no more."""

import hashlib
import re
import socket
from dataclasses import dataclass, field

_NONCE = re.compile(r'nonce="([^"]*)"')
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Where a server is, and with what key it is asked."""

    port: int
    public_key: str
    private_key: str = field(repr=False)


class SignedConnection:
    """A connection that is kept open. Not for several threads at once."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._socket = socket.create_connection(("127.0.0.1", caller.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ha1 = _md5(f"{caller.public_key}:MMS Public API:{caller.private_key}")
        self._nonce = ""
        self._count = 0

    def close(self) -> None:
        self._socket.close()

    def get(self, target: str) -> bytes:
        """The body. Answers a challenge; raises RuntimeError for any status but 200."""
        status, head, body = self._ask(target)
        if status == 401:  # HTTP's own number
            found = _NONCE.search(head.decode("latin-1"))
            assert found is not None
            self._nonce, self._count = found[1], 0
            status, head, body = self._ask(target)
        if status != 200:  # HTTP's own number
            raise RuntimeError(f"{target} answered {status}: {body[:200]!r}")
        return body

    def _ask(self, target: str) -> tuple[int, bytes, bytes]:
        lines = [f"GET {target} HTTP/1.1", "Host: bench"]
        if self._nonce:
            lines.append(self._authorization(target))
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        return self._receive()

    def _authorization(self, target: str) -> str:
        self._count += 1
        signed = f"{self._nonce}:{self._count:08x}:bench:auth"
        response = _md5(f"{self._ha1}:{signed}:{_md5(f'GET:{target}')}")
        return (
            f'Authorization: Digest username="{self._caller.public_key}", realm="MMS Public API", '
            f'nonce="{self._nonce}", uri="{target}", response="{response}", algorithm=MD5, '
            f'qop=auth, nc={self._count:08x}, cnonce="bench"'
        )

    def _receive(self) -> tuple[int, bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        assert length is not None
        while len(body) < int(length[1]):
            body += self._more()
        return int(head[9:12]), head, body

    def _more(self) -> bytes:
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise RuntimeError("the server closed the connection")
        return data


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
