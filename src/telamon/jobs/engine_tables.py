"""What is used here of the job engine's own tables, beside the engine.

A version of the engine that changes these columns, or what it does with them, needs a look here.
"""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy import Connection

ENGINE_SCHEMA = "dbos"
"""Where they are on PostgreSQL; SQLite has no schemas."""


class JobStatus(StrEnum):
    """The engine's words for jobs that have not ended."""

    WAITING = "ENQUEUED"
    RUNNING = "PENDING"


IN_FLIGHT = sa.text(f"status IN ('{JobStatus.WAITING.value}', '{JobStatus.RUNNING.value}')")
"""Of jobs that wait or run, in the words of their index: SQLite would not choose it for parameters."""


def jobs_table(tx: Connection) -> sa.TableClause:
    """All jobs. The smallest ``priority`` of a partition runs first.

    ``executor_id`` is the worker that runs or ran it; ``owner_xid`` changes with each run, and who
    has an older one can store neither a step nor an end. Moments are epoch milliseconds. Only workers of ``application_version``
    run it; null: only those of the version that was declared the latest.
    """
    return sa.table(
        "workflow_status",
        sa.column("workflow_uuid", sa.Text),
        sa.column("name", sa.Text),
        sa.column("queue_name", sa.Text),
        sa.column("queue_partition_key", sa.Text),
        sa.column("status", sa.Text),
        sa.column("priority", sa.Integer),
        sa.column("executor_id", sa.Text),
        sa.column("owner_xid", sa.Text),
        sa.column("application_version", sa.Text),
        sa.column("created_at", sa.BigInteger),
        sa.column("started_at_epoch_ms", sa.BigInteger),
        sa.column("completed_at", sa.BigInteger),
        schema=_schema(tx),
    )


def steps_table(tx: Connection) -> sa.TableClause:
    """What the finished steps of jobs answered."""
    return sa.table("operation_outputs", sa.column("workflow_uuid", sa.Text), schema=_schema(tx))


def versions_table(tx: Connection) -> sa.TableClause:
    """Versions that ever had a worker; that of the highest ``version_timestamp`` is the latest."""
    return sa.table(
        "application_versions",
        sa.column("version_name", sa.Text),
        sa.column("version_timestamp", sa.BigInteger),
        schema=_schema(tx),
    )


def _schema(tx: Connection) -> str | None:
    return ENGINE_SCHEMA if tx.dialect.name == "postgresql" else None
