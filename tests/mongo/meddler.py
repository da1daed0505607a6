"""A sink that changes the deployment while it is read."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import bson

from telamon.model.manifest import CollectionSpec
from telamon.mongo.connect import Client
from telamon.mongo.snapshot import SnapshotFacts, read_snapshot
from tests.mongo.memory import Memory

Deed = Callable[[Client], object]


class Meddler(Memory):
    """A sink that does a deed to the deployment at a chosen moment, and keeps all it gets."""

    def __init__(self, client: Client, deed: Deed, *, at: str, times: int = 1) -> None:
        super().__init__()
        self.client = client
        self.deed = deed
        self.at = at
        self.times = times
        self._lock = Lock()

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        """The deed is done as soon as the first batch of the collection ``at`` is there."""
        kept: list[bytes] = []
        for number, batch in enumerate(batches):
            kept.append(batch)
            if number == 0 and str(spec.namespace) == self.at and self._is_time():
                self.deed(self.client)
        super().add(spec, part, iter(kept))

    def _is_time(self) -> bool:
        with self._lock:
            is_time = self.times > 0
            self.times -= is_time
        return is_time

    def take(self, attempts: int = 5, parallel: int = 1, **options: Any) -> SnapshotFacts:
        self.facts = read_snapshot(
            self.client, self, parallel=parallel, attempts=attempts, **options
        )
        return self.facts

    def names(self) -> list[str]:
        return [str(spec.namespace) for spec in self.facts.collections]

    def ids(self, name: str) -> list[object]:
        spec = next(spec for spec in self.facts.collections if str(spec.namespace) == name)
        return [
            document["_id"] for batch in self.pieces(spec) for document in bson.decode_all(batch)
        ]


def fill(client: Client, name: str, count: int, size_bytes: int = 10) -> None:
    client["shop"][name].insert_many(
        {"_id": number, "n": number, "x": "x" * size_bytes} for number in range(count)
    )
