"""What happens to a data set between two snapshots; undone at the end of each block."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from pymongo import DeleteOne, ReplaceOne, UpdateOne

from benchmarks.datasets import DATABASE, DataSet, documents, object_id
from benchmarks.deployment import Deployment

_BATCH = 1000
# Documents of these numbers are in no data set: their content is what replaces others'.
_OTHERS = 5_000_000
_FIELD = "score"


class Changes:
    """Ways to change a collection of ``count`` documents. The same ones in every run."""

    def __init__(self, deployment: Deployment, data_set: DataSet) -> None:
        self._deployment = deployment
        self._data_set = data_set
        self._collection = deployment.client[DATABASE][data_set.name]
        self._count = self._collection.estimated_document_count()

    @contextmanager
    def random_set(self) -> Iterator[None]:
        """One field of 1 % of the documents, here and there."""
        numbers = self._random_numbers(0.01)
        with self._undone(numbers):
            self._set_field(numbers)
            yield

    @contextmanager
    def range_set(self) -> Iterator[None]:
        """One field of 1 % of the documents, one after the other."""
        start = self._count * 2 // 5
        numbers = range(start, start + self._count // 100)
        with self._undone(numbers):
            self._set_field(numbers)
            yield

    @contextmanager
    def random_replaced(self) -> Iterator[None]:
        """1 % of the documents, here and there: nothing but the ``_id`` stays."""
        numbers = self._random_numbers(0.01)
        with self._undone(numbers):
            for some in _batches(numbers):
                self._collection.bulk_write(
                    [ReplaceOne({"_id": object_id(one)}, self._other(one)) for one in some]
                )
            self._deployment.checkpoint()
            yield

    @contextmanager
    def inserted(self) -> Iterator[None]:
        """5 % more documents, after the others."""
        # The driver wants documents of a type that it could add to; raw ones it leaves alone.
        new: Iterator[Any] = islice(documents(self._data_set, self._count), self._count // 20)
        while batch := list(islice(new, _BATCH)):
            self._collection.insert_many(batch)
        self._deployment.checkpoint()
        try:
            yield
        finally:
            self._collection.delete_many({"_id": {"$gte": object_id(self._count)}})
            self._deployment.checkpoint()

    @contextmanager
    def deleted(self) -> Iterator[None]:
        """0.5 % of the documents fewer. The one change that is not undone: let it be the last."""
        for some in _batches(self._random_numbers(0.005)):
            self._collection.bulk_write([DeleteOne({"_id": object_id(one)}) for one in some])
        self._deployment.checkpoint()
        yield

    def _random_numbers(self, share: float) -> list[int]:
        return random.Random(1).sample(range(self._count), round(self._count * share))

    def _other(self, number: int) -> dict[str, Any]:
        return self._data_set.document(number + _OTHERS) | {"_id": object_id(number)}

    def _set_field(self, numbers: Sequence[int]) -> None:
        chance = random.Random(2)
        for some in _batches(numbers):
            self._collection.bulk_write(
                [
                    UpdateOne({"_id": object_id(one)}, {"$set": {_FIELD: chance.random() * 100}})
                    for one in some
                ]
            )
        self._deployment.checkpoint()

    @contextmanager
    def _undone(self, numbers: Sequence[int]) -> Iterator[None]:
        """Afterwards the documents of these numbers are again what they were, where they were."""
        try:
            yield
        finally:
            for some in _batches(numbers):
                self._collection.bulk_write(
                    [
                        ReplaceOne({"_id": object_id(one)}, self._data_set.document(one))
                        for one in some
                    ]
                )
            self._deployment.checkpoint()


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), _BATCH):
        yield numbers[start : start + _BATCH]
