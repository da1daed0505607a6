"""The evidence of a drill, and its canonical bytes, which are what is signed.

Canonical JSON (RFC 8785, for what reports consist of): UTF-8, no white space, the keys of each object
sorted, numbers in their shortest form. So a reader who has only the values gets the same bytes.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from telamon.errors import ReportUnreadable

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceEvidence:
    """What was found of one collection, view or time series in the throwaway mongod.

    ``content_hash`` is of what was read back. ``difference`` says what is not as in the snapshot;
    ``remark`` what is worth knowing and no fault. ``restore_seconds`` are those in which its
    documents were read and inserted.
    """

    namespace: str
    kind: str
    documents: int
    size_bytes: int
    content_hash: str
    indexes: int
    restore_seconds: float
    verify_seconds: float
    difference: str | None
    remark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillDurations:
    """In seconds; None for a phase that did not begin."""

    start: float | None
    restore: float | None
    verify: float | None
    destroy: float | None
    total: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """Everything that is to be known of one drill. ``reason`` is None if it passed.

    ``mongod_version`` is the throwaway's. What is None was not found out.
    """

    drill_id: str
    group_id: str
    group_name: str
    instance_id: str
    instance_name: str
    snapshot_id: str
    snapshot_taken_at: datetime | None
    cluster_time: str | None
    snapshot_mongodb_version: str | None
    repository_id: str
    telamon_version: str
    mongod_version: str | None
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime
    reason: str | None
    durations: DrillDurations
    namespaces: tuple[NamespaceEvidence, ...]

    @property
    def passed(self) -> bool:
        return self.reason is None

    def fields(self) -> dict[str, object]:
        """As JSON has them. Every key is always there."""
        return {
            "clusterTime": self.cluster_time,
            "drillId": self.drill_id,
            "durations": _durations(self.durations),
            "finishedAt": _moment(self.finished_at),
            "formatVersion": FORMAT_VERSION,
            "instance": {"id": self.instance_id, "name": self.instance_name},
            "mongodVersion": self.mongod_version,
            "namespaces": [_namespace(each) for each in self.namespaces],
            "outcome": "passed" if self.passed else "failed",
            "project": {"id": self.group_id, "name": self.group_name},
            "reason": self.reason,
            "repositoryId": self.repository_id,
            "requestedAt": _moment(self.requested_at),
            "snapshotId": self.snapshot_id,
            "snapshotMongodVersion": self.snapshot_mongodb_version,
            "snapshotTakenAt": _moment(self.snapshot_taken_at),
            "startedAt": _moment(self.started_at),
            "telamonVersion": self.telamon_version,
        }


def canonical(value: object) -> bytes:
    """The bytes of what JSON consists of; keys must be ASCII. Raises ValueError for NaN and infinity."""
    text = json.dumps(
        _shortest(value),
        ensure_ascii=False,
        allow_nan=False,
        sort_keys=True,
        separators=(",", ":"),
    )
    return text.encode()


def read_json(data: bytes) -> object:
    """Raises ReportUnreadable for what is no JSON, or has a key twice: readers differ in which they take."""
    try:
        found: object = json.loads(data.decode(), object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError) as error:
        raise ReportUnreadable("It is no JSON that can be read in one way only.") from error
    return found


def _without_repetition(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name} is there twice")
        found[name] = value
    return found


def _shortest(value: object) -> object:
    if isinstance(value, dict):
        return {name: _shortest(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortest(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _durations(durations: DrillDurations) -> dict[str, float | None]:
    return {
        "destroySeconds": _rounded(durations.destroy),
        "restoreSeconds": _rounded(durations.restore),
        "startSeconds": _rounded(durations.start),
        "totalSeconds": _rounded(durations.total),
        "verifySeconds": _rounded(durations.verify),
    }


def _namespace(found: NamespaceEvidence) -> dict[str, object]:
    return {
        "bytes": found.size_bytes,
        "contentHash": found.content_hash,
        "difference": found.difference,
        "documents": found.documents,
        "indexes": found.indexes,
        "kind": found.kind,
        "namespace": found.namespace,
        "remark": found.remark,
        "restoreSeconds": _rounded(found.restore_seconds),
        "verifySeconds": _rounded(found.verify_seconds),
    }


def _rounded(seconds: float | None) -> float | None:
    """To the millisecond: nothing finer is measured, and its shortest form is the same everywhere."""
    return None if seconds is None else round(seconds, 3)


def _moment(at: datetime | None) -> str | None:
    """Of an aware datetime in UTC."""
    return None if at is None else at.isoformat().replace("+00:00", "Z")
