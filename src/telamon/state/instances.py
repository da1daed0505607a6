"""Rows of protected deployments."""

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection, Row
from sqlalchemy.exc import IntegrityError

from telamon.errors import DuplicateClusterName, InstanceNotFound
from telamon.model.instance import Instance, InstanceKind, InstanceState, Provider
from telamon.model.page import Page
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import instance


def insert(
    tx: Connection, new: Instance, *, sealed_credentials: bytes, machine: str | None = None
) -> None:
    """Raises DuplicateClusterName if the group has one of that name."""
    # A deleted instance of that name makes room even if nobody has been told of its end.
    tx.execute(
        instance.update()
        .where(
            instance.c.group_id == new.group_id,
            instance.c.name == new.name,
            instance.c.deleted_at.is_not(None),
        )
        .values(gone=True)
    )
    try:
        tx.execute(
            instance.insert().values(
                id=new.id,
                group_id=new.group_id,
                kind=new.kind.value,
                name=new.name,
                state=new.state.value,
                created_at=to_seconds(new.created_at),
                managed=new.managed,
                address=new.address,
                port=new.port,
                sealed_credentials=sealed_credentials,
                mongodb_version=new.mongodb_version,
                deployment_item_name=new.deployment_item_name,
                backing_provider_name=new.provider.backing_provider_name,
                region_name=new.provider.region_name,
                tags=[list(tag) for tag in new.tags],
                termination_protection=new.termination_protection,
                continuous_backup=new.continuous_backup,
                machine=machine,
            )
        )
    except IntegrityError as error:
        raise DuplicateClusterName(
            "cluster or serverless instance", new.name, new.group_id
        ) from error


def by_name(tx: Connection, group_id: str, name: str) -> Instance:
    """The visible instance of that name. Raises InstanceNotFound."""
    row = tx.execute(
        sa.select(instance).where(
            instance.c.group_id == group_id, instance.c.name == name, ~instance.c.gone
        )
    ).first()
    if row is None:
        raise InstanceNotFound(name, group_id)
    return _instance(row)


def by_id(tx: Connection, instance_id: str) -> Instance:
    """The instance, gone or not. Raises InstanceNotFound."""
    return _instance(_row(tx, instance_id))


def sealed_credentials(tx: Connection, instance_id: str) -> bytes:
    """What ``insert`` was given. Raises InstanceNotFound."""
    return bytes(_row(tx, instance_id).sealed_credentials)


def machine(tx: Connection, instance_id: str) -> str | None:
    """Where its mongod is, if workers of other machines cannot reach it. None for an unknown one."""
    found = sa.select(instance.c.machine).where(instance.c.id == instance_id)
    return tx.execute(found).scalar_one_or_none()


def page(
    tx: Connection, group_id: str, *, limit: int, offset: int, kind: InstanceKind | None = None
) -> Page[Instance]:
    """A part of a group's visible instances, by name; of every kind unless one is given."""
    visible = (instance.c.group_id == group_id) & ~instance.c.gone
    if kind is not None:
        visible &= instance.c.kind == kind.value
    rows = tx.execute(
        sa.select(instance).where(visible).order_by(instance.c.name).limit(limit).offset(offset)
    )
    total = tx.execute(sa.select(sa.func.count()).select_from(instance).where(visible)).scalar_one()
    return Page(items=tuple(_instance(row) for row in rows), total=total)


def managed(tx: Connection, machine: str | None = None) -> tuple[Instance, ...]:
    """Every instance whose mongod should be running on a machine; None: of a single machine."""
    rows = tx.execute(
        sa.select(instance).where(
            instance.c.managed,
            instance.c.machine.is_not_distinct_from(machine),
            instance.c.deleted_at.is_(None),
            instance.c.state.in_([InstanceState.IDLE.value, InstanceState.REPAIRING.value]),
        )
    )
    return tuple(_instance(row) for row in rows)


def emptiest(tx: Connection, machines: Collection[str]) -> str:
    """That of the machines, of which there is one at least, with the fewest managed instances."""
    counted = tx.execute(
        sa.select(instance.c.machine, sa.func.count())
        .where(instance.c.machine.in_(machines), instance.c.deleted_at.is_(None))
        .group_by(instance.c.machine)
    )
    counts = {str(row[0]): int(row[1]) for row in counted}
    return min(machines, key=lambda machine: (counts.get(machine, 0), machine))


def set_state(tx: Connection, instance_id: str, state: InstanceState) -> None:
    """Unless it is being deleted, which is final."""
    tx.execute(
        instance.update()
        .where(
            instance.c.id == instance_id,
            instance.c.state != InstanceState.DELETING.value,
        )
        .values(state=state.value)
    )


def set_running(
    tx: Connection, instance_id: str, *, address: str, port: int, mongodb_version: str
) -> None:
    """A managed mongod answers there. IDLE, unless it is being deleted."""
    tx.execute(
        instance.update()
        .where(instance.c.id == instance_id)
        .values(address=address, port=port, mongodb_version=mongodb_version)
    )
    set_state(tx, instance_id, InstanceState.IDLE)


def set_options(tx: Connection, changed: Instance) -> None:
    """Tags, termination protection and whether backup is continuous, as ``changed`` has them."""
    tx.execute(
        instance.update()
        .where(instance.c.id == changed.id)
        .values(
            tags=[list(tag) for tag in changed.tags],
            termination_protection=changed.termination_protection,
            continuous_backup=changed.continuous_backup,
        )
    )


def set_deployment(
    tx: Connection,
    instance_id: str,
    *,
    kind: InstanceKind,
    address: str,
    mongodb_version: str,
    sealed_credentials: bytes,
) -> None:
    """An instance that had none has one from now on."""
    tx.execute(
        instance.update()
        .where(instance.c.id == instance_id)
        .values(
            kind=kind.value,
            address=address,
            mongodb_version=mongodb_version,
            sealed_credentials=sealed_credentials,
        )
    )


def count_attempt(tx: Connection, instance_id: str) -> int:
    """One more try at making or deleting it; returns how many that makes."""
    return int(
        tx.execute(
            instance.update()
            .where(instance.c.id == instance_id)
            .values(attempts=instance.c.attempts + 1)
            .returning(instance.c.attempts)
        ).scalar_one()
    )


def set_deleted(tx: Connection, instance_id: str, at: datetime) -> None:
    """Nothing is left of it; it is shown as DELETING until somebody has seen that."""
    tx.execute(
        instance.update()
        .where(instance.c.id == instance_id, instance.c.deleted_at.is_(None))
        .values(state=InstanceState.DELETING.value, deleted_at=to_seconds(at))
    )


def is_deleted(tx: Connection, instance_id: str) -> bool:
    """Whether nothing is left of it, shown or not. Raises InstanceNotFound."""
    return _row(tx, instance_id).deleted_at is not None


def settle_deleted(tx: Connection, instance_ids: Sequence[str]) -> None:
    """The caller has been shown these as DELETING: those that are deleted are gone from now on."""
    tx.execute(
        instance.update()
        .where(instance.c.id.in_(instance_ids), instance.c.deleted_at.is_not(None))
        .values(gone=True)
    )


def next_restore_job(tx: Connection, instance_id: str) -> int:
    """The next number in the instance's sequence of restore jobs."""
    return int(
        tx.execute(
            instance.update()
            .where(instance.c.id == instance_id)
            .values(last_restore_job=instance.c.last_restore_job + 1)
            .returning(instance.c.last_restore_job)
        ).scalar_one()
    )


def hold(tx: Connection, instance_id: str) -> None:
    """Whoever does the same for the instance waits until this transaction ends."""
    tx.execute(instance.update().where(instance.c.id == instance_id).values(id=instance_id))


def set_first_restore_job(tx: Connection, instance_id: str, first: int) -> None:
    """Those with smaller numbers are gone."""
    tx.execute(
        instance.update().where(instance.c.id == instance_id).values(first_restore_job=first)
    )


def restore_job_bounds(tx: Connection, instance_id: str) -> tuple[int, int]:
    """The first and last number in its sequence of restore jobs; last < first when it is empty."""
    row = _row(tx, instance_id)
    return row.first_restore_job, row.last_restore_job


def _row(tx: Connection, instance_id: str) -> "Row[tuple[object, ...]]":
    row = tx.execute(sa.select(instance).where(instance.c.id == instance_id)).first()
    if row is None:
        raise InstanceNotFound(instance_id, "")
    return row


def _instance(row: "Row[tuple[object, ...]]") -> Instance:
    return Instance(
        id=row.id,
        group_id=row.group_id,
        kind=InstanceKind(row.kind),
        name=row.name,
        state=InstanceState(row.state),
        created_at=from_seconds(row.created_at),
        managed=row.managed,
        address=row.address,
        port=row.port,
        mongodb_version=row.mongodb_version,
        deployment_item_name=row.deployment_item_name,
        provider=Provider(
            backing_provider_name=row.backing_provider_name, region_name=row.region_name
        ),
        tags=tuple((key, value) for key, value in row.tags),
        termination_protection=row.termination_protection,
        continuous_backup=row.continuous_backup,
    )
