"""Reading a whole deployment as of one cluster time.

The story: read the catalogue; read the capped collections, which refuse to be read at a time; take
the newest write's time; make sure that the catalogue is still the same and that no capped
collection was written to since its reading began, else do those again; then read all others as of
that time, several at once and big ones in several ranges.

A server keeps its history for some minutes only. Where the reading takes longer it goes on without
a time, from where it was, while the oplog tells which documents are written to. In the end a new
time is chosen, as before, and those documents are read as of that one and put in their places.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock

from pymongo.errors import OperationFailure

from telamon.errors import CatalogChanged, SnapshotFailed
from telamon.model.manifest import ClusterTime, CollectionKind, CollectionSpec
from telamon.mongo.catalog import read_catalog
from telamon.mongo.catch_up import CatchUp
from telamon.mongo.connect import Client
from telamon.mongo.oplog import is_written, last_write
from telamon.mongo.parallel import Stop, run_all
from telamon.mongo.ranges import SPLIT_BYTES, size_bytes, split
from telamon.mongo.read import WHOLE, Range, Scan
from telamon.mongo.reading import PositionOverwritten, RangeLost, Sink, asking, hand_over

_CAPPED_ROUNDS = 5
_CATALOG_ROUNDS = 10
_SETTLE_ROUNDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFacts:
    """What was read: everything that existed at ``cluster_time``, sorted by namespace.

    Without a time, from a standalone mongod: what existed while it was read, each document as it was
    at some moment then.
    """

    cluster_time: ClusterTime | None
    collections: tuple[CollectionSpec, ...]


def read_snapshot(
    client: Client,
    sink: Sink,
    *,
    parallel: int = 2,
    attempts: int = 5,
    split_bytes: int = SPLIT_BYTES,
    scratch: Path | None = None,
) -> SnapshotFacts:
    """Hand every document of the deployment to ``sink``, all as of one cluster time.

    ``sink`` gets each collection and time series (not views) in one part or several, as batches of
    whole documents in natural order, which it must take to their end; up to ``parallel`` parts at
    once, each in a thread of its own. Where the deployment changes under the snapshot a collection is
    begun again, and what came of it before is void. What counts in the end is what the facts'
    ``collections`` name.

    Collections of ``split_bytes`` or more are read in several ranges. What memory does not hold is
    kept in ``scratch``, a directory, for as long as this runs; by default in that for temporary files.

    Raises CatalogChanged when collections or indexes changed in each of the ``attempts``;
    SnapshotFailed when the server's oplog is too short, a capped collection never rests, or something
    cannot be read; DeploymentUnavailable when the server stops answering. What ``sink`` raises comes
    out as it is. Then all other calls of ``sink`` have ended too.
    """
    snapshot = _Snapshot(client, sink, parallel, split_bytes, scratch)
    for _ in range(attempts - 1):
        try:
            return snapshot.take()
        except CatalogChanged:
            continue
    try:
        return snapshot.take()
    except CatalogChanged as error:
        raise CatalogChanged(f"{error.message} (attempt {attempts} of {attempts})") from error


class _Snapshot:
    """One call of ``read_snapshot``, over all its attempts."""

    def __init__(
        self, client: Client, sink: Sink, parallel: int, split_bytes: int, scratch: Path | None
    ) -> None:
        self._client = client
        self._sink = sink
        self._parallel = parallel
        self._split_bytes = split_bytes
        self._scratch = scratch
        # When the reading of each capped collection began, for those that the sink has.
        self._capped_since: dict[CollectionSpec, ClusterTime] = {}

    def take(self) -> SnapshotFacts:
        """One attempt. Raises CatalogChanged if another one may succeed."""
        if self._is_standalone():
            return self._take_standalone()
        time, catalog = self._choose_time()
        with CatchUp(self._client, time, self._scratch) as catch_up:
            self._read_all(catalog, time, catch_up)
            if catch_up.is_needed:
                time, catalog = self._settle(catalog, catch_up)
        return SnapshotFacts(cluster_time=time, collections=catalog)

    def _is_standalone(self) -> bool:
        with asking():
            return "setName" not in self._client.admin.command("hello")

    def _take_standalone(self) -> SnapshotFacts:
        """Everything as it is when it is read."""
        catalog = self._catalog()
        stop = Stop()
        tasks = []
        for spec in catalog:
            if spec.kind is not CollectionKind.VIEW:
                self._sink.begin(spec, size_bytes(self._client, spec))
                tasks.append(partial(self._read_as_it_is, spec, stop))
        run_all(tasks, parallel=self._parallel, stop=stop)
        after = self._catalog()
        if after != catalog:
            raise CatalogChanged(_difference(catalog, after))
        return SnapshotFacts(cluster_time=None, collections=catalog)

    def _read_as_it_is(self, spec: CollectionSpec, stop: Stop) -> None:
        scan = Scan(self._client, spec.namespace.database, _uuid(spec))
        batches = scan.batches(None, capped=spec.capped)
        hand_over(self._sink, spec, 0, batches, stop)
        self._sink.end(spec)

    def _read_all(
        self, specs: Iterable[CollectionSpec], time: ClusterTime, catch_up: CatchUp
    ) -> None:
        """Hand the documents of all collections but capped ones to the sink, the biggest first."""
        stop = Stop()
        sized = [
            (size_bytes(self._client, spec), spec) for spec in specs if _is_read_at_a_time(spec)
        ]
        tasks = []
        for size, spec in sorted(sized, key=lambda pair: pair[0], reverse=True):
            self._sink.begin(spec, size)
            parts = self._parts(spec, size, time, catch_up)
            unread = _Unread(spec, len(parts), self._sink)
            for number, part in enumerate(parts):
                tasks.append(partial(self._read_part, unread, number, part, catch_up, stop))
        run_all(tasks, parallel=self._parallel, stop=stop)

    def _read_part(
        self, unread: "_Unread", number: int, part: Range, catch_up: CatchUp, stop: Stop
    ) -> None:
        spec = unread.spec
        uuid = _uuid(spec)
        scan = Scan(self._client, spec.namespace.database, uuid, part)
        try:
            hand_over(self._sink, spec, number, catch_up.batches(scan, uuid), stop)
        except RangeLost:
            # By now without a time, so that it need not go on from anywhere a second time.
            scan.rewind()
            hand_over(self._sink, spec, number, catch_up.batches(scan, uuid), stop)
        unread.end_part()

    def _parts(
        self, spec: CollectionSpec, size: int, time: ClusterTime, catch_up: CatchUp
    ) -> list[Range]:
        if size < self._split_bytes or catch_up.is_needed:
            return [WHOLE]
        try:
            return split(self._client, spec, time, self._parallel)
        except OperationFailure:
            return [WHOLE]  # what is wrong, its reading will tell

    def _settle(
        self, catalog: tuple[CollectionSpec, ...], catch_up: CatchUp
    ) -> tuple[ClusterTime, tuple[CollectionSpec, ...]]:
        """Bring what was read at different times to one; answers it, and what existed at it."""
        read = {spec.uuid for spec in catalog}
        for _ in range(_SETTLE_ROUNDS):
            time, catalog = self._choose_time()
            read -= catch_up.forget_gone()
            specs = [spec for spec in catalog if _is_read_at_a_time(spec)]
            new = [spec for spec in specs if spec.uuid not in read]
            if new:
                self._read_all(new, time, catch_up)
                read.update(spec.uuid for spec in new)
            elif catch_up.read_touched(specs, time):
                touched = catch_up.touched.uuids()
                for spec in specs:
                    if spec.uuid in touched:
                        self._sink.change(spec, partial(catch_up.touched.change, spec.uuid))
                return time, catalog
        raise SnapshotFailed(
            "More was written to the deployment while it was read than can be read again in the "
            "time for which it keeps history. Take the snapshot at a quieter time, or raise the "
            "server parameter minSnapshotHistoryWindowInSeconds."
        )

    def _choose_time(self) -> tuple[ClusterTime, tuple[CollectionSpec, ...]]:
        """A time, the catalogue that held at it, and all capped collections read as of it."""
        catalog = self._catalog()
        changes = busy_rounds = 0
        while True:
            self._read_capped(catalog)
            with asking():
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
        with asking():
            return read_catalog(self._client)

    def _read_capped(self, catalog: tuple[CollectionSpec, ...]) -> None:
        """Read the capped collections that the sink has not; some may stay unread."""
        for spec in catalog:
            if not spec.capped or spec in self._capped_since:
                continue
            with asking():
                since = last_write(self._client)
            self._sink.begin(spec, size_bytes(self._client, spec))
            scan = Scan(self._client, spec.namespace.database, _uuid(spec))
            try:
                batches = scan.batches(None, after=since, capped=True)
                hand_over(self._sink, spec, 0, batches, Stop())
            except (PositionOverwritten, CatalogChanged):
                continue
            self._sink.end(spec)
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
        with asking():
            return not is_written(self._client, spec, after=since, until=until)


class _Unread:
    """The parts of a collection that are still to be read."""

    def __init__(self, spec: CollectionSpec, parts: int, sink: Sink) -> None:
        self.spec = spec
        self._parts = parts
        self._sink = sink
        self._guard = Lock()

    def end_part(self) -> None:
        """One more was read. May be called by several threads."""
        with self._guard:
            self._parts -= 1
            is_last = not self._parts
        if is_last:
            self._sink.end(self.spec)


def _is_read_at_a_time(spec: CollectionSpec) -> bool:
    return spec.kind is not CollectionKind.VIEW and not spec.capped


def _uuid(spec: CollectionSpec) -> bytes:
    assert spec.uuid is not None  # only views have none
    return spec.uuid


def _difference(before: tuple[CollectionSpec, ...], after: tuple[CollectionSpec, ...]) -> str:
    changed = sorted({str(spec.namespace) for spec in set(before) ^ set(after)})
    return f"Collections or indexes kept changing while the snapshot was taken: {changed[0]}."
