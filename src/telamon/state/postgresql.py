"""PostgreSQL: its connections, its transactions, and what its errors mean."""

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from telamon.errors import ConfigurationError, InvalidAttribute, TelamonError, Unavailable

T = TypeVar("T")

SETTING = "TELAMON_DATABASE_URL"
THREADS = 16
"""How many threads of one process wait for the database at most; each holds one connection."""

_SPARE_CONNECTIONS = 24  # for jobs and their engine, which have threads of their own
# A process that is stopped in the middle of a transaction must not hold its locks for ever.
_IDLE_IN_TRANSACTION_MILLISECONDS = 10_000
_CONNECTING = {
    "connect_timeout": 10,
    # Nothing else tells that the other machine is gone.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_RETRY_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.5

_SERIALIZATION_FAILURES = {"40001", "40P01"}
_UNIQUE_VIOLATION = "23505"
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "not permitted")


def open_engine(address: str) -> Engine:
    """For an address that ``check_address`` accepts. Connects to nothing yet.

    A connection that is idle in a transaction for ten seconds ends.
    """
    url = sa.make_url(address).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        url,
        pool_size=THREADS,
        max_overflow=_SPARE_CONNECTIONS,
        pool_pre_ping=True,  # the server may have been started anew
        hide_parameters=True,
        connect_args={name: value for name, value in _CONNECTING.items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(
            "SELECT set_config('idle_in_transaction_session_timeout', %s, false)",
            (f"{_IDLE_IN_TRANSACTION_MILLISECONDS}ms",),
        )
        connection.commit()

    return engine


class Transactions:
    """Runs work on one engine, so that it need not know what runs at the same time."""

    def __init__(self, engine: Engine, jitter: Callable[[], float] = random.random) -> None:
        """``jitter`` answers numbers from 0 to 1."""
        self._jitter = jitter
        self._writing = engine.execution_options(isolation_level="SERIALIZABLE")
        self._reading = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Do ``work`` as if no other transaction ran; it may be called several times for that.

        PostgreSQL proves it when it commits, and undoes one of two transactions of which either
        read what the other wrote. Also a unique constraint may be what shows that another came
        first, where ``work`` had looked before it inserted.
        """
        deadline = time.monotonic() + _RETRY_SECONDS
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                with self._writing.begin() as tx:
                    return work(tx)
            except DBAPIError as error:
                state = sql_state(error)
                again = state in _SERIALIZATION_FAILURES or (
                    state == _UNIQUE_VIOLATION and pause_seconds < _LONGEST_PAUSE_SECONDS
                )
                if not again or time.monotonic() > deadline:
                    raise
            time.sleep(pause_seconds * self._jitter())
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def look(self, work: Callable[[Connection], T]) -> T:
        """Do ``work``, which only reads, on what was committed when it first read."""
        with self._reading.begin() as tx:
            return work(tx)


def sql_state(error: DBAPIError) -> str | None:
    """The five characters by which the SQL standard calls an error; None for one of the driver's."""
    state = getattr(error.orig, "sqlstate", None)
    return None if state is None else str(state)


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database in Telamon's words. One of a constraint stays: its caller knows it."""
    try:
        yield
    except sa.exc.IntegrityError:
        raise
    except sa.exc.TimeoutError as error:
        raise Unavailable("The database has no connection free just now.") from error
    except DBAPIError as error:
        raise _meaning(error) from error


def _meaning(error: DBAPIError) -> TelamonError:
    text = str(error.orig)
    if "cannot contain NUL" in text:
        return InvalidAttribute("with the character NUL")
    if sql_state(error) is not None or not _is_about_connecting(text):
        # What comes behind the first line may quote values.
        return Unavailable(f"The database does not work: {text.partition(chr(10))[0]}.")
    reason = _reason(text)
    if text.startswith("invalid "):
        return ConfigurationError(f"{SETTING}: {reason}.")
    if any(refusal in text for refusal in _REFUSALS):
        return ConfigurationError(f"{SETTING}: the database server refuses: {reason}.")
    return Unavailable(f"The database server of {SETTING} does not answer: {reason}.")


def _is_about_connecting(text: str) -> bool:
    return bool(re.match(r"connection |failed to resolve|Multiple connection|invalid ", text))


def _reason(text: str) -> str:
    """The part of libpq's message that is not about the address, on one line."""
    first = text.strip().partition("\n")[0]
    return re.sub(r"^.* failed: (FATAL: +)?", "", first).removesuffix(".")
