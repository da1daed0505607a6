"""Locks of a PostgreSQL database that are no row's."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InvalidRequestError

from telamon.errors import LockLost
from telamon.state.postgresql import sql_state, translated

_LOCK_NOT_AVAILABLE = "55P03"
# By these the server sees that a holder's machine is gone; by its own measure it takes hours.
_KEEPALIVES = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class AdvisoryLock:
    """A lock of the database that is no row's: known by its name, held by a connection of its own.

    It is free when its holder unlocks it or the connection ends, however that comes about. A
    holder whose connection is lost goes on as if nothing had happened until it asks ``check``.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._key = _key(name)

    @contextmanager
    def held(self, *, shared: bool, wait_seconds: float | None) -> Iterator[Callable[[], None]]:
        """Wait for the lock, for ever with None; the first who waits is the first who gets it.

        Yields a check that raises LockLost if the lock is not held any more. Raises TimeoutError.
        """
        with translated():
            connection = self._engine.connect()
        try:
            connection.detach()  # it is closed, not given back, so that a lock never outlives it
            with translated():
                self._take(connection, shared, wait_seconds)
            yield lambda: self._check(connection)
        finally:
            connection.close()

    def _take(self, connection: Connection, shared: bool, wait_seconds: float | None) -> None:
        function = "pg_advisory_lock_shared" if shared else "pg_advisory_lock"
        milliseconds = 0 if wait_seconds is None else max(1, round(wait_seconds * 1000))
        settings = {"lock_timeout": f"{milliseconds}ms", **_KEEPALIVES}
        connection.execute(
            sa.select(*(sa.func.set_config(name, value, False) for name, value in settings.items()))
        )
        try:
            connection.execute(sa.text(f"SELECT {function}(:key)"), {"key": self._key})
        except DBAPIError as error:
            if sql_state(error) == _LOCK_NOT_AVAILABLE:
                raise TimeoutError from error
            raise

    @staticmethod
    def _check(connection: Connection) -> None:
        try:
            connection.execute(sa.text("SELECT 1"))
        except (DBAPIError, InvalidRequestError) as error:  # the second from the second time on
            raise LockLost(
                "The connection to the database was lost that held a lock there."
            ) from error


def _key(name: str) -> int:
    """PostgreSQL calls its locks by numbers of 64 bits."""
    digest = hashlib.blake2b(f"telamon {name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
