"""A snapshot that the tests of one module share."""

from dataclasses import dataclass
from typing import Any

import pytest

from telamon.mongo.connect import Client
from tests.conftest import Mongod, drop_user_databases
from tests.mongo.history import fill_all
from tests.mongo.memory import Memory, content, take
from tests.mongo.trouble import fill_source


@dataclass(frozen=True)
class Source:
    """A deployment filled by ``fill_source``: its snapshot, and what a restore must bring back."""

    memory: Memory
    content: dict[str, Any]


@pytest.fixture(scope="module")
def source_taken(shared_mongod: Mongod) -> Source:
    drop_user_databases(shared_mongod.client)
    fill_source(shared_mongod.client)
    return Source(take(shared_mongod.client), content(shared_mongod.client))


@pytest.fixture
def memory(source_taken: Source) -> Memory:
    return source_taken.memory


@pytest.fixture
def expected(source_taken: Source) -> dict[str, Any]:
    """The content of a deployment that ``memory`` was restored to."""
    return source_taken.content


@pytest.fixture
def filled(own_mongod: Mongod) -> Client:
    """A deployment whose history the test may end, with a collection that takes some batches."""
    fill_all(own_mongod.client)
    return own_mongod.client
