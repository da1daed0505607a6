"""Questions to a replica set's history of writes."""

from typing import Any

from bson.binary import Binary
from bson.timestamp import Timestamp
from pymongo import ASCENDING

from telamon.errors import SnapshotFailed
from telamon.model.manifest import ClusterTime, CollectionSpec
from telamon.mongo.connect import Client

_OPLOG = "oplog.rs"
_UUID_SUBTYPE = 4


def last_write(client: Client) -> ClusterTime:
    """The cluster time of the primary's newest write. Raises SnapshotFailed for a standalone."""
    newest = client.admin.command("hello").get("lastWrite", {}).get("opTime")
    if newest is None:
        raise SnapshotFailed("The deployment is not a replica set, so it has no cluster time.")
    return from_timestamp(newest["ts"])


def is_written(
    client: Client, spec: CollectionSpec, *, after: ClusterTime, until: ClusterTime
) -> bool:
    """Whether anything was written to a collection in ``(after, until]``.

    Also true where the oplog no longer reaches back to ``after``, so that nobody can tell.
    """
    assert spec.uuid is not None
    oldest = _first(client, {}, until)
    if oldest is None or oldest["ts"] > to_timestamp(after):
        return True
    uuid = Binary(spec.uuid, _UUID_SUBTYPE)
    inside = {"ns": str(spec.namespace)}, {"ui": uuid}
    applied = {"o.applyOps": {"$elemMatch": {"$or": inside}}}
    nested = {"o.applyOps.o.applyOps": {"$elemMatch": {"$or": inside}}}
    period = {"ts": {"$gt": to_timestamp(after), "$lte": to_timestamp(until)}}
    return _first(client, {**period, "$or": [*inside, applied, nested]}, until) is not None


def _first(client: Client, condition: dict[str, Any], until: ClusterTime) -> dict[str, Any] | None:
    """The first entry that meets the condition, asked only once all up to ``until`` are visible."""
    reply = client.local.command(
        {
            "find": _OPLOG,
            "filter": condition,
            "sort": {"$natural": ASCENDING},
            "limit": 1,
            "singleBatch": True,
            "projection": {"ts": 1},
            "readConcern": {"level": "majority", "afterClusterTime": to_timestamp(until)},
        }
    )
    entries: list[dict[str, Any]] = reply["cursor"]["firstBatch"]
    return entries[0] if entries else None


def oldest_entry(client: Client) -> ClusterTime:
    """How far back the oplog reaches. Raises PyMongo's errors."""
    oldest = client.local[_OPLOG].find({}, {"ts": 1}).sort("$natural", ASCENDING).limit(1).next()
    return from_timestamp(oldest["ts"])


def to_timestamp(time: ClusterTime) -> Timestamp:
    """As BSON has it."""
    return Timestamp(time.seconds, time.increment)


def from_timestamp(time: Timestamp) -> ClusterTime:
    """As Telamon has it."""
    return ClusterTime(seconds=time.time, increment=time.inc)
