"""What several of these modules need."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from telamon.state.database import Database
from tests.databases import Maker, templates
from tests.places import Place
from tests.state.samples import fill_database


@pytest.fixture(scope="session")
def prepared_database(maker: Maker) -> Iterator[Place]:
    """One to copy, which takes less time than to migrate."""
    with templates(maker, fill_database) as place:
        yield place


@pytest.fixture
def place(maker: Maker, prepared_database: Place) -> Iterator[Place]:
    """Where ``db`` is."""
    made = maker.make(prepared_database)
    yield made
    maker.drop(made)


@pytest.fixture
def db(place: Place) -> Iterator[Database]:
    """A real database with the samples' projects in it, on each kind of server."""
    with closing(place.open()) as opened:
        yield opened
