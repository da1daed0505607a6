"""A fold of what a real server wrote, held against what the server has."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from telamon.model.manifest import ClusterTime, CollectionKind, CollectionSpec
from telamon.mongo.capture import position_at, read_since
from telamon.mongo.connect import Client
from telamon.mongo.elements import document_bounds
from telamon.mongo.fill import Source
from telamon.mongo.fold import Fold
from tests.mongo.memory import Memory, count, take

_SECONDS = 30.0


def sources(memory: Memory) -> list[Source]:
    return [
        Source(
            spec=stored.spec,
            documents=stored.documents,
            size_bytes=stored.size_bytes,
            read=partial(memory.open, stored),
        )
        for stored in memory.collections
    ]


def captured(client: Client, since: ClusterTime, *, most_bytes: int = 1_000_000) -> list[bytes]:
    """The oplog behind a moment of which there is an entry."""
    position = position_at(client, since, seconds=_SECONDS)
    assert position is not None
    found = read_since(client, position, most_bytes=most_bytes, seconds=_SECONDS)
    return [stretch.entries for stretch in found]


def time_of(memory: Memory) -> ClusterTime:
    assert memory.facts.cluster_time is not None
    return memory.facts.cluster_time


def assert_folds(client: Client, act: Callable[[Client], object]) -> None:
    """What ``act`` does, folded over a snapshot from before, is a snapshot from after."""
    before = take(client)
    act(client)
    after = take(client)
    assert_same(before, captured(client, time_of(before)), after)


def assert_same(before: Memory, pieces: Iterable[bytes], after: Memory) -> None:
    with Fold(sources(before), since=time_of(before)) as fold:
        fold.apply(pieces, until=time_of(after))
        found = fold.sources()
        assert [one.spec for one in found] == list(after.facts.collections)
        for source in found:
            documents = b"".join(source.read())
            expected = b"".join(after.pieces(source.spec))
            assert _each(source.spec, documents) == _each(source.spec, expected)
            assert count(documents) == source.documents
            assert bool(source.size_bytes) or not documents


def _each(spec: CollectionSpec, documents: bytes) -> list[bytes]:
    """In their order, where it is not that of a key."""
    found = [documents[start:end] for start, end in document_bounds(documents)]
    is_ordered = spec.kind is CollectionKind.TIMESERIES or b"clusteredIndex" in spec.options
    return sorted(found) if is_ordered else found


def run(client: Client, database: str, **command: Any) -> None:
    client[database].command(command)
