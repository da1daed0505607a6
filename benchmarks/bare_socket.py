"""The fastest way that Python has to read a collection: a socket, and bytes that nobody keeps.

OP_MSG by hand (MongoDB's wire protocol), SCRAM-SHA-256 by hand (RFC 7677), replies received into one
buffer and forgotten. One getMore is always at the server already while a reply arrives.
"""

import base64
import hashlib
import hmac
import secrets
import socket
import struct
from typing import Any

import bson
from bson.int64 import Int64
from pymongo.uri_parser import parse_uri

_TARGET_BYTES = 4 * 1024 * 1024
_HEADER = struct.Struct("<iiii")
_OP_MSG = 2013
_BODY = 16 + 4 + 1  # header, flags, kind of the section
_ARRAY = 4
_LARGEST_REPLY_BYTES = 17 * 1024 * 1024


class BareSocket:
    """One authenticated connection. For one thread."""

    def __init__(self, uri: str) -> None:
        parsed: dict[str, Any] = parse_uri(uri)
        self._socket = socket.create_connection(parsed["nodelist"][0])
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = memoryview(bytearray(_LARGEST_REPLY_BYTES))
        self._authenticate(parsed["username"], parsed["password"])

    def close(self) -> None:
        self._socket.close()

    def drop_all(self, database: str, name: str) -> int:
        """Read the whole collection in natural order; returns the bytes of the replies."""
        batch = self._batch_documents(database, name)
        find = {"find": name, "hint": {"$natural": 1}, "batchSize": batch}
        self._send(database, find)
        received = len(self._receive())
        cursor_id = self._cursor_id()
        if cursor_id == 0:
            return received
        more = _message(
            {
                "getMore": Int64(cursor_id),
                "collection": name,
                "batchSize": batch,
                "$db": database,
            }
        )
        self._socket.sendall(more)
        while cursor_id:
            # The last one is refused, since the cursor has ended by then.
            self._socket.sendall(more)
            received += len(self._receive())
            cursor_id = self._cursor_id()
        self._receive()
        return received

    def _batch_documents(self, database: str, name: str) -> int:
        average = self._command(database, {"collStats": name}).get("avgObjSize", 1)
        return max(1, _TARGET_BYTES // max(1, int(average)))

    def _cursor_id(self) -> int:
        """Of the reply in the buffer, which begins {cursor: {firstBatch or nextBatch: [...], id:}}."""
        at = _BODY + 4 + len(b"\x03cursor\x00") + 4
        if self._buffer[at] != _ARRAY:
            raise RuntimeError(f"the server refused: {bytes(self._buffer[_BODY : _BODY + 500])!r}")
        at += len(
            b"\x04nextBatch\x00" if self._buffer[at + 1] == ord("n") else b"\x04firstBatch\x00"
        )
        at += int.from_bytes(self._buffer[at : at + 4], "little") + len(b"\x12id\x00")
        return int.from_bytes(self._buffer[at : at + 8], "little", signed=True)

    def _authenticate(self, user: str, password: str) -> None:
        first = f"n={user},r={base64.b64encode(secrets.token_bytes(18)).decode()}"
        answer = self._command(
            "admin",
            {
                "saslStart": 1,
                "mechanism": "SCRAM-SHA-256",
                "payload": f"n,,{first}".encode(),
                "options": {"skipEmptyExchange": True},
            },
        )
        challenge = answer["payload"].decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"])
        )
        key = hmac.digest(salted, b"Client Key", "sha256")
        bare = f"c=biws,r={parts['r']}"
        signature = hmac.digest(
            hashlib.sha256(key).digest(), f"{first},{challenge},{bare}".encode(), "sha256"
        )
        proof = bytes(left ^ right for left, right in zip(key, signature, strict=True))
        payload = f"{bare},p={base64.b64encode(proof).decode()}".encode()
        conversation = answer["conversationId"]
        self._command(
            "admin", {"saslContinue": 1, "conversationId": conversation, "payload": payload}
        )

    def _command(self, database: str, command: dict[str, Any]) -> dict[str, Any]:
        self._send(database, command)
        answer: dict[str, Any] = bson.decode(bytes(self._receive()[_BODY:]))
        if answer.get("ok") != 1:
            raise RuntimeError(f"the server refused: {answer}")
        return answer

    def _send(self, database: str, command: dict[str, Any]) -> None:
        self._socket.sendall(_message(command | {"$db": database}))

    def _receive(self) -> memoryview:
        """The next reply, whole, in the one buffer."""
        received = self._fill(0, _HEADER.size)
        length, _, _, code = _HEADER.unpack_from(self._buffer)
        if code != _OP_MSG:
            raise RuntimeError(f"a reply of kind {code}")
        self._fill(received, length)
        return self._buffer[:length]

    def _fill(self, start: int, end: int) -> int:
        while start < end:
            count = self._socket.recv_into(self._buffer[start:end])
            if count == 0:
                raise RuntimeError("the server closed the connection")
            start += count
        return end


def _message(command: dict[str, Any]) -> bytes:
    body = bson.encode(command)
    return _HEADER.pack(_BODY + len(body), 1, 0, _OP_MSG) + bytes(5) + body
