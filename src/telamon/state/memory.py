"""What reads of a database file have found, for as long as nobody writes to it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from sqlalchemy import Connection, Engine

T = TypeVar("T")

_MOST = 64


class Memory:
    """For one thread. Holds the latest findings, a bounded number of them.

    ``PRAGMA data_version`` tells one connection whether any other, of any process, has committed
    since it last asked (SQLite manual, PRAGMA statements); it costs a few microseconds. The
    connection of this object writes nothing, so no commit escapes it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._version: object = None
        self._found: OrderedDict[Hashable, object] = OrderedDict()

    def recall(self, key: Hashable, find: Callable[[], T]) -> T:
        """What ``find`` answered for ``key`` last, or answers now if the database has changed.

        The key must tell all that the answer depends on besides the database. An error is not kept.
        """
        version = self._current_version()
        if version != self._version:
            self._found.clear()
            self._version = version
        if key in self._found:
            self._found.move_to_end(key)
            return cast("T", self._found[key])
        # What is committed from here on may be in the answer already; it is asked for again then.
        answer = find()
        self._found[key] = answer
        if len(self._found) > _MOST:
            self._found.popitem(last=False)
        return answer

    def close(self) -> None:
        """Forget everything: what one connection says of its version means nothing to another."""
        self._found.clear()
        self._version = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _current_version(self) -> object:
        if self._connection is None:
            self._connection = self._engine.connect()
            self._driver = self._connection.connection.driver_connection
        assert self._driver is not None
        return self._driver.execute("PRAGMA data_version").fetchone()
