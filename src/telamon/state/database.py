"""The metadata database: opening, migrating, and running work in one transaction."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from telamon.errors import ConfigurationError, Unavailable

T = TypeVar("T")
Work = Callable[[Connection], T]

_BUSY_MILLISECONDS = 30_000


class Database:
    """One SQL database. ``run`` and ``read`` are for the event loop, the others for threads.

    Work is plain synchronous code over a connection; everything it does is one transaction, and
    an exception undoes it. Work may be called from any thread.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def sqlite(cls, path: Path) -> "Database":
        """The database in a file, which is made if it is missing; its directory must exist."""
        return cls(_sqlite_engine(f"sqlite:///{path}"))

    async def run(self, work: Work[T]) -> T:
        """Do ``work`` in a transaction that may write, without holding up the event loop."""
        return await asyncio.to_thread(self.transact, work)

    async def read(self, work: Work[T]) -> T:
        """Do ``work`` on one consistent view.

        A short read of a local file takes less time than handing it to a thread.
        """
        return self.look(work)

    def transact(self, work: Work[T]) -> T:
        """As ``run``. What ``work`` has read cannot change before it commits."""
        with _translated(), self.engine.begin() as tx:
            tx.exec_driver_sql("BEGIN IMMEDIATE")
            return work(tx)

    def look(self, work: Work[T]) -> T:
        """As ``read``."""
        with _translated(), self.engine.connect() as tx:
            tx.exec_driver_sql("BEGIN")
            return work(tx)

    def migrate(self) -> None:
        """Bring the schema to this version of the program; a second call changes nothing."""
        config = Config()
        config.set_main_option("script_location", "telamon.state:migrations")
        with _translated(), self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _sqlite_engine(url: str) -> Engine:
    engine = sa.create_engine(url)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",  # a commit survives the loss of power
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError:
        raise  # a constraint; the caller knows what it means
    except DBAPIError as error:
        text = str(error.orig)
        if "file is not a database" in text or "unable to open" in text:
            raise ConfigurationError(f"The database cannot be opened: {text}.") from error
        raise Unavailable(f"The database does not work: {text}.") from error
