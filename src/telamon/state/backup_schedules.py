"""Rows of the schedules of dedicated clusters."""

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.model.retention import Retention, RetentionUnit
from telamon.model.schedule import BackupSchedule, Frequency, PolicyItem
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import backup_schedule


def put(tx: Connection, schedule: BackupSchedule) -> None:
    """In place of the one that the instance has, if it has one."""
    tx.execute(
        backup_schedule.delete().where(backup_schedule.c.instance_id == schedule.instance_id)
    )
    tx.execute(
        backup_schedule.insert().values(
            instance_id=schedule.instance_id,
            policy_id=schedule.policy_id,
            items=[_members(item) for item in schedule.items],
            reference_hour=schedule.reference_hour,
            reference_minute=schedule.reference_minute,
            restore_window_days=schedule.restore_window_days,
            names_in_export_prefix=schedule.names_in_export_prefix,
            changed_at=to_seconds(schedule.changed_at),
        )
    )


def find(tx: Connection, instance_id: str) -> BackupSchedule | None:
    row = tx.execute(
        sa.select(backup_schedule).where(backup_schedule.c.instance_id == instance_id)
    ).first()
    return None if row is None else from_row(row)


def from_row(row: "Row[tuple[object, ...]]") -> BackupSchedule:
    """Of a row with every column of the table."""
    return BackupSchedule(
        instance_id=row.instance_id,
        policy_id=row.policy_id,
        items=tuple(_item(members) for members in row.items),
        reference_hour=row.reference_hour,
        reference_minute=row.reference_minute,
        restore_window_days=row.restore_window_days,
        names_in_export_prefix=row.names_in_export_prefix,
        changed_at=from_seconds(row.changed_at),
    )


def _members(item: PolicyItem) -> dict[str, str | int]:
    return {
        "id": item.id,
        "frequency": item.frequency.value,
        "interval": item.interval,
        "unit": item.retention.unit.value,
        "value": item.retention.value,
    }


def _item(members: dict[str, str | int]) -> PolicyItem:
    return PolicyItem(
        id=str(members["id"]),
        frequency=Frequency(str(members["frequency"])),
        interval=int(members["interval"]),
        retention=Retention(unit=RetentionUnit(str(members["unit"])), value=int(members["value"])),
    )
