"""The three data sets, the same documents in every run.

``text`` has documents of about 1 KB with natural word frequencies, nested fields and three secondary
indexes, one of them multikey; ``small`` has documents of 126 bytes and one; ``random`` has documents
of 100 KB that nothing compresses.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

import bson
from bson.int64 import Int64
from bson.objectid import ObjectId
from bson.raw_bson import RawBSONDocument

from telamon.mongo.connect import Client

DATABASE = "bench"
_FIRST_SECOND = 1_700_000_000
_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_PROCESS = b"bench"
_WORDS = 50_000
_NOTE_WORDS = 1000
_NOTE_LETTERS = 39
_LETTERS = "etaoinshrdlu"
_CITIES = ("Lisbon", "Porto", "Braga", "Faro", "Evora", "Aveiro", "Coimbra")
_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataSet:
    """One collection of its own deployment."""

    letter: str
    name: str
    what: str
    document: Callable[[int], dict[str, Any]]
    """The document of a number; numbers count in the order of insertion."""
    indexes: tuple[Sequence[tuple[str, int]], ...]


def object_id(number: int) -> ObjectId:
    """As a driver would have made it: 50 a second, by one process."""
    seconds = _FIRST_SECOND + number // 50
    return ObjectId(seconds.to_bytes(4, "big") + _PROCESS + number.to_bytes(3, "big"))


def documents(data_set: DataSet, start: int = 0) -> Iterator[RawBSONDocument]:
    """The documents from number ``start`` on, without end."""
    number = start
    while True:
        yield RawBSONDocument(bson.encode(data_set.document(number)))
        number += 1


def load(client: Client, data_set: DataSet, size_bytes: int) -> int:
    """Fill the collection up to ``size_bytes``, with its indexes; returns the bytes of it."""
    collection = client[DATABASE][data_set.name]
    written = batch_bytes = 0
    batch: list[Any] = []
    for document in documents(data_set):
        batch.append(document)
        batch_bytes += len(document.raw)
        if batch_bytes < _BATCH_BYTES and written + batch_bytes < size_bytes:
            continue
        collection.insert_many(batch, ordered=True)
        written += batch_bytes
        batch, batch_bytes = [], 0
        if written >= size_bytes:
            break
    for keys in data_set.indexes:
        collection.create_index(list(keys))
    return written


@cache
def _words() -> tuple[list[str], list[float]]:
    """Words, and the sums of their weights: the n-th is 1/n as frequent as the first (Zipf)."""
    chance = random.Random(1)
    words = ["".join(chance.choices(_LETTERS, k=chance.randint(2, 9))) for _ in range(_WORDS)]
    return words, list(accumulate(1 / rank for rank in range(1, _WORDS + 1)))


def _text(number: int) -> dict[str, Any]:
    chance = random.Random(number)
    words, sums = _words()
    spoken = chance.choices(words, cum_weights=sums, k=chance.randint(90, 150))
    return {
        "_id": object_id(number),
        "n": number % 9973,
        "at": _FIRST_DAY + timedelta(seconds=number * 7),
        "author": {
            "id": Int64(chance.randrange(50_000)),
            "name": f"{spoken[0]} {spoken[1]}",
            "address": {"city": chance.choice(_CITIES), "zip": chance.randrange(1000, 9999)},
        },
        "tags": sorted(set(spoken[2:5])),
        "score": round(chance.random() * 100, 2),
        "votes": {"up": chance.randrange(1000), "down": chance.randrange(100)},
        "text": " ".join(spoken),
    }


def _small(number: int) -> dict[str, Any]:
    chance = random.Random(number)
    words, sums = _words()
    note = chance.choices(words[:_NOTE_WORDS], cum_weights=sums[:_NOTE_WORDS], k=9)
    return {
        "_id": object_id(number),
        "at": _FIRST_DAY + timedelta(seconds=number),
        "user": Int64(chance.randrange(10_000)),
        "amount": chance.randrange(1000) / 4,
        "ok": chance.random() < 0.5,
        "n": chance.randrange(100),
        "note": " ".join(note)[:_NOTE_LETTERS].ljust(_NOTE_LETTERS),
    }


def _random(number: int) -> dict[str, Any]:
    return {
        "_id": object_id(number),
        "n": number,
        "data": random.Random(number).randbytes(100_000),
    }


TEXT = DataSet(
    letter="A",
    name="text",
    what="about 1 KB, text with Zipf word frequencies, nested fields; 3 secondary indexes, one multikey",
    document=_text,
    indexes=([("n", 1)], [("author.id", 1), ("at", -1)], [("tags", 1)]),
)
SMALL = DataSet(
    letter="B",
    name="small",
    what="126 bytes; 1 secondary index",
    document=_small,
    indexes=([("user", 1)],),
)
RANDOM = DataSet(
    letter="C",
    name="random",
    what="100 KB that nothing compresses; no secondary index",
    document=_random,
    indexes=(),
)
DATA_SETS = (TEXT, SMALL, RANDOM)
