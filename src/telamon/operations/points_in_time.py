"""Ways to a moment between two snapshots: the latest snapshot from before, and the oplog since."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from telamon.errors import IntegrityError, PointInTimeUnreachable
from telamon.model.manifest import ClusterTime
from telamon.model.oplog import OplogSlice, OplogWindow, covering
from telamon.model.snapshot import Snapshot
from telamon.repository.oplog_slice import slice_key
from telamon.repository.repository import Repository
from telamon.state import oplogs, snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From a snapshot, along ``slices``, to a moment."""

    snapshot: Snapshot
    since: ClusterTime
    slices: tuple[OplogSlice, ...]


def way_to(
    tx: Connection, instance_id: str, until: ClusterTime, *, snapshot_id: str | None = None
) -> Way:
    """From the latest snapshot that leads there, or from that one.

    Raises PointInTimeUnreachable, saying why there is none.
    """
    windows = oplogs.windows(tx, instance_id)
    earlier = [
        (one, one.cluster_time)
        for one in snapshots.consistent(tx, instance_id)
        if one.cluster_time is not None
        and one.cluster_time <= until
        and snapshot_id in (None, one.id)
    ]
    for snapshot, since in earlier:
        window = covering(windows, since, until)
        if window is not None:
            slices = _between(oplogs.slices(tx, instance_id, window.number), since, until)
            return Way(snapshot=snapshot, since=since, slices=slices)
    latest = earlier[0][1] if earlier else None
    raise PointInTimeUnreachable(str(until), _reason(windows, latest, until))


def entries(repository: Repository, way: Way) -> Iterator[bytes]:
    """What is in the slices, one after the other. Raises IntegrityError if they do not join."""
    last = None
    for one in way.slices:
        found, data = repository.read_slice(slice_key(one))
        joins = found.after <= way.since if last is None else found.after == last
        if not joins:
            raise IntegrityError(
                f"The oplog slice {slice_key(one)} does not go on where the one before it ends."
            )
        last = found.last
        yield data


def _between(
    slices: tuple[OplogSlice, ...], since: ClusterTime, until: ClusterTime
) -> tuple[OplogSlice, ...]:
    """Those that have entries of the time, and the one before: a transaction may begin there."""
    after = [one for one in slices if one.last > since and one.first <= until]
    before = [one for one in slices if one.last <= since]
    return (*before[-1:], *after)


def _reason(windows: tuple[OplogWindow, ...], since: ClusterTime | None, until: ClusterTime) -> str:
    if since is None:
        return "there is no completed snapshot from before"
    if not windows:
        return "nothing of the oplog has been captured; continuous backup has to be on"
    if until > windows[-1].until:
        return f"the oplog has been captured up to {windows[-1].until} only"
    gaps = [
        (before.until, after.start, after.gap)
        for before, after in itertools.pairwise(windows)
        if before.until <= until and after.start >= since
    ]
    if gaps:
        start, end, why = gaps[-1]
        return f"the oplog between {start} and {end} was not captured ({why})"
    return f"what is kept of the oplog begins at {windows[0].start}, after the snapshot of {since}"
