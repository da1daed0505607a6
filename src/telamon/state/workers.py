"""Rows of the workers that live. A worker without a row may write nothing.

A worker beats: it tells the database now and then that it is there. One that has been silent for
longer than its lease loses its row, and its jobs with it. Whether it died, stood still or was cut
off makes no difference; should it come back, it is nobody any more. What counts as long ago is
decided by the clock of the database alone.
"""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from telamon.errors import WorkerReplaced
from telamon.state.tables import worker


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingWorker:
    """A worker process, by an id that no other one ever has."""

    id: str
    machine: str
    """Of its data directory, where the instances are that it manages."""
    has_mongod: bool
    """Whether it can make instances."""
    version: str
    """That of the jobs that it knows how to go on with."""


def insert(tx: Connection, new: LivingWorker) -> None:
    now = _now(tx)
    tx.execute(
        worker.insert().values(
            id=new.id,
            machine=new.machine,
            has_mongod=new.has_mongod,
            version=new.version,
            started_at=now,
            beat_at=now,
        )
    )


def beat(tx: Connection, worker_id: str) -> None:
    """It lives. Raises WorkerReplaced if it has no row any more."""
    beaten = tx.execute(worker.update().where(worker.c.id == worker_id).values(beat_at=_now(tx)))
    if not beaten.rowcount:
        raise _replaced(worker_id)


def require(tx: Connection, worker_id: str) -> None:
    """The worker keeps its row until ``tx`` has ended. Raises WorkerReplaced if it has none.

    On PostgreSQL the lock that is taken lets beats pass, and keeps ``take_silent`` from the row.
    """
    row = (
        sa.select(worker.c.id)
        .where(worker.c.id == worker_id)
        .with_for_update(read=True, key_share=True)
    )
    if tx.execute(row).first() is None:
        raise _replaced(worker_id)


def delete(tx: Connection, worker_id: str) -> None:
    """It stops, and knows it."""
    tx.execute(worker.delete().where(worker.c.id == worker_id))


def take_silent(tx: Connection, *, lease_seconds: int) -> tuple[str, ...]:
    """Take the rows of those away that have not beaten for so long; answers their ids.

    One that is just writing is passed over; the next call finds it.
    """
    silent = (
        sa.select(worker.c.id)
        .where(worker.c.beat_at < _now(tx) - lease_seconds)
        .with_for_update(skip_locked=True)
    )
    ids = list(tx.execute(silent).scalars())
    if ids:
        tx.execute(worker.delete().where(worker.c.id.in_(ids)))
    return tuple(ids)


def take_all_but(tx: Connection, worker_id: str) -> None:
    """For a worker that is the only one by other means: those before it are dead."""
    tx.execute(worker.delete().where(worker.c.id != worker_id))


def living(tx: Connection) -> tuple[LivingWorker, ...]:
    """The oldest first."""
    rows = tx.execute(sa.select(worker).order_by(worker.c.started_at, worker.c.id))
    return tuple(
        LivingWorker(id=row.id, machine=row.machine, has_mongod=row.has_mongod, version=row.version)
        for row in rows
    )


def machines_with_mongod(tx: Connection, *, lease_seconds: int) -> set[str]:
    """Those of workers that can make instances, and have beaten within their lease."""
    rows = tx.execute(
        sa.select(worker.c.machine).where(
            worker.c.has_mongod, worker.c.beat_at >= _now(tx) - lease_seconds
        )
    )
    return {str(row.machine) for row in rows}


def _now(tx: Connection) -> ColumnElement[int]:
    """Whole epoch seconds of the database's clock, not those of when ``tx`` began."""
    if tx.dialect.name == "postgresql":
        seconds = sa.extract("epoch", sa.func.clock_timestamp())
        return sa.cast(sa.func.floor(seconds), sa.BigInteger)
    return sa.cast(sa.func.strftime("%s", "now"), sa.BigInteger)


def _replaced(worker_id: str) -> WorkerReplaced:
    return WorkerReplaced(
        f"The worker {worker_id} was silent for too long, and others have taken up its jobs."
    )
