"""Steps and databases that crash, and what two deployments are compared by."""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from telamon.mongo.connect import Client
from telamon.state.database import Database, Work
from tests.conftest import SYSTEM_DATABASES
from tests.repository.wrapped_stores import CrashError

T = TypeVar("T")


def plainly(name: str, work: Callable[[], T]) -> T:
    """Steps without a memory."""
    del name
    return work()


def twice(name: str, work: Callable[[], T]) -> T:
    """As after a crash at the end of each step."""
    del name
    work()
    return work()


class CrashingSteps:
    """Steps with a memory, that crash at the n-th point, counted from 1, and once.

    Each step has three points: before its work, after it, and after it has been remembered.
    """

    def __init__(self, at: int) -> None:
        self._left = at
        self._memory: dict[str, object] = {}

    def __call__(self, name: str, work: Callable[[], T]) -> T:
        if name in self._memory:
            return self._memory[name]  # type: ignore[return-value]  # what this step answered
        self._point()
        result = work()
        self._point()
        self._memory[name] = result
        self._point()
        return result

    def _point(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise CrashError


class CrashingDatabase(Database):
    """Crashes at its n-th transaction, counted from 1: before it begins or after its commit."""

    def __init__(self, inner: Database, *, at: int, after: bool) -> None:
        super().__init__(inner.engine)
        self._left = at
        self._after = after
        self._lock = Lock()

    def transact(self, work: Work[T]) -> T:
        with self._lock:
            self._left -= 1
            crashes = self._left <= 0
        if not crashes:
            return super().transact(work)
        if self._after and self._left == 0:
            super().transact(work)
        raise CrashError


def hashes(client: Client) -> dict[str, dict[str, str]]:
    """The server's own hash of each collection of each user database."""
    return {
        name: client[name].command("dbHash")["collections"]
        for name in sorted(set(client.list_database_names()) - SYSTEM_DATABASES)
    }


def fill(client: Client, *, mark: str = "source") -> None:
    """A few collections with indexes; ``mark`` makes one deployment's differ from another's."""
    client.shop.orders.insert_many([{"_id": n, "mark": mark, "n": n % 7} for n in range(300)])
    client.shop.orders.create_index("n")
    client.shop.people.insert_many([{"_id": n, "name": f"{mark} {n}"} for n in range(20)])
    client[f"only_{mark}"].things.insert_one({"_id": mark})
