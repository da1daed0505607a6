"""A load that is to end: soon, and without a trace."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import bson
import pytest

from telamon.errors import TelamonError
from telamon.model.manifest import StoredCollection
from telamon.mongo.connect import Client
from telamon.mongo.parallel import Stopped
from telamon.mongo.restore import Restore
from tests.conftest import Mongod
from tests.mongo.memory import Memory, content, take
from tests.mongo.trouble import fill_target, shadows

BUILDING = {"op": "command", "command.createIndexes": {"$exists": True}}


def test_between_two_batches(memory: Memory, target: Mongod) -> None:
    fill_target(target.client)
    before = content(target.client)
    jobs = list[Restore]()

    def documents(stored: StoredCollection) -> Iterator[bytes]:
        jobs[0].interrupt()
        return memory.open(stored)

    jobs.append(memory.restore(target.client, documents=documents))
    with pytest.raises((Stopped, TelamonError)):
        jobs[0].load()
    jobs[0].discard()

    assert content(target.client) == before


def test_before_it_begins(memory: Memory, target: Mongod) -> None:
    job = memory.restore(target.client)
    job.interrupt()

    with pytest.raises(Stopped):
        job.load()

    assert shadows(target.client) == []


INDEX = bson.encode(
    {
        "v": 2,
        "key": {"_fts": "text", "_ftsx": 1},
        "name": "words_text",
        "weights": {"words": 1},
        "default_language": "none",
        "language_override": "language",
        "textIndexVersion": 3,
    }
)


@pytest.fixture
def slow(source: Mongod) -> Memory:
    """A collection with an index that takes many seconds to build."""
    words = " ".join(f"{number * 7919:x}" for number in range(900))
    source.client["shop"]["texts"].insert_many({"_id": n, "words": words} for n in range(4000))
    taken = take(source.client)
    (spec,) = taken.facts.collections
    slow = replace(spec, indexes=(*spec.indexes, INDEX))
    taken.facts = replace(taken.facts, collections=(slow,))
    return taken


def is_building(client: Client) -> bool:
    pipeline: list[dict[str, Any]] = [{"$currentOp": {}}, {"$match": BUILDING}]
    return bool(list(client.admin.aggregate(pipeline)))


def test_in_the_middle_of_an_index(slow: Memory, target: Mongod) -> None:
    fill_target(target.client)
    before = content(target.client)
    job = slow.restore(target.client)

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(job.load)
        while not is_building(target.client):
            assert not loading.done()
        began = time.monotonic()
        job.interrupt()
        with pytest.raises((Stopped, TelamonError)):
            loading.result(20)

    assert time.monotonic() - began < 3
    job.discard()
    assert content(target.client) == before
