"""Continuous backup: what is new in the oplogs of deployments goes into the repository.

A pass over one instance::

    1  claim it: of living workers one captures
    2  read what a majority has behind the last entry that is known
    3  for each stretch of it: the slice into the repository, then its row, and the window grows

Killed between a slice and its row, the next pass reads the same entries again. A worker that was
replaced meanwhile commits nothing. Where the last known entry is not there any more, a new window
begins, and says why: nothing is known of what was between.
"""

import threading
from dataclasses import replace

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from telamon.clock import Clock
from telamon.errors import OplogGap, TelamonError
from telamon.model.oplog import CaptureFailure, OplogSlice, OplogWindow
from telamon.mongo.capture import (
    Position,
    Stretch,
    newest_position,
    position_at,
    read_since,
    require_answer,
)
from telamon.mongo.connect import Client, open_client
from telamon.operations.credentials import Credentials
from telamon.repository.repository import Repository
from telamon.state import instances, oplogs, snapshots
from telamon.state.database import Database, Work

SLICE_BYTES = 8 * 1024 * 1024
_SELECTION_SECONDS = 5.0
_ANSWER_SECONDS = 20.0

_log = structlog.get_logger()


class OplogCapture:
    """Passes over instances. Any thread may pass, but only one at a time over one instance."""

    def __init__(
        self,
        db: Database,
        credentials: Credentials,
        repository: Repository,
        *,
        worker_id: str,
        machine: str | None,
        clock: Clock,
        slice_bytes: int = SLICE_BYTES,
    ) -> None:
        """``db`` refuses a worker that was replaced; ``machine`` is as for managed instances."""
        self._db = db
        self._credentials = credentials
        self._repository = repository
        self._worker_id = worker_id
        self._machine = machine
        self._clock = clock
        self._slice_bytes = slice_bytes
        self._lock = threading.Lock()
        self._clients: dict[str, tuple[str, Client]] = {}

    def wanted(self) -> tuple[str, ...]:
        """Ids of the instances to pass over. Connections to others are closed."""
        found = self._db.look(lambda tx: oplogs.to_capture(tx, self._machine))
        with self._lock:
            gone = self._clients.keys() - set(found)
            clients = [self._clients.pop(instance_id)[1] for instance_id in gone]
        for client in clients:
            client.close()
        return found

    def pass_over(self, instance_id: str) -> bool:
        """Capture what is new; False if another worker does that.

        A failure is noted, for whoever looks, and raised.
        """
        if not self._claim(instance_id):
            return False
        try:
            try:
                self._capture(instance_id)
            except OplogGap as gap:
                self._begin_anew(instance_id, gap)
        except TelamonError as error:
            failure = CaptureFailure(reason=error.message, at=self._clock())
            self._db.transact(lambda tx: oplogs.set_failure(tx, instance_id, failure))
            raise
        if self._db.look(lambda tx: oplogs.find_failure(tx, instance_id)) is not None:
            self._db.transact(lambda tx: oplogs.set_failure(tx, instance_id, None))
        return True

    def close(self) -> None:
        """Give back every connection. Call once no pass is under way."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for _, client in clients.values():
            client.close()

    def _claim(self, instance_id: str) -> bool:
        worker_id = self._worker_id
        if self._db.look(lambda tx: oplogs.is_claimed_by(tx, instance_id, worker_id)):
            return True
        try:
            return self._db.transact(lambda tx: oplogs.claim(tx, instance_id, worker_id))
        except IntegrityError:
            return False

    def _capture(self, instance_id: str) -> None:
        client = self._client(instance_id)
        require_answer(client, seconds=_SELECTION_SECONDS)
        window = self._newest_window(instance_id) or self._begin(client, instance_id, 1, None)
        since = Position(time=window.until, digest=window.digest)
        stretches = read_since(client, since, most_bytes=self._slice_bytes, seconds=_ANSWER_SECONDS)
        for stretch in stretches:
            grown = self._store(window, stretch)
            if grown is None:
                return  # another worker has done it
            window = grown

    def _store(self, window: OplogWindow, stretch: Stretch) -> OplogWindow | None:
        """The window with the stretch; None if it is not the one any more that it was."""
        grown = replace(window, until=stretch.last.time, digest=stretch.last.digest)
        if stretch.is_empty:
            work = self._growth(window, grown)
        else:
            found = OplogSlice(
                instance_id=window.instance_id,
                after=window.stored_until,
                first=stretch.first,
                last=stretch.last.time,
            )
            grown = replace(grown, stored_until=stretch.last.time)
            stored_bytes = self._repository.put_slice(found, stretch.entries)
            work = self._growth(window, grown, (found, stored_bytes))
        return grown if self._db.transact(work) else None

    def _growth(
        self, before: OplogWindow, after: OplogWindow, stored: tuple[OplogSlice, int] | None = None
    ) -> Work[bool]:
        def work(tx: Connection) -> bool:
            if not oplogs.advance(tx, before, after, self._worker_id):
                return False
            if stored is not None:
                found, stored_bytes = stored
                oplogs.insert_slice(tx, after.number, found, stored_bytes=stored_bytes)
            return True

        return work

    def _begin_anew(self, instance_id: str, gap: OplogGap) -> None:
        window = self._newest_window(instance_id)
        assert window is not None  # what is lost is its last entry
        _log.warning(
            "oplog_gap", action="capture_oplog", instance_id=instance_id, reason=gap.message
        )
        self._begin(self._client(instance_id), instance_id, window.number + 1, gap.message)

    def _begin(self, client: Client, instance_id: str, number: int, gap: str | None) -> OplogWindow:
        """A new window: from the newest snapshot on, if the oplog reaches back to it, else from now on."""
        position = self._position_of_snapshot(client, instance_id)
        if position is None:
            position = newest_position(client, seconds=_ANSWER_SECONDS)
        window = OplogWindow(
            instance_id=instance_id,
            number=number,
            start=position.time,
            stored_until=position.time,
            until=position.time,
            digest=position.digest,
            gap=gap,
        )
        self._db.transact(lambda tx: oplogs.insert_window(tx, window))
        return window

    def _position_of_snapshot(self, client: Client, instance_id: str) -> Position | None:
        found = self._db.look(lambda tx: snapshots.consistent(tx, instance_id))
        if not found or found[0].cluster_time is None:
            return None
        return position_at(client, found[0].cluster_time, seconds=_ANSWER_SECONDS)

    def _newest_window(self, instance_id: str) -> OplogWindow | None:
        found = self._db.look(lambda tx: oplogs.windows(tx, instance_id))
        return found[-1] if found else None

    def _client(self, instance_id: str) -> Client:
        """The connection of earlier passes, unless the deployment is another one by now."""
        uri = self._db.look(lambda tx: self._credentials.uri(tx, instances.by_id(tx, instance_id)))
        with self._lock:
            known = self._clients.get(instance_id)
            if known is not None and known[0] == uri:
                return known[1]
            client = open_client(uri, selection_seconds=_SELECTION_SECONDS)
            self._clients[instance_id] = (uri, client)
        if known is not None:
            known[1].close()
        return client
