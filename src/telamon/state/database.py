"""The metadata database: opening, migrating, and running work in one transaction."""

import asyncio
import contextvars
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

from telamon.errors import ConfigurationError, Unavailable
from telamon.state import postgresql
from telamon.state.memory import Memory

T = TypeVar("T")
Work = Callable[[Connection], T]

VERSION_TABLE = "telamon_schema_version"
_BUSY_MILLISECONDS = 30_000
_MIGRATIONS = "telamon.state:migrations"
_MIGRATING = 7_420_031  # the number of a lock that nobody else takes


class Database:
    """One SQL database. ``run`` and ``read`` are for the event loop, the others for threads.

    Work is plain synchronous code over a connection; everything it does is one transaction, and
    an exception undoes it. Work may be called from any thread, and on PostgreSQL more than once.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_shared = engine.dialect.name == "postgresql"
        """Whether other machines may use it, too: it is PostgreSQL, not a file."""
        self._transactions = postgresql.Transactions(engine) if self.is_shared else None
        self._memory = None if self.is_shared else Memory(engine)
        # Of its own: whoever waits for a deployment in the usual one must not hold up the database.
        self._threads = (
            ThreadPoolExecutor(postgresql.THREADS, "database") if self.is_shared else None
        )

    @classmethod
    def sqlite(cls, path: Path) -> "Database":
        """The database in a file, which is made if it is missing; its directory must exist."""
        return cls(_sqlite_engine(f"sqlite:///{path}"))

    @classmethod
    def postgresql(cls, address: str) -> "Database":
        """The database at an address that ``check_address`` accepts; nothing is connected yet."""
        return cls(postgresql.open_engine(address))

    async def run(self, work: Work[T]) -> T:
        """Do ``work`` in a transaction that may write, without holding up the event loop."""
        return await self._in_thread(self.transact, work)

    async def read(self, work: Work[T]) -> T:
        """Do ``work`` on one consistent view.

        A short read of a local file takes less time than handing it to a thread.
        """
        if self._threads is None:
            return self.look(work)
        return await self._in_thread(self.look, work)

    async def recall(self, key: Hashable, work: Work[T]) -> T:
        """As ``read``, of a file only if it was written to since ``work`` was done for this key.

        ``key`` tells what the answer depends on besides the database: names, a caller, a page. What
        is answered is shared and must not be changed. For the event loop's thread alone.
        """
        if self._memory is None:
            return await self.read(work)
        with _translated():
            return self._memory.recall(key, lambda: self.look(work))

    def transact(self, work: Work[T]) -> T:
        """As ``run``. What ``work`` has read cannot change before it commits."""
        if self._transactions is not None:
            with postgresql.translated():
                return self._transactions.transact(work)
        with _translated(), self.engine.begin() as tx:
            tx.exec_driver_sql("BEGIN IMMEDIATE")
            return work(tx)

    def look(self, work: Work[T]) -> T:
        """As ``read``."""
        if self._transactions is not None:
            with postgresql.translated():
                return self._transactions.look(work)
        with _translated(), self.engine.connect() as tx:
            tx.exec_driver_sql("BEGIN")
            return work(tx)

    def migrate(self) -> None:
        """Bring the schema to this version of the program; a second call changes nothing.

        Several at once are one after the other.
        """
        config = _alembic()
        with self._translated(), self.engine.begin() as connection:
            if self.is_shared:
                connection.execute(
                    sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING}
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def require_schema(self) -> None:
        """Raises ConfigurationError unless ``migrate`` has been called by this version of the program."""
        script = ScriptDirectory.from_config(_alembic())
        wanted = script.get_current_head()
        with self._translated(), self.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            found = context.get_current_revision()
        if found == wanted:
            return
        if found is not None and found not in {one.revision for one in script.walk_revisions()}:
            raise ConfigurationError(
                f"The database has schema {found}, which a later Telamon made; this one knows "
                f"{wanted}. Run that version."
            )
        raise ConfigurationError(
            f"The database has {f'schema {found}' if found else 'no schema'}, and this Telamon "
            f"needs {wanted}: run telamon db upgrade."
        )

    def close(self) -> None:
        """Give back every connection."""
        if self._threads is not None:
            self._threads.shutdown()
        if self._memory is not None:
            self._memory.close()
        self.engine.dispose()

    async def _in_thread(self, act: Callable[[Work[T]], T], work: Work[T]) -> T:
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, context.run, act, work)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with postgresql.translated() if self.is_shared else _translated():
            yield


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", _MIGRATIONS)
    return config


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
            raise ConfigurationError(
                f"The database in TELAMON_DATA_DIR cannot be used: {text}."
            ) from error
        raise Unavailable(f"The database does not work: {text}.") from error
