"""Reading a whole deployment as of one cluster time.

The story: read the catalogue; read the capped collections, which refuse to be read at a time; take
the newest write's time; make sure that the catalogue is still the same and that no capped
collection was written to since its reading began, else do those again; then read all others as of
that time, several at once and big ones in several ranges.

A server keeps its history for some minutes only. Where the reading takes longer it goes on without
a time, from where it was, while the oplog tells which documents are written to. In the end a new
time is chosen, as before, and those documents are read as of that one and put in their places.
"""

import threading
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from pymongo.errors import OperationFailure

from telamon.errors import CatalogChanged, SnapshotFailed
from telamon.model.manifest import ClusterTime, CollectionKind, CollectionSpec
from telamon.mongo.catalog import read_catalog
from telamon.mongo.connect import Client
from telamon.mongo.follow import Follower
from telamon.mongo.lookup import find_by_id
from telamon.mongo.oplog import is_written, last_write
from telamon.mongo.parallel import Stop, run_all
from telamon.mongo.ranges import SPLIT_BYTES, size_bytes, split
from telamon.mongo.read import WHOLE, Range, Scan
from telamon.mongo.reading import (
    GONE,
    SNAPSHOT_TOO_OLD,
    PositionOverwritten,
    Sink,
    asking,
    hand_over,
)
from telamon.mongo.touched import Touched

_CAPPED_ROUNDS = 5
_CATALOG_ROUNDS = 10
_SETTLE_ROUNDS = 10
_IDS_AT_ONCE = 1000
_IDS_AT_ONCE_BYTES = 1024 * 1024


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
) -> SnapshotFacts:
    """Hand every document of the deployment to ``sink``, all as of one cluster time.

    ``sink`` is called once for each collection and time series (not for views), with batches of
    whole documents in natural order, which it must take to their end; up to ``parallel`` calls run
    at once, each in a thread of its own. Where the deployment changes under the snapshot, ``sink``
    is called again for the same collection: the latest call that returned counts, and of those only
    the ones whose spec is among the facts' ``collections``.

    Collections of ``split_bytes`` or more are read in several ranges. Raises CatalogChanged when
    collections or indexes changed in each of the ``attempts``; SnapshotFailed when the server's
    oplog is too short, a capped collection never rests, or something cannot be read; DeploymentUnavailable when the server stops answering. What ``sink``
    raises comes out as it is. Then all other calls of ``sink`` have ended too.
    """
    snapshot = _Snapshot(client, sink, parallel, split_bytes)
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

    def __init__(self, client: Client, sink: Sink, parallel: int, split_bytes: int) -> None:
        self._client = client
        self._sink = sink
        self._parallel = parallel
        self._split_bytes = split_bytes
        # When the reading of each capped collection began, for those that the sink has.
        self._capped_since: dict[CollectionSpec, ClusterTime] = {}

    def take(self) -> SnapshotFacts:
        """One attempt. Raises CatalogChanged if another one may succeed."""
        if self._is_standalone():
            return self._take_standalone()
        time, catalog = self._choose_time()
        with _CatchUp(self._client, time) as catch_up:
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
                scan = Scan(self._client, spec.namespace.database, _uuid(spec))
                batches = scan.batches(None, capped=spec.capped)
                tasks.append(partial(hand_over, self._sink, spec, 0, batches, stop))
        run_all(tasks, parallel=self._parallel, stop=stop)
        after = self._catalog()
        if after != catalog:
            raise CatalogChanged(_difference(catalog, after))
        return SnapshotFacts(cluster_time=None, collections=catalog)

    def _read_all(
        self, specs: Iterable[CollectionSpec], time: ClusterTime, catch_up: "_CatchUp"
    ) -> None:
        """Hand the documents of all collections but capped ones to the sink, the biggest first."""
        stop = Stop()
        sized = [
            (size_bytes(self._client, spec), spec) for spec in specs if _is_read_at_a_time(spec)
        ]
        tasks = []
        for size, spec in sorted(sized, key=lambda pair: pair[0], reverse=True):
            self._sink.begin(spec, size)
            for number, part in enumerate(self._parts(spec, size, time, catch_up)):
                scan = Scan(self._client, spec.namespace.database, _uuid(spec), part)
                batches = catch_up.batches(scan)
                tasks.append(partial(hand_over, self._sink, spec, number, batches, stop))
        run_all(tasks, parallel=self._parallel, stop=stop)

    def _parts(
        self, spec: CollectionSpec, size: int, time: ClusterTime, catch_up: "_CatchUp"
    ) -> list[Range]:
        if size < self._split_bytes or catch_up.is_needed:
            return [WHOLE]
        try:
            return split(self._client, spec, time, self._parallel)
        except OperationFailure:
            return [WHOLE]  # what is wrong, its reading will tell

    def _settle(
        self, catalog: tuple[CollectionSpec, ...], catch_up: "_CatchUp"
    ) -> tuple[ClusterTime, tuple[CollectionSpec, ...]]:
        """Bring what was read at different times to one; answers it, and what existed at it."""
        read = {spec.uuid for spec in catalog}
        for _ in range(_SETTLE_ROUNDS):
            time, catalog = self._choose_time()
            new = [spec for spec in catalog if spec.uuid not in read and _is_read_at_a_time(spec)]
            if new:
                self._read_all(new, time, catch_up)
                read.update(spec.uuid for spec in new)
            elif catch_up.read_touched(catalog, time):
                for spec in catch_up.touched_in(catalog):
                    self._sink.change(spec, partial(catch_up.touched.change, _uuid(spec)))
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


class _CatchUp:
    """What is needed once reading takes longer than the server keeps history. A context manager."""

    def __init__(self, client: Client, since: ClusterTime) -> None:
        self._client = client
        self._since = since
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._follower: Follower | None = None
        self.touched: Touched

    def __enter__(self) -> "_CatchUp":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def is_needed(self) -> bool:
        """Whether anything was read without a time."""
        return self._follower is not None

    def batches(self, scan: Scan) -> Generator[bytes, None, None]:
        """The documents of a range as of the time, and from where that fails as they are now."""
        if self._follower is None:
            try:
                yield from scan.batches(self._since)
            except OperationFailure as error:
                if error.code != SNAPSHOT_TOO_OLD:
                    raise
            else:
                return
        follower = self._follow()
        try:
            for batch in scan.batches(None, after=self._since):
                follower.check()
                yield batch
        except OperationFailure as error:
            if error.code not in GONE:  # what was dropped, the catalogue will not have
                raise

    def read_touched(self, catalog: tuple[CollectionSpec, ...], time: ClusterTime) -> bool:
        """Note what became of every touched document as of ``time``.

        False if the time is too old already.
        """
        self._follow().wait(time)
        self.touched.forget_documents()
        try:
            with asking():
                for spec in self.touched_in(catalog):
                    self._read_touched(spec, time)
        except SnapshotFailed as error:
            cause = error.__cause__
            if isinstance(cause, OperationFailure) and cause.code == SNAPSHOT_TOO_OLD:
                return False
            raise
        return True

    def touched_in(self, catalog: tuple[CollectionSpec, ...]) -> list[CollectionSpec]:
        """The collections of which documents were touched."""
        uuids = self.touched.uuids()
        return [spec for spec in catalog if spec.uuid in uuids and _is_read_at_a_time(spec)]

    def _read_touched(self, spec: CollectionSpec, time: ClusterTime) -> None:
        uuid = _uuid(spec)
        for ids in self.touched.ids(uuid, _IDS_AT_ONCE_BYTES, _IDS_AT_ONCE):
            found = find_by_id(self._client, spec.namespace.database, uuid, ids, time)
            self.touched.set_documents(uuid, found)

    def _follow(self) -> Follower:
        with self._lock:
            if self._follower is None:
                self.touched = self._stack.enter_context(Touched())
                follower = Follower(self._client, self._since, self.touched)
                self._follower = self._stack.enter_context(follower)
            return self._follower


def _is_read_at_a_time(spec: CollectionSpec) -> bool:
    return spec.kind is not CollectionKind.VIEW and not spec.capped


def _uuid(spec: CollectionSpec) -> bytes:
    assert spec.uuid is not None  # only views have none
    return spec.uuid


def _difference(before: tuple[CollectionSpec, ...], after: tuple[CollectionSpec, ...]) -> str:
    changed = sorted({str(spec.namespace) for spec in set(before) ^ set(after)})
    return f"Collections or indexes kept changing while the snapshot was taken: {changed[0]}."
