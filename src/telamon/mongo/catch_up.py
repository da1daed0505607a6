"""Going on where a server's history ends, and bringing what was read at different times to one."""

import threading
from collections.abc import Generator, Iterable
from contextlib import ExitStack
from pathlib import Path

from pymongo.errors import OperationFailure

from telamon.errors import SnapshotFailed
from telamon.model.manifest import ClusterTime, CollectionSpec
from telamon.mongo.connect import Client
from telamon.mongo.follow import Follower
from telamon.mongo.lookup import find_by_id
from telamon.mongo.read import Scan
from telamon.mongo.reading import CHANGED, GONE, SNAPSHOT_TOO_OLD, asking
from telamon.mongo.touched import Touched

_IDS_AT_ONCE = 1000
_IDS_AT_ONCE_BYTES = 1024 * 1024
# Another time may do.
_TIME_WILL_NOT_DO = CHANGED | {SNAPSHOT_TOO_OLD}


class CatchUp:
    """What is needed once reading takes longer than the server keeps history. A context manager.

    ``scratch`` is the directory for what memory does not hold; by default that for temporary files.
    """

    def __init__(self, client: Client, since: ClusterTime, scratch: Path | None) -> None:
        self._client = client
        self._since = since
        self._scratch = scratch
        self._lock = threading.Lock()
        self._stack = ExitStack()
        self._follower: Follower | None = None
        self._gone: set[bytes] = set()
        self.touched: Touched

    def __enter__(self) -> "CatchUp":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def is_needed(self) -> bool:
        """Whether anything was read without a time."""
        return self._follower is not None

    def batches(self, scan: Scan, uuid: bytes) -> Generator[bytes, None, None]:
        """The documents of a range as of the time, and from where that fails as they are now.

        May end early where the collection is ``gone``.
        """
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
            if error.code not in GONE:
                raise
            self._gone.add(uuid)

    def forget_gone(self) -> set[bytes]:
        """The collections that seemed to be gone since this was last asked.

        One that was dropped will not be in the next catalogue; any other is to be read anew.
        """
        gone, self._gone = self._gone, set()
        return gone

    def read_touched(self, specs: Iterable[CollectionSpec], time: ClusterTime) -> bool:
        """Note what became of every touched document of the collections as of ``time``.

        False if the time will not do: it is too old already, or a collection was dropped since. Then
        what was found stays known, and for the next time only the others are asked for, and those
        written to since.
        """
        self._follow().wait(time)
        touched = self.touched.uuids()
        try:
            with asking():
                for spec in specs:
                    if spec.uuid in touched:
                        self._read_touched(spec, time)
        except SnapshotFailed as error:
            cause = error.__cause__
            if isinstance(cause, OperationFailure) and cause.code in _TIME_WILL_NOT_DO:
                return False
            raise
        return True

    def _read_touched(self, spec: CollectionSpec, time: ClusterTime) -> None:
        assert spec.uuid is not None  # views are not touched
        for ids in self.touched.unsettled(spec.uuid, _IDS_AT_ONCE_BYTES, _IDS_AT_ONCE):
            found = find_by_id(self._client, spec.namespace.database, spec.uuid, ids, time)
            self.touched.settle(spec.uuid, ids, found, time)

    def _follow(self) -> Follower:
        with self._lock:
            if self._follower is None:
                self.touched = self._stack.enter_context(Touched(self._scratch))
                follower = Follower(self._client, self._since, self.touched)
                self._follower = self._stack.enter_context(follower)
            return self._follower
