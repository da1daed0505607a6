"""Asking for a job, in the transaction that writes the row the job is about."""

from enum import StrEnum

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions, run_dbos_database_migrations
from sqlalchemy import Connection, Engine

QUEUE_NAME = "telamon"


class JobKind(StrEnum):
    """What a worker can be asked to do. The values are stored with queued jobs."""

    CREATE_INSTANCE = "create_instance"
    DELETE_INSTANCE = "delete_instance"
    TAKE_SNAPSHOT = "take_snapshot"
    DELETE_SNAPSHOT = "delete_snapshot"
    RESTORE = "restore"


_jobs = sa.table(
    "workflow_status",
    sa.column("queue_name", sa.Text),
    sa.column("queue_partition_key", sa.Text),
    sa.column("status", sa.Text),
    sa.column("priority", sa.Integer),
)
"""What is used here of the engine's own table, whose smallest priority runs first."""


def migrate(engine: Engine) -> None:
    """Make the engine's tables in the application's database, or bring them up to date."""
    run_dbos_database_migrations(engine.url.render_as_string(hide_password=False))


class JobQueue:
    """The asking side. Holds no connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._client = DBOSClient(system_database_engine=engine, lazy=True)

    def enqueue(self, tx: Connection, kind: JobKind, subject_id: str, *, lock: str) -> None:
        """Ask for a job on ``subject_id``; it exists if and only if ``tx`` commits.

        Jobs of one ``lock`` run one at a time in the order they were asked for. Asking again for
        the same kind and subject changes nothing.
        """
        options: EnqueueOptions = {
            "queue_name": QUEUE_NAME,
            "workflow_name": kind.value,
            "workflow_id": f"{kind.value}:{subject_id}",
            "queue_partition_key": lock,
            # By itself the engine orders jobs by the second on SQLite, then by their ids.
            "priority": _last_place(tx, lock) + 1,
        }
        self._client.enqueue_in_transaction(tx, options, subject_id)

    def close(self) -> None:
        """Forget the client; the engine belongs to the caller."""
        self._client.destroy()


def _last_place(tx: Connection, lock: str) -> int:
    """Of the lock's jobs that have not ended; 0 where there are none."""
    places = sa.select(sa.func.max(_jobs.c.priority)).where(
        _jobs.c.queue_name == QUEUE_NAME,
        _jobs.c.queue_partition_key == lock,
        _jobs.c.status.in_(["ENQUEUED", "PENDING"]),
    )
    return int(tx.execute(places).scalar() or 0)
