"""Schedules of dedicated clusters: kept, shown, changed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import BackupConfigNotFound
from telamon.ids import IdFactory
from telamon.model.access import (
    PROJECT_BACKUP_MANAGERS,
    PROJECT_READERS,
    ApiKey,
    Role,
)
from telamon.model.due import latest_end, next_run
from telamon.model.instance import Instance, InstanceKind
from telamon.model.retention import Retention
from telamon.model.schedule import BackupSchedule, Frequency, PolicyItem, first_schedule
from telamon.operations.kinds import find_of_kind
from telamon.state import backup_schedules as rows
from telamon.state import snapshots
from telamon.state.database import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedItem:
    """A rule that a caller wants. ``id`` is that of a rule that it changes."""

    id: str | None
    frequency: Frequency
    interval: int
    retention: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleChanges:
    """What a caller wants to be otherwise; None leaves it as it is. Items replace all there are."""

    items: tuple[WantedItem, ...] | None = None
    reference_hour: int | None = None
    reference_minute: int | None = None
    restore_window_days: int | None = None
    names_in_export_prefix: bool | None = None
    applies_to_snapshots: bool = False
    """Whether snapshots that the rules have asked for are kept as the rules now say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleSchedule:
    cluster: Instance
    schedule: BackupSchedule


class BackupSchedules:
    """What callers can do with schedules. All raise BackupConfigNotFound where there is none."""

    def __init__(self, db: Database, *, clock: Clock, new_id: IdFactory, are_kept: bool) -> None:
        """``are_kept`` is whether anybody takes the snapshots that are due."""
        self._are_kept = are_kept
        self._db = db
        self._clock = clock
        self._new_id = new_id

    def next_run(self, schedule: BackupSchedule) -> datetime | None:
        """When the next snapshot is due; None where none is going to be taken."""
        return next_run(schedule, self._clock()) if self._are_kept else None

    async def require(self, caller: ApiKey, group_id: str, name: str) -> None:
        """For a caller who wants to change one and whose request has yet to be read."""
        await self._db.read(
            lambda tx: self._find(tx, caller, group_id, name, PROJECT_BACKUP_MANAGERS)
        )

    async def get(self, caller: ApiKey, group_id: str, name: str) -> VisibleSchedule:
        return await self._db.read(
            lambda tx: self._find(tx, caller, group_id, name, PROJECT_READERS)
        )

    async def update(
        self, caller: ApiKey, group_id: str, name: str, changes: ScheduleChanges
    ) -> VisibleSchedule:
        def work(tx: Connection) -> VisibleSchedule:
            found = self._find(tx, caller, group_id, name, PROJECT_BACKUP_MANAGERS)
            changed = self._changed(found.schedule, changes)
            if changes.applies_to_snapshots:
                _keep_by_rules(tx, changed)
            return self._put(tx, found, changed)

        return await self._db.run(work)

    async def clear(self, caller: ApiKey, group_id: str, name: str) -> VisibleSchedule:
        """Take every rule away; what remains of the schedule asks for nothing."""

        def work(tx: Connection) -> VisibleSchedule:
            found = self._find(tx, caller, group_id, name, PROJECT_BACKUP_MANAGERS)
            return self._put(tx, found, self._changed(found.schedule, ScheduleChanges(items=())))

        return await self._db.run(work)

    @staticmethod
    def _find(
        tx: Connection, caller: ApiKey, group_id: str, name: str, roles: frozenset[Role]
    ) -> VisibleSchedule:
        cluster = find_of_kind(tx, caller, group_id, name, InstanceKind.DEDICATED, roles=roles)
        schedule = rows.find(tx, cluster.id)
        if schedule is None:
            raise BackupConfigNotFound(cluster.id, group_id)
        return VisibleSchedule(cluster=cluster, schedule=schedule)

    @staticmethod
    def _put(tx: Connection, found: VisibleSchedule, schedule: BackupSchedule) -> VisibleSchedule:
        rows.put(tx, schedule)
        return replace(found, schedule=schedule)

    def _changed(self, present: BackupSchedule, changes: ScheduleChanges) -> BackupSchedule:
        now = self._clock()
        items = present.items
        if changes.items is not None:
            items = self._items(present, changes.items)
        changed = replace(
            present,
            items=items,
            reference_hour=_or(changes.reference_hour, present.reference_hour),
            reference_minute=_or(changes.reference_minute, present.reference_minute),
            restore_window_days=_or(changes.restore_window_days, present.restore_window_days),
            names_in_export_prefix=_or(
                changes.names_in_export_prefix, present.names_in_export_prefix
            ),
        )
        return changed if _same_moments(changed, present) else replace(changed, changed_at=now)

    def _items(
        self, present: BackupSchedule, wanted: Sequence[WantedItem]
    ) -> tuple[PolicyItem, ...]:
        """One that names a rule of the schedule keeps its id; any other gets one of its own."""
        free = {item.id for item in present.items}
        items = []
        for each in wanted:
            if each.id is not None and each.id in free:
                item_id = each.id
                free.remove(item_id)
            else:
                item_id = self._new_id(self._clock())
            items.append(
                PolicyItem(
                    id=item_id,
                    frequency=each.frequency,
                    interval=each.interval,
                    retention=each.retention,
                )
            )
        return tuple(items)


def _or(wanted: T | None, present: T) -> T:
    return present if wanted is None else wanted


def _same_moments(one: BackupSchedule, other: BackupSchedule) -> bool:
    """Whether both ask for snapshots at the same times."""
    first, second = (
        (
            schedule.reference_hour,
            schedule.reference_minute,
            sorted((item.frequency.value, item.interval) for item in schedule.items),
        )
        for schedule in (one, other)
    )
    return first == second


def _keep_by_rules(tx: Connection, schedule: BackupSchedule) -> None:
    """Snapshots of rules that are gone are kept as they were to be."""
    for snapshot in snapshots.visible(tx, schedule.instance_id):
        items = [item for item in schedule.items if item.id in snapshot.policy_item_ids]
        if items:
            start = snapshot.taken_at or snapshot.requested_at
            snapshots.set_expiry(tx, snapshot.id, latest_end(items, start))


def begin_schedule(tx: Connection, instance_id: str, *, policy_id: str, at: datetime) -> None:
    """Every dedicated cluster has a schedule, at first without rules; one that is there stays."""
    if rows.find(tx, instance_id) is None:
        rows.put(
            tx, first_schedule(instance_id, InstanceKind.DEDICATED, policy_id=policy_id, since=at)
        )
