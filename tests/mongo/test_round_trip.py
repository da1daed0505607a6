"""A snapshot restored elsewhere: everything that was there is there again."""

from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.memory import content, restore_all, take


def test_the_whole_zoo_comes_back_the_same(source: Mongod, target: Mongod) -> None:
    """Compared by dbHash, options and index definitions, byte for byte."""
    zoo.fill(source.client)

    restore_all(take(source.client), target.client)

    assert content(target.client) == content(source.client)
