"""Requests to a server and the bytes of its answers, some requests ahead where that can be done.

While a client receives some megabytes the server could be at work on the next ones, if it had the
request already. PyMongo's public way sends a command only when the one before is answered; what it
has below that way, its pool's connections and their messages, can do it, but is private. So it is
tried out for each connection, and where it is not as it is known the public way is taken.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import bson
from pymongo import ReadPreference, helpers_shared, message
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from telamon.mongo.connect import Client
from telamon.mongo.elements import elements

_AHEAD = 1
# A reading that keeps a connection to itself must leave some for all that is asked meanwhile.
_FEWEST_CONNECTIONS = 20
_NO_OPTIONS = bson.codec_options.DEFAULT_CODEC_OPTIONS
RAW = _NO_OPTIONS.with_options(document_class=bson.raw_bson.RawBSONDocument)

Command = dict[str, object]


class Line(Protocol):
    """Answers come in the order of the requests. Used by one thread at a time."""

    ahead: int
    """How many requests may wait at the server while one is answered."""

    def send(self, command: Command) -> None: ...

    def receive(self) -> memoryview:
        """The answer to the oldest request. Raises PyMongo's errors, also those the server answers."""
        ...

    def drain(self) -> None:
        """Forget what was sent for and not received."""
        ...


@contextmanager
def open_line(client: Client, database: str, session: ClientSession) -> Iterator[Line]:
    """A line to the primary, for commands to ``database``."""
    public = _Public(client[database], session)
    if (client.options.pool_options.max_pool_size or _FEWEST_CONNECTIONS) < _FEWEST_CONNECTIONS:
        yield public
        return
    with _checked_out(client, session) as connection:
        line = _tried_out(connection, database, session)
        if line is None:
            yield public
            return
        try:
            yield line
        finally:
            line.drain()


class _Public:
    """PyMongo's own way."""

    ahead = 0

    def __init__(self, database: Database[dict[str, Any]], session: ClientSession) -> None:
        self._database = database
        self._session = session
        self._sent: deque[Command] = deque()

    def send(self, command: Command) -> None:
        self._sent.append(command)

    def receive(self) -> memoryview:
        command = self._sent.popleft()
        reply = self._database.command(command, codec_options=RAW, session=self._session)
        return memoryview(reply.raw)

    def drain(self) -> None:
        self._sent.clear()


class _Pipelined:
    """A connection of PyMongo's pool, on which its messages are sent and received."""

    ahead = _AHEAD

    def __init__(self, connection: Any, preference: Any, database: str, lsid: Any) -> None:
        self._connection = connection
        self._preference = preference
        self._database = database
        self._lsid = lsid
        self._waiting: deque[int] = deque()

    def send(self, command: Command) -> None:
        number, data, _, _ = message._op_msg(
            0,
            {**command, "lsid": self._lsid},
            self._database,
            self._preference,
            _NO_OPTIONS,
        )
        self._connection.send_message(data, 0)
        self._waiting.append(number)

    def receive(self) -> memoryview:
        reply = memoryview(
            self._connection.receive_message(self._waiting.popleft()).payload_document
        )
        if not any(element.name == b"cursor" for element in elements(reply)):
            answer = bson.decode(bytes(reply))
            helpers_shared._check_command_response(answer, self._connection.max_wire_version)
        return reply

    def drain(self) -> None:
        while self._waiting:
            with suppress(PyMongoError):
                self.receive()


@contextmanager
def _checked_out(client: Client, session: ClientSession) -> Iterator[Any]:
    """A connection and a read preference; None where PyMongo has other ways to one."""
    try:
        checkout = client._conn_for_reads(ReadPreference.PRIMARY, session, "find")
    except (AttributeError, TypeError):
        yield None
        return
    with checkout as connection:
        yield connection


def _tried_out(checked_out: Any, database: str, session: ClientSession) -> _Pipelined | None:
    """None if PyMongo's parts do not do what they are taken for."""
    try:
        connection, preference = checked_out
        line = _Pipelined(connection, preference, database, session.session_id)
        line.send({"ping": 1})
        is_known = bson.decode(bytes(line.receive()))["ok"] == 1 and _raises_refusals()
    except (AttributeError, TypeError, ValueError, KeyError):
        return None
    return line if is_known else None


def _raises_refusals() -> bool:
    try:
        helpers_shared._check_command_response({"ok": 0, "code": 1, "errmsg": ""}, None)
    except OperationFailure as error:
        return error.code == 1
    return False
