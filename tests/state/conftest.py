"""What several of these modules need."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from telamon.state.database import Database
from tests.state.samples import open_database


@pytest.fixture(scope="session")
def prepared_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file to copy, which takes less time than to migrate."""
    path = tmp_path_factory.mktemp("prepared") / "telamon.db"
    open_database(path).close()
    return path


@pytest.fixture
def db(prepared_database: Path, tmp_path: Path) -> Iterator[Database]:
    """A real file with the samples' projects in it."""
    shutil.copy(prepared_database, tmp_path / "telamon.db")
    opened = Database.sqlite(tmp_path / "telamon.db")
    yield opened
    opened.close()
