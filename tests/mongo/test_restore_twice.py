"""Two processes at the same restore job, of which one was taken for dead."""

from collections.abc import Iterator
from typing import Any

import pytest

from telamon.errors import RestoreFailed
from telamon.model.manifest import StoredCollection
from tests.conftest import Mongod
from tests.mongo.memory import Memory, content
from tests.mongo.trouble import fill_target


class Gone(Exception):
    """The job is another's."""


def test_what_a_ghost_still_sends_gets_into_no_shadow_of_its_successor(
    memory: Memory, expected: dict[str, Any], target: Mongod
) -> None:
    """The successor has loaded all when the ghost goes on with its first documents."""
    fill_target(target.client)
    successor = memory.restore(target.client)
    begun: list[bool] = []

    def documents(stored: StoredCollection) -> Iterator[bytes]:
        if not begun:
            begun.append(True)
            successor.load()
        return memory.open(stored)

    with pytest.raises(RestoreFailed, match="is gone"):
        memory.restore(target.client, documents=documents, parallel=1).load()
    successor.swap()

    assert content(target.client) == expected


def test_what_a_ghost_sends_after_the_swap_makes_no_new_shadow(
    memory: Memory, expected: dict[str, Any], target: Mongod
) -> None:
    successor = memory.restore(target.client)
    begun: list[bool] = []

    def documents(stored: StoredCollection) -> Iterator[bytes]:
        if not begun:
            begun.append(True)
            successor.load()
            successor.swap()
        return memory.open(stored)

    with pytest.raises(RestoreFailed, match="is gone"):
        memory.restore(target.client, documents=documents, parallel=1).load()

    assert content(target.client) == expected
    names = target.client.shop.list_collection_names()
    assert not [name for name in names if name.startswith("telamon.shadow")]


@pytest.mark.parametrize("at", [0, 1, 5])
def test_each_step_of_a_swap_is_confirmed_just_before(
    memory: Memory, expected: dict[str, Any], target: Mongod, at: int
) -> None:
    fill_target(target.client)
    memory.restore(target.client).load()
    before = content(target.client)
    asked: list[bool] = []

    def confirm() -> None:
        asked.append(True)
        if len(asked) > at:
            raise Gone

    with pytest.raises(Gone):
        memory.restore(target.client, confirm=confirm).swap()
    assert (content(target.client) == before) is (at == 0)

    memory.restore(target.client).swap()
    assert content(target.client) == expected
