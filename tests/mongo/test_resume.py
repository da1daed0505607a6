"""A load that was killed goes on after its last finished batch, if nothing can have been lost since."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count as counter
from typing import Any

import bson
import pytest

from telamon.errors import RestoreFailed
from telamon.model.manifest import StoredCollection
from telamon.mongo import write
from telamon.mongo.connect import Client, open_client
from telamon.mongo.fill import Rest, Source
from telamon.mongo.journal import Journal, Mark
from telamon.mongo.restore import Restore
from tests.conftest import Mongod, drop_user_databases
from tests.mongo.memory import JOB, Memory, content, take
from tests.mongo.trouble import Crash, await_answer, crash_at, fill_target, kill, shadows, start

CHUNK = 7
"""Documents; a batch has 5 of them."""


@dataclass
class Watched:
    """A snapshot whose chunks are small, and what one restore of it did."""

    memory: Memory
    read: list[tuple[str, int]] = field(default_factory=list)
    """Collections, and from which byte on they were read."""
    kept: list[int] = field(default_factory=list)
    seen: list[tuple[int, int, int]] = field(default_factory=list)

    def restore(self, client: Client, **changes: Any) -> Restore:
        self.read, self.kept, self.seen = [], [], []
        arguments: dict[str, Any] = {
            "progress": lambda *added: self.seen.append(added),
            "resumed": self.kept.append,
            "parallel": 1,
            **changes,
        }
        sources = [self._source(stored) for stored in self.memory.collections]
        return Restore(client, job_id=JOB, sources=sources, **arguments)

    def progress(self) -> tuple[int, ...]:
        return tuple(map(sum, zip(*self.seen, strict=True)))

    def _source(self, stored: StoredCollection) -> Source:
        return Source(
            spec=stored.spec,
            documents=stored.documents,
            size_bytes=stored.size_bytes,
            read=partial(self._from, stored, 0),
            rest=partial(self._rest, stored),
        )

    def _chunks(self, stored: StoredCollection) -> list[bytes]:
        documents = list(map(bson.encode, bson.decode_all(b"".join(self.memory.open(stored)))))
        places = range(0, len(documents), CHUNK)
        return [b"".join(documents[place : place + CHUNK]) for place in places]

    def _from(self, stored: StoredCollection, first: int) -> Iterator[bytes]:
        chunks = self._chunks(stored)
        self.read.append((str(stored.spec.namespace), sum(map(len, chunks[:first]))))
        yield from chunks[first:]

    def _rest(self, stored: StoredCollection, done_bytes: int) -> Rest:
        chunks = self._chunks(stored)
        first = 0
        while first < len(chunks) and sum(map(len, chunks[: first + 1])) <= done_bytes:
            first += 1
        left_out = b"".join(chunks[:first])
        return Rest(
            documents=len(bson.decode_all(left_out)),
            size_bytes=len(left_out),
            read=partial(self._from, stored, first),
        )


@pytest.fixture(scope="module")
def taken(shared_mongod: Mongod) -> tuple[Memory, dict[str, Any]]:
    """With documents that are inserted in two commands, a clustered and a capped collection."""
    drop_user_databases(shared_mongod.client)
    shop = shared_mongod.client["shop"]
    shop["big"].insert_many({"_id": n, "pad": "x" * 150} for n in range(40))
    shop["big"].update_many({"_id": {"$gt": 20}}, [{"$set": {"t": bson.Timestamp(0, 0)}}])
    shop["big"].create_index("pad")
    clustered = {"key": {"_id": 1}, "unique": True}
    shop.create_collection("clustered", clusteredIndex=clustered)
    shop["clustered"].insert_many({"_id": n, "pad": "x" * 150} for n in range(20))
    shop.create_collection("ring", capped=True, size=100_000)
    shop["ring"].insert_many({"_id": -n, "pad": "x" * 150} for n in range(15))
    return take(shared_mongod.client), content(shared_mongod.client)


@pytest.fixture
def watched(taken: tuple[Memory, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr(write, "_BATCH_BYTES", 1_000)
    return Watched(taken[0])


@pytest.fixture(autouse=True)
def _forgotten(target: Mongod) -> None:
    target.client.admin["telamon.restore"].delete_many({})


@pytest.fixture
def expected(taken: tuple[Memory, dict[str, Any]]) -> dict[str, Any]:
    return taken[1]


def crash(watched: Watched, client: Client, at: int, **changes: Any) -> None:
    """A load whose worker ends at the ``at``-th sign of progress."""
    moments = crash_at(at)
    with pytest.raises(Crash):
        watched.restore(client, progress=moments(lambda *_: None), **changes).load()


def test_whatever_batch_it_was_killed_at_it_goes_on_there(
    watched: Watched, expected: dict[str, Any], target: Mongod
) -> None:
    kept: list[int] = []
    for at in counter():
        drop_user_databases(target.client)
        target.client.admin["telamon.restore"].delete_many({})
        fill_target(target.client)
        before = content(target.client)
        moments = crash_at(at)
        try:
            watched.restore(target.client, progress=moments(lambda *_: None)).load()
        except Crash:
            pass
        else:
            break
        job = watched.restore(target.client)
        job.load()
        kept += watched.kept
        assert watched.progress() == (
            sum(one.documents for one in watched.memory.collections),
            sum(one.size_bytes for one in watched.memory.collections),
            3,
        )
        there = content(target.client)
        assert {name: there[name] for name in before} == before
        job.swap()
        assert content(target.client) == expected
    assert at > 15
    # Later deaths leave more to go on with, but for a capped collection, whose order must be sure.
    assert kept[0] == 0
    assert sorted(set(kept)) == list(dict.fromkeys(kept)) or kept[-1] > kept[1]


def test_complete_collections_are_not_read_again_and_begun_ones_from_their_place(
    watched: Watched, target: Mongod
) -> None:
    """The largest comes first: it has eight batches, and the next one is in its second."""
    crash(watched, target.client, 11)

    watched.restore(target.client).load()

    assert [name for name, _ in watched.read] == ["shop.clustered", "shop.ring"]
    assert watched.read[0][1] > 0
    assert watched.read[1][1] == 0


def test_documents_beyond_the_last_mark_are_not_there_twice(
    watched: Watched, expected: dict[str, Any], target: Mongod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a worker that was killed before it could mark them, or sends them even now."""
    put_mark = Journal.put_mark
    marked: list[Mark] = []

    def first_of_each(self: Journal, number: int, mark: Mark) -> None:
        if sum(mark.uuid == one.uuid for one in marked) < 2:
            marked.append(mark)
            put_mark(self, number, mark)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "put_mark", first_of_each)
        crash(watched, target.client, 13)

    job = watched.restore(target.client)
    job.load()
    job.swap()

    assert content(target.client) == expected
    assert all(offset > 0 for name, offset in watched.read if name != "shop.ring")


def test_a_load_that_was_complete_is_not_done_again(
    watched: Watched, expected: dict[str, Any], target: Mongod
) -> None:
    watched.restore(target.client).load()

    job = watched.restore(target.client)
    job.load()
    assert watched.read == []
    assert watched.progress()[2] == 3
    with pytest.raises(Crash):
        watched.restore(target.client, confirm=crash_at(2)(lambda: None)).swap()
    job.load()  # as under a program that does not know how far it was
    assert watched.read == []
    job.swap()

    assert content(target.client) == expected


def other_content(watched: Watched, client: Client) -> None:
    del client
    (first, *others) = watched.memory.facts.collections
    watched.memory.facts = replace(
        watched.memory.facts, collections=(replace(first, indexes=first.indexes[:1]), *others)
    )


def other_shadows(watched: Watched, client: Client) -> None:
    del watched
    for name in shadows(client):
        client.shop.drop_collection(name)
        client.shop.create_collection(name)


def other_job(watched: Watched, client: Client) -> None:
    watched.memory.restore(client, job_id="another").discard()
    Restore(client, job_id="another", sources=[], progress=lambda *_: None).load()


def a_shadow_dropped_by_somebody(watched: Watched, client: Client) -> None:
    """Of a load that was complete: the swap would take it for one that is in its place."""
    watched.restore(client).load()
    client.shop.create_collection("big")
    client.shop.drop_collection(sorted(shadows(client))[0])
    assert watched.kept[0] > 0


def other_primary(watched: Watched, client: Client) -> None:
    del watched
    client.admin["telamon.restore"].update_one({"_id": JOB}, {"$set": {"term.0": bson.ObjectId()}})


@pytest.mark.parametrize(
    "doubt", [other_content, other_shadows, other_job, other_primary, a_shadow_dropped_by_somebody]
)
def test_where_anything_is_doubtful_it_begins_anew(
    watched: Watched, target: Mongod, doubt: Callable[[Watched, Client], None]
) -> None:
    facts = watched.memory.facts
    crash(watched, target.client, 11)
    try:
        doubt(watched, target.client)
        job = watched.restore(target.client)
        job.load()
    finally:
        watched.memory.facts = facts

    assert watched.kept == [0]
    assert sorted(watched.read) == [("shop.big", 0), ("shop.clustered", 0), ("shop.ring", 0)]
    job.swap()


def test_a_server_that_was_killed_may_have_lost_something(
    watched: Watched, expected: dict[str, Any], own_mongod: Mongod
) -> None:
    with open_client(own_mongod.uri) as client:
        crash(watched, client, 11)
        kill(own_mongod)
        start(own_mongod)
        await_answer(client)

        job = watched.restore(client)
        job.load()
        job.swap()

        assert watched.kept == [0]
        assert content(client) == expected


def test_what_only_a_stranger_can_have_put_there_fails_the_load(
    watched: Watched, target: Mongod
) -> None:
    crash(watched, target.client, 3)
    (name,) = shadows(target.client)
    target.client.shop[name].insert_one({"_id": "a stranger's"})

    with pytest.raises(RestoreFailed, match=r"41 documents of shop\.big are in the deployment"):
        watched.restore(target.client).load()
