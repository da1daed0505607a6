"""Which instances a family of paths is for, and what it says to the others.

Clients that do not know what they have ask one family and go on to the next, by the code of the
error (contract sections 2.5 and 5.2).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from telamon.errors import (
    ClusterInServerlessApi,
    ClusterNotFound,
    FlexInClusterApi,
    FlexRestoreJobNotFound,
    FlexSnapshotNotFound,
    InstanceNotFound,
    NonFlexInFlexApi,
    RestoreJobNotFound,
    ServerlessInClusterApi,
    SnapshotNotFound,
    WrongKind,
)
from telamon.model.access import (
    PROJECT_BACKUP_MANAGERS,
    PROJECT_OWNERS,
    PROJECT_READERS,
    ApiKey,
    Role,
)
from telamon.model.instance import Instance, InstanceKind
from telamon.model.restore_job import RestoreJob
from telamon.model.snapshot import Snapshot
from telamon.operations.access import authorize
from telamon.state import instances, restore_jobs, snapshots

# First which kind is asked for, then which it is.
_MISMATCHES: Mapping[tuple[InstanceKind, InstanceKind], type[WrongKind]] = {
    (InstanceKind.SERVERLESS, InstanceKind.FLEX): ClusterInServerlessApi,
    (InstanceKind.SERVERLESS, InstanceKind.DEDICATED): ClusterInServerlessApi,
    (InstanceKind.FLEX, InstanceKind.SERVERLESS): NonFlexInFlexApi,
    (InstanceKind.FLEX, InstanceKind.DEDICATED): NonFlexInFlexApi,
    (InstanceKind.DEDICATED, InstanceKind.SERVERLESS): ServerlessInClusterApi,
    (InstanceKind.DEDICATED, InstanceKind.FLEX): FlexInClusterApi,
}

RESTORE_READERS: Mapping[InstanceKind | None, frozenset[Role]] = {
    None: PROJECT_OWNERS,
    InstanceKind.SERVERLESS: PROJECT_OWNERS,
    InstanceKind.FLEX: PROJECT_READERS,
    InstanceKind.DEDICATED: PROJECT_BACKUP_MANAGERS,
}
"""Who may see restore jobs, by the kind that is asked for; None is Telamon's own paths."""

RESTORE_CREATORS: Mapping[InstanceKind | None, frozenset[Role]] = {
    None: PROJECT_OWNERS,
    InstanceKind.SERVERLESS: PROJECT_OWNERS,
    InstanceKind.FLEX: PROJECT_BACKUP_MANAGERS,
    InstanceKind.DEDICATED: PROJECT_BACKUP_MANAGERS,
}
"""Who may make restore jobs, and cancel them."""


def find_of_kind(
    tx: Connection,
    caller: ApiKey,
    group_id: str,
    name: str,
    kind: InstanceKind | None,
    *,
    roles: frozenset[Role],
) -> Instance:
    """The instance, if the caller holds one of ``roles`` in its project.

    Raises what ``authorize`` and ``named`` do.
    """
    authorize(tx, caller, group_id, roles)
    return named(tx, group_id, name, kind)


def named(tx: Connection, group_id: str, name: str, kind: InstanceKind | None) -> Instance:
    """The instance of that name; None takes any kind. Raises as ``of_any_kind``; a kind of WrongKind."""
    found = of_any_kind(tx, group_id, name, kind)
    if kind is not None and found.kind is not kind:
        raise _MISMATCHES[kind, found.kind](name)
    return found


def of_any_kind(tx: Connection, group_id: str, name: str, asked: InstanceKind | None) -> Instance:
    """Raises InstanceNotFound, or ClusterNotFound where the family that is asked is of clusters."""
    try:
        return instances.by_name(tx, group_id, name)
    except InstanceNotFound as error:
        if asked in (None, InstanceKind.SERVERLESS):
            raise
        raise ClusterNotFound(name, group_id) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotPath:
    """How a path names a snapshot of a dedicated cluster."""

    group_id: str
    cluster_name: str
    snapshot_id: str


def managed_snapshot(tx: Connection, caller: ApiKey, path: SnapshotPath) -> Snapshot:
    """One that the caller may work with. Raises what ``find_of_kind`` does; SnapshotNotFound."""
    cluster = find_of_kind(
        tx,
        caller,
        path.group_id,
        path.cluster_name,
        InstanceKind.DEDICATED,
        roles=PROJECT_BACKUP_MANAGERS,
    )
    return snapshots.of_instance(tx, cluster.id, cluster.name, path.snapshot_id)


def snapshot_of(
    tx: Connection, instance: Instance, snapshot_id: str, kind: InstanceKind | None
) -> Snapshot:
    """Raises SnapshotNotFound, in the words of the family that is asked."""
    try:
        return snapshots.of_instance(tx, instance.id, instance.name, snapshot_id)
    except SnapshotNotFound as error:
        if kind is InstanceKind.FLEX:
            raise FlexSnapshotNotFound(snapshot_id, instance.name) from error
        raise


def restore_job_of(
    tx: Connection, instance: Instance, restore_job_id: str, kind: InstanceKind | None
) -> RestoreJob:
    """Raises RestoreJobNotFound, in the words of the family that is asked.

    The paths of dedicated clusters have others for restores of a part.
    """
    try:
        found = restore_jobs.of_instance(tx, instance.id, instance.name, restore_job_id)
    except RestoreJobNotFound as error:
        if kind is InstanceKind.FLEX:
            raise FlexRestoreJobNotFound(restore_job_id, instance.name) from error
        raise
    if found.is_of_part and kind is InstanceKind.DEDICATED:
        raise RestoreJobNotFound(restore_job_id, instance.name)
    return found
