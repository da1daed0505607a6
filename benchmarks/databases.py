"""Both kinds of databases, for what is measured on each."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.goals import POSTGRESQL, SQLITE
from tests.databases import PostgresMaker, find_postgres, running_postgres
from tests.places import Place


class Databases:
    """New and empty ones; SQLite's are in data directories, PostgreSQL's in ``postgres``."""

    def __init__(self, postgres: PostgresMaker | None) -> None:
        self._postgres = postgres

    @property
    def kinds(self) -> tuple[str, ...]:
        return (SQLITE,) if self._postgres is None else (SQLITE, POSTGRESQL)

    def settings(self, kind: str) -> dict[str, str]:
        """By which Telamon finds a new database of this kind; none for that of its data directory."""
        if kind == SQLITE:
            return {}
        assert self._postgres is not None
        return {"TELAMON_DATABASE_URL": self._postgres.make().address}


def place_of(data_dir: Path, settings: dict[str, str]) -> Place:
    """Where the database is that these settings name."""
    return Place(settings.get("TELAMON_DATABASE_URL") or str(data_dir / "telamon.db"))


@contextmanager
def both_databases(root: Path) -> Iterator[Databases]:
    """SQLite, and PostgreSQL where that is installed."""
    programs = find_postgres()
    if programs is None:
        yield Databases(None)
        return
    folder = root / "server"
    folder.mkdir(parents=True)
    with running_postgres(programs, folder) as url:
        yield Databases(PostgresMaker(url))
