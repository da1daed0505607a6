"""Reading a whole deployment as of one cluster time.

The story: read the catalogue; read the capped collections, which refuse to be read at a time; take
the newest write's time; make sure that the catalogue is still the same and that no capped
collection was written to since its reading began, else do those again; then read all others as of
that time, several at once.
"""

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial

from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from telamon.errors import CatalogChanged, DeploymentUnavailable, SnapshotFailed, TelamonError
from telamon.model.manifest import ClusterTime, CollectionKind, CollectionSpec
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client, reason, translated
from telamon.mongo.oplog import is_written, last_write
from telamon.mongo.parallel import Stop, Stopped, run_all
from telamon.mongo.read import raw_batches
from telamon.mongo.write import NAMESPACE_NOT_FOUND

Sink = Callable[[CollectionSpec, Iterator[bytes]], None]

# Codes of the server's error_codes.yml.
_CAPPED_POSITION_LOST = 136
_SNAPSHOT_TOO_OLD = 239
_CHANGED = {
    NAMESPACE_NOT_FOUND,
    175,  # QueryPlanKilled: the collection or its database was dropped
    215,  # DatabaseDropPending
    246,  # SnapshotUnavailable: an index or the collection is younger than the cluster time
}
_CAPPED_ROUNDS = 5
_CATALOG_ROUNDS = 10
_HISTORY_PARAMETER = "minSnapshotHistoryWindowInSeconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFacts:
    """What was read: everything that existed at ``cluster_time``, sorted by namespace."""

    cluster_time: ClusterTime
    collections: tuple[CollectionSpec, ...]


def read_snapshot(
    client: Client, sink: Sink, *, parallel: int = 2, attempts: int = 5
) -> SnapshotFacts:
    """Hand every document of the deployment to ``sink``, all as of one cluster time.

    ``sink`` is called once for each collection and time series (not for views), with batches of
    whole documents in natural order, which it must take to their end; up to ``parallel`` calls run
    at once, each in a thread of its own. Where the deployment changes under the snapshot, ``sink``
    is called again for the same collection: the latest call that returned counts, and of those only
    the ones whose spec is among the facts' ``collections``.

    Raises CatalogChanged when collections or indexes changed in each of the ``attempts``;
    SnapshotFailed when the server's history is too short, a capped collection never rests, or
    something cannot be read; DeploymentUnavailable when the server stops answering. What ``sink``
    raises comes out as it is. Then all other calls of ``sink`` have ended too.
    """
    snapshot = _Snapshot(client, sink, parallel)
    for _ in range(attempts - 1):
        try:
            return snapshot.take()
        except CatalogChanged:
            continue
    try:
        return snapshot.take()
    except CatalogChanged as error:
        raise CatalogChanged(f"{error.message} (attempt {attempts} of {attempts})") from error


class _PositionLost(SnapshotFailed):
    """A capped collection overwrote what was being read."""


class _Snapshot:
    """One call of ``read_snapshot``, over all its attempts."""

    def __init__(self, client: Client, sink: Sink, parallel: int) -> None:
        self._client = client
        self._sink = sink
        self._parallel = parallel
        # When the reading of each capped collection began, for those that the sink has.
        self._capped_since: dict[CollectionSpec, ClusterTime] = {}

    def take(self) -> SnapshotFacts:
        """One attempt. Raises CatalogChanged if another one may succeed."""
        time, catalog = self._choose_time()
        stop = Stop()
        run_all(
            [
                partial(self._read, spec, time, stop)
                for spec in catalog
                if spec.kind is not CollectionKind.VIEW and not spec.capped
            ],
            parallel=self._parallel,
            stop=stop,
        )
        return SnapshotFacts(cluster_time=time, collections=catalog)

    def _choose_time(self) -> tuple[ClusterTime, tuple[CollectionSpec, ...]]:
        """A time, the catalogue that held at it, and all capped collections read as of it."""
        catalog = self._catalog()
        changes = busy_rounds = 0
        while True:
            self._read_capped(catalog)
            with _asking():
                time = last_write(self._client)
            catalog, before = self._catalog(), catalog
            if catalog != before:
                changes += 1
                if changes == _CATALOG_ROUNDS:
                    raise CatalogChanged(_difference(before, catalog))
                continue
            busy = self._forget_busy(catalog, time)
            if not busy:
                return time, catalog
            busy_rounds += 1
            if busy_rounds == _CAPPED_ROUNDS:
                raise SnapshotFailed(
                    f"The capped collection {busy[0].namespace} was written to each of the "
                    f"{_CAPPED_ROUNDS} times it was read. A capped collection can be read only while "
                    "it rests: pause its writers, or take the snapshot at a quieter time."
                )

    def _catalog(self) -> tuple[CollectionSpec, ...]:
        with _asking():
            return read_catalog(self._client)

    def _read_capped(self, catalog: tuple[CollectionSpec, ...]) -> None:
        """Read the capped collections that the sink has not; some may stay unread."""
        for spec in catalog:
            if not spec.capped or spec in self._capped_since:
                continue
            with _asking():
                since = last_write(self._client)
            try:
                self._read(spec, None, Stop(), after=since)
            except (_PositionLost, CatalogChanged):
                continue
            self._capped_since[spec] = since

    def _forget_busy(
        self, catalog: tuple[CollectionSpec, ...], time: ClusterTime
    ) -> list[CollectionSpec]:
        """The capped collections that are to be read again."""
        busy = [spec for spec in catalog if spec.capped and not self._rested(spec, time)]
        for spec in busy:
            self._capped_since.pop(spec, None)
        return busy

    def _rested(self, spec: CollectionSpec, until: ClusterTime) -> bool:
        since = self._capped_since.get(spec)
        if since is None:
            return False
        with _asking():
            return not is_written(self._client, spec, after=since, until=until)

    def _read(
        self,
        spec: CollectionSpec,
        at: ClusterTime | None,
        stop: Stop,
        *,
        after: ClusterTime | None = None,
    ) -> None:
        assert spec.uuid is not None
        batches = raw_batches(self._client, spec.namespace.database, spec.uuid, at, after=after)
        reading = _Reading(self._client, spec, batches, stop)
        try:
            self._sink(spec, iter(reading))
        except Exception:
            # Whatever the sink made of it.
            if reading.failure is not None:
                raise reading.failure from reading.failure.__cause__
            raise
        finally:
            batches.close()
        if reading.failure is not None:
            raise reading.failure
        if not reading.is_complete:
            raise SnapshotFailed(f"{spec.namespace} was not read to its end.")


class _Reading:
    """The batches of one collection on their way to the sink, and how the reading ended."""

    def __init__(
        self,
        client: Client,
        spec: CollectionSpec,
        batches: Generator[bytes, None, None],
        stop: Stop,
    ) -> None:
        self._client = client
        self._spec = spec
        self._batches = batches
        self._stop = stop
        self.failure: TelamonError | Stopped | None = None
        self.is_complete = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            with closing(self._batches):
                for batch in self._batches:
                    self._stop.check()
                    yield batch
        except Stopped as stopped:
            self.failure = stopped
            raise
        except PyMongoError as error:
            self.failure = _failure(self._client, self._spec, error)
            raise self.failure from error
        self.is_complete = True


def _asking() -> AbstractContextManager[None]:
    return translated(SnapshotFailed)


def _failure(client: Client, spec: CollectionSpec, error: PyMongoError) -> TelamonError:
    """What an error of a read means for the snapshot."""
    if isinstance(error, AutoReconnect):
        return DeploymentUnavailable(f"The deployment does not answer: {reason(error)}")
    code = error.code if isinstance(error, OperationFailure) else None
    if code == _SNAPSHOT_TOO_OLD:
        return SnapshotFailed(
            f"Reading took longer than the deployment keeps history ({_history(client)}); it failed "
            f"in {spec.namespace}. Raise the server parameter {_HISTORY_PARAMETER} above the time "
            "that a snapshot takes."
        )
    if code in _CHANGED:
        return CatalogChanged(
            f"{spec.namespace} was changed while the snapshot was taken: {reason(error)}"
        )
    if code == _CAPPED_POSITION_LOST:
        return _PositionLost(f"{spec.namespace} overwrote itself while it was read.")
    return SnapshotFailed(f"{spec.namespace} cannot be read: {reason(error)}")


def _history(client: Client) -> str:
    try:
        answer = client.admin.command({"getParameter": 1, _HISTORY_PARAMETER: 1})
    except PyMongoError:
        return f"as long as {_HISTORY_PARAMETER} says"
    return f"{_HISTORY_PARAMETER} is {answer[_HISTORY_PARAMETER]}"


def _difference(before: tuple[CollectionSpec, ...], after: tuple[CollectionSpec, ...]) -> str:
    changed = sorted({str(spec.namespace) for spec in set(before) ^ set(after)})
    return f"Collections or indexes kept changing before the snapshot could begin: {changed[0]}."
