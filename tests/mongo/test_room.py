"""Targets that are full."""

from typing import Any

import pytest

from telamon.errors import RestoreFailed
from telamon.mongo.room import compare
from tests.conftest import Mongod
from tests.mongo.memory import Memory, content
from tests.mongo.trouble import fill_target

STATS = {"fsUsedSize": 900.0, "fsTotalSize": 1000.0}


@pytest.mark.parametrize(
    "stats", [STATS, {}, {"fsTotalSize": 1000.0}, {"fsUsedSize": 0.0, "fsTotalSize": 0.0}]
)
def test_what_may_fit_is_begun(stats: dict[str, Any]) -> None:
    compare(stats, 100)


def test_what_cannot_fit_is_refused_with_the_numbers() -> None:
    with pytest.raises(RestoreFailed) as caught:
        compare(STATS, 101)

    assert caught.value.message == (
        "The target has no room for the restore: beside what is there it needs at least 101 bytes, "
        "and of 1000 bytes on its file system 100 are free."
    )


def test_nothing_is_written_where_there_is_no_room(memory: Memory, target: Mongod) -> None:
    fill_target(target.client)
    target.client.admin["telamon.restore"].delete_many({})
    before = content(target.client)

    with pytest.raises(RestoreFailed, match="has no room"):
        memory.restore(target.client, least_bytes=10**18).load()

    assert content(target.client) == before
    assert target.client.admin["telamon.restore"].find_one() is None


def test_where_there_is_room_it_is_restored(
    memory: Memory, expected: dict[str, Any], target: Mongod
) -> None:
    job = memory.restore(target.client, least_bytes=1)
    job.load()
    job.swap()

    assert content(target.client) == expected
