"""Batches on their way to a sink, and what an error of a read means for the snapshot."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, closing
from typing import Protocol

from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from telamon.errors import CatalogChanged, DeploymentUnavailable, SnapshotFailed, TelamonError
from telamon.model.manifest import CollectionSpec
from telamon.mongo.connect import reason, translated
from telamon.mongo.parallel import Stop, Stopped
from telamon.mongo.read import PositionLost
from telamon.mongo.write import NAMESPACE_NOT_FOUND

# Codes of the server's error_codes.yml.
_CAPPED_POSITION_LOST = 136
SNAPSHOT_TOO_OLD = 239
GONE = frozenset(
    {
        NAMESPACE_NOT_FOUND,
        175,  # QueryPlanKilled: the collection or its database was dropped
        215,  # DatabaseDropPending
    }
)
CHANGED = GONE | {246}  # SnapshotUnavailable: an index or the collection is younger than the time


class Sink(Protocol):
    """Where documents go. Called from several threads, never by two for one part."""

    def begin(self, spec: CollectionSpec, expected_bytes: int) -> None:
        """The collection is about to be read, perhaps anew: what came of it before is void.

        It has about so many bytes of documents.
        """
        ...

    def add(self, spec: CollectionSpec, part: int, batches: Iterator[bytes]) -> None:
        """Take the documents of one part; the parts of a collection are in order of their number.

        They end early where the reading fails. Then either nothing comes of the snapshot, or this is
        called again for the same part: the latest call counts.
        """
        ...

    def end(self, spec: CollectionSpec) -> None:
        """Every part of the collection was handed over. It may be begun again all the same."""
        ...

    def change(self, spec: CollectionSpec, change: "Change") -> None:
        """Put what ``change`` makes of the collection's documents in their place."""
        ...


class Change(Protocol):
    """Makes the documents of a collection, whole buffers in order, into others."""

    def __call__(self, buffers: Iterator[bytes]) -> Iterator[bytes]: ...


class PositionOverwritten(SnapshotFailed):
    """A capped collection overwrote what was being read."""


class RangeLost(CatalogChanged):
    """A range can be read anew, from its start, but not gone on with."""


def hand_over(
    sink: Sink,
    spec: CollectionSpec,
    part: int,
    batches: Generator[bytes, None, None],
    stop: Stop,
) -> None:
    """Give a part to the sink. Raises what became of the reading rather than of the sink."""
    reading = _Reading(spec, batches, stop)
    try:
        sink.add(spec, part, iter(reading))
    except Exception:
        # Whatever the sink made of documents that end early.
        if reading.failure is not None:
            raise reading.failure from reading.failure.__cause__
        raise
    finally:
        batches.close()
    if reading.failure is not None:
        raise reading.failure from reading.failure.__cause__
    if not reading.is_complete:
        raise SnapshotFailed(f"{spec.namespace} was not read to its end.")


def asking() -> AbstractContextManager[None]:
    """A refusal of a question to the deployment is a reason for the snapshot to fail."""
    return translated(SnapshotFailed)


class _Reading:
    """How the reading of one part ended, behind whatever a sink makes of it."""

    def __init__(
        self, spec: CollectionSpec, batches: Generator[bytes, None, None], stop: Stop
    ) -> None:
        self._spec = spec
        self._batches = batches
        self._stop = stop
        self.failure: TelamonError | Stopped | None = None
        self.is_complete = False

    def __iter__(self) -> Iterator[bytes]:
        """Ends early where the reading fails: a sink need not survive an error that is none of its own."""
        try:
            with closing(self._batches):
                for batch in self._batches:
                    self._stop.check()
                    yield batch
        except (Stopped, TelamonError) as stopped:
            self.failure = stopped
        except (PyMongoError, PositionLost) as error:
            self.failure = _failure(self._spec, error)
            self.failure.__cause__ = error
        else:
            self.is_complete = True


def _failure(spec: CollectionSpec, error: PyMongoError | PositionLost) -> TelamonError:
    if isinstance(error, PositionLost):
        return RangeLost(f"Too much was deleted from {spec.namespace} while it was read.")
    if isinstance(error, AutoReconnect):
        return DeploymentUnavailable(f"The deployment does not answer: {reason(error)}")
    code = error.code if isinstance(error, OperationFailure) else None
    if code in CHANGED:
        return CatalogChanged(
            f"{spec.namespace} was changed while the snapshot was taken: {reason(error)}"
        )
    if code == _CAPPED_POSITION_LOST:
        return PositionOverwritten(f"{spec.namespace} overwrote itself while it was read.")
    return SnapshotFailed(f"{spec.namespace} cannot be read: {reason(error)}")
