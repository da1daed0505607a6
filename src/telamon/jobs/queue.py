"""Asking for a job, in the transaction that writes the row the job is about."""

from enum import StrEnum

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions, run_dbos_database_migrations
from dbos._migration import get_migration_versions
from dbos._serialization import DefaultSerializer
from dbos._sys_db import SystemDatabase
from sqlalchemy import Connection, Engine

from telamon.errors import ConfigurationError
from telamon.jobs.engine_tables import ENGINE_SCHEMA, IN_FLIGHT, jobs_table
from telamon.state import instances, workers

QUEUE_NAME = "telamon"
MONGOD_QUEUE_NAME = f"{QUEUE_NAME}:mongod"
"""Of jobs that any worker of a fleet can do that has a mongod."""


class JobKind(StrEnum):
    """What a worker can be asked to do. The values are stored with queued jobs."""

    CREATE_INSTANCE = "create_instance"
    DELETE_INSTANCE = "delete_instance"
    TAKE_SNAPSHOT = "take_snapshot"
    DELETE_SNAPSHOT = "delete_snapshot"
    RESTORE = "restore"
    PREPARE_DOWNLOAD = "prepare_download"
    PRUNE = "prune"
    CHECK = "check"
    DRILL = "drill"


def queue_name(machine: str | None) -> str:
    """The queue of jobs that only a worker of that machine can do; None: that any can do."""
    return QUEUE_NAME if machine is None else f"{QUEUE_NAME}:{machine}"


def migrate(engine: Engine) -> None:
    """Make the engine's tables in the application's database, or bring them up to date."""
    url = engine.url.render_as_string(hide_password=False)
    if engine.dialect.name == "sqlite":
        run_dbos_database_migrations(url)
        return
    # The public function leaves triggers behind that tell of every change; nobody here listens.
    tables = SystemDatabase.create(
        system_database_url=url,
        engine_kwargs={},
        engine=engine,
        schema=ENGINE_SCHEMA,
        serializer=DefaultSerializer(),
        executor_id=None,
        use_listen_notify=False,
    )
    tables.run_migrations()
    tables.destroy()


def require_schema(engine: Engine) -> None:
    """Raises ConfigurationError unless ``migrate`` was called; for PostgreSQL only."""
    found, wanted = get_migration_versions(engine, ENGINE_SCHEMA, use_listen_notify=False)
    if found < wanted:
        raise ConfigurationError(
            f"The database has schema {found} of the job engine, and this Telamon needs {wanted}: "
            "run telamon db upgrade."
        )


class JobQueue:
    """The asking side. Holds no connection of its own."""

    def __init__(self, engine: Engine) -> None:
        self._client = DBOSClient(system_database_engine=engine, lazy=True)

    def enqueue(
        self,
        tx: Connection,
        kind: JobKind,
        subject_id: str,
        *,
        lock: str,
        needs_mongod: bool = False,
    ) -> None:
        """Ask for a job on ``subject_id``; it exists if and only if ``tx`` commits.

        Jobs of one ``lock`` run one at a time in the order they were asked for; where it is the id
        of an instance that is on one machine alone, they run there. One that ``needs_mongod`` is
        for those workers of a fleet that have one; if none does, for any, which must say so. Asking
        again for the same kind and subject changes nothing.
        """
        queue = queue_name(instances.machine(tx, lock))
        if needs_mongod and _is_there_a_mongod(tx):
            queue = MONGOD_QUEUE_NAME
        options: EnqueueOptions = {
            "queue_name": queue,
            "workflow_name": kind.value,
            "workflow_id": f"{kind.value}:{subject_id}",
            "queue_partition_key": lock,
            # By itself the engine orders jobs by the second on SQLite, then by their ids.
            "priority": _last_place(tx, queue, lock) + 1,
        }
        self._client.enqueue_in_transaction(tx, options, subject_id)

    def close(self) -> None:
        """Forget the client; the engine belongs to the caller."""
        self._client.destroy()


def _is_there_a_mongod(tx: Connection) -> bool:
    """On a fleet; without one there is but one worker, for whatever there is to do."""
    is_fleet = tx.dialect.name == "postgresql"
    return is_fleet and any(worker.has_mongod for worker in workers.living(tx))


def _last_place(tx: Connection, queue: str, lock: str) -> int:
    """Of the lock's jobs that have not ended; 0 where there are none."""
    jobs = jobs_table(tx)
    places = sa.select(sa.func.max(jobs.c.priority)).where(
        jobs.c.queue_name == queue,
        jobs.c.queue_partition_key == lock,
        IN_FLIGHT,
    )
    return int(tx.execute(places).scalar() or 0)
