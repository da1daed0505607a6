"""The oplog read as bytes: everything since an entry that is known."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import cast

import pymongo
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from telamon.errors import OplogGap, SnapshotFailed
from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client, translated
from telamon.mongo.elements import document_bounds
from telamon.mongo.oplog import oldest_entry, to_timestamp
from telamon.mongo.oplog_entry import is_nothing, time_of

_OPLOG = "oplog.rs"
_MAJORITY = ReadConcern("majority")
_DIGEST_BYTES = 16
_HISTORY_LOST = frozenset(
    {
        72,  # InvalidOptions: the deployment's time is before that of the entry
        136,  # CappedPositionLost
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One entry of an oplog. Two histories may have one at the same time, but not the same one."""

    time: ClusterTime
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Entries one after the other, as they are in the oplog."""

    entries: bytes
    first: ClusterTime
    last: Position
    is_empty: bool
    """None of them changes anything."""


def require_answer(client: Client, *, seconds: float) -> None:
    """Raises DeploymentUnavailable where none comes in time."""
    with translated(), pymongo.timeout(seconds):
        client.admin.command("ping")


def position_at(client: Client, time: ClusterTime, *, seconds: float) -> Position | None:
    """The entry at exactly that time, None if there is none (any more).

    Raises DeploymentUnavailable, also after so many seconds, and SnapshotFailed.
    """
    return _position(client, {"ts": to_timestamp(time)}, ASCENDING, seconds)


def newest_position(client: Client, *, seconds: float) -> Position:
    """The newest entry that a majority has. Raises as ``position_at``."""
    with translated(SnapshotFailed, "The oplog cannot be read"), pymongo.timeout(seconds):
        hello = client.admin.command("hello")
    if "setName" not in hello:
        raise SnapshotFailed("The deployment is not a replica set, so it has no oplog.")
    newest = _position(client, {}, DESCENDING, seconds)
    if newest is None:
        raise SnapshotFailed("The deployment's oplog is empty.")
    return newest


def read_since(
    client: Client, since: Position, *, most_bytes: int, seconds: float
) -> Iterator[Stretch]:
    """What a majority has behind an entry, in stretches of about ``most_bytes`` at most.

    ``seconds`` are for each answer of the server. Raises OplogGap if the entry is not there any
    more, so that nobody knows what followed it; DeploymentUnavailable and SnapshotFailed.
    """
    with translated(SnapshotFailed, "The oplog cannot be read"):
        try:
            yield from _stretches(client, since, most_bytes, seconds)
        except OperationFailure as error:
            if error.code not in _HISTORY_LOST:
                raise
            raise OplogGap(
                f"The deployment has no history any more that leads on from {since.time}."
            ) from error


def _stretches(
    client: Client, since: Position, most_bytes: int, seconds: float
) -> Iterator[Stretch]:
    collected: list[bytes] = []
    size_bytes = 0
    is_first = True
    for batch in _batches(client, since.time, seconds):
        piece = batch
        if is_first:
            piece = _behind(client, since, batch, seconds)
            is_first = False
        if not piece:
            continue
        collected.append(piece)
        size_bytes += len(piece)
        if size_bytes >= most_bytes:
            yield _stretch(b"".join(collected))
            collected, size_bytes = [], 0
    if is_first:
        raise OplogGap(_lost(client, since, seconds))
    if collected:
        yield _stretch(b"".join(collected))


def _batches(client: Client, since: ClusterTime, seconds: float) -> Iterator[bytes]:
    oplog = client.local.get_collection(_OPLOG, read_concern=_MAJORITY)
    behind = {"ts": {"$gte": to_timestamp(since)}}
    with client.start_session(causal_consistency=True) as session:
        # A server that has just started may take a while until it knows again what a majority has.
        session.advance_operation_time(to_timestamp(since))
        with oplog.find_raw_batches(behind, session=session) as cursor:
            cursor.sort("$natural", ASCENDING)
            while True:
                with pymongo.timeout(seconds):
                    batch = next(cursor, None)
                if batch is None:
                    return
                yield cast("bytes", batch)


def _behind(client: Client, since: Position, batch: bytes, seconds: float) -> bytes:
    """The first batch without its first entry, which must be the one that is known."""
    first = batch[slice(*next(document_bounds(batch)))]
    if _digest(first) != since.digest:
        raise OplogGap(_lost(client, since, seconds))
    return batch[len(first) :]


def _lost(client: Client, since: Position, seconds: float) -> str:
    with pymongo.timeout(seconds):
        oldest = oldest_entry(client)
    if oldest > since.time:
        return (
            f"The deployment's oplog reaches back to {oldest} only: what was written between "
            f"{since.time} and then was overwritten before it was captured."
        )
    return (
        f"The entry of {since.time} is not in the deployment's oplog any more: its history was "
        "rolled back, or it is another deployment."
    )


def digest_of_last(entries: bytes) -> bytes:
    """Of entries one after the other: what tells the last of them, as in its ``Position``."""
    *_, (start, end) = document_bounds(entries)
    return _digest(entries[start:end])


def _stretch(entries: bytes) -> Stretch:
    bounds = list(document_bounds(entries))
    last = entries[slice(*bounds[-1])]
    return Stretch(
        entries=entries,
        first=time_of(entries[slice(*bounds[0])]),
        last=Position(time=time_of(last), digest=_digest(last)),
        is_empty=all(is_nothing(entries[start:end]) for start, end in bounds),
    )


def _position(
    client: Client, condition: dict[str, object], order: int, seconds: float
) -> Position | None:
    oplog = client.local.get_collection(_OPLOG, read_concern=_MAJORITY)
    with translated(SnapshotFailed, "The oplog cannot be read"), pymongo.timeout(seconds):
        found = oplog.find_raw_batches(condition).sort("$natural", order).limit(1)
        entry = cast("bytes", next(found, b""))
    return Position(time=time_of(entry), digest=_digest(entry)) if entry else None


def _digest(entry: bytes) -> bytes:
    return blake2b(entry, digest_size=_DIGEST_BYTES).digest()
