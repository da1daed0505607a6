"""Where a database is. Worker processes of tests need no more than that."""

from dataclasses import dataclass
from pathlib import Path

from telamon.state.database import Database


@dataclass(frozen=True)
class Place:
    """Where a database is: the path of a file, or a URL."""

    address: str

    @property
    def is_shared(self) -> bool:
        return "://" in self.address

    @property
    def path(self) -> Path:
        assert not self.is_shared
        return Path(self.address)

    def open(self) -> Database:
        """As each process has one of its own; the caller closes it."""
        return Database.postgresql(self.address) if self.is_shared else Database.sqlite(self.path)
