"""Many ended jobs at once: rows as the engine and the handlers leave them, made by SQL."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.state.database import Database
from telamon.state.tables import instance as instance_table
from telamon.state.tables import restore_job as job_table

_NUMBERS = (
    "WITH RECURSIVE number(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM number "
    "WHERE n < {last}) "
)


def add_records(db: Database, ended_at: datetime, *, first: int = 1, last: int) -> None:
    """The engine's records of jobs that ended one second after the other, the last at ``ended_at``.

    Each has an input, an output and a step, as every job of ours.
    """
    milliseconds = int(ended_at.timestamp() * 1000)
    columns = {
        "workflow_status": (
            "workflow_uuid, status, name, queue_name, created_at, updated_at, completed_at, "
            "queue_partition_key, priority",
            "'take_snapshot:' || n, 'SUCCESS', 'take_snapshot', 'telamon', {at} - 5000, {at}, {at}, "
            "'lock' || (n - n / 50 * 50), 1",
        ),
        "workflow_input": ("workflow_uuid, inputs", "'take_snapshot:' || n, 'x'"),
        "workflow_output": ("workflow_uuid, output", "'take_snapshot:' || n, 'x'"),
        "operation_outputs": (
            "workflow_uuid, function_id, function_name",
            "'take_snapshot:' || n, 1, 'take'",
        ),
    }
    at = f"{milliseconds} - ({last} - n) * 1000"
    numbers = _NUMBERS.format(first=first, last=last)

    def work(tx: Connection) -> None:
        schema = "dbos." if tx.dialect.name == "postgresql" else ""
        for table, (names, values) in columns.items():
            selected = values.format(at=f"({at})")
            tx.exec_driver_sql(
                f"INSERT INTO {schema}{table} ({names}) {numbers} SELECT {selected} FROM number"
            )

    db.transact(work)


def count(db: Database, table: str) -> int:
    def work(tx: Connection) -> int:
        schema = "dbos" if tx.dialect.name == "postgresql" and table != "restore_job" else None
        rows = sa.select(sa.func.count()).select_from(sa.table(table, schema=schema))
        return int(tx.execute(rows).scalar_one())

    return db.look(work)


def add_restore_jobs(db: Database, template_id: str, *, last: int) -> None:
    """The instance's second and further restore jobs, as its first, which has that id."""
    own = {"id", "sequence", "snapshot_id"}
    kept = [column.name for column in job_table.c if column.name not in own]
    names = ", ".join(kept)

    def work(tx: Connection) -> None:
        template = job_table.c.id == template_id
        instance_id = tx.execute(sa.select(job_table.c.instance_id).where(template)).scalar_one()
        padded = "substr('000000000000000000000000' || n, -24)"
        if tx.dialect.name == "postgresql":
            padded = "lpad(n::text, 24, '0')"
        numbers = _NUMBERS.format(first=2, last=last)
        tx.exec_driver_sql(
            f"INSERT INTO restore_job (id, sequence, snapshot_id, {names}) {numbers} "
            f"SELECT {padded}, n, {padded}, {names} FROM number, restore_job "
            f"WHERE restore_job.id = '{template_id}'"
        )
        tx.execute(
            instance_table.update()
            .where(instance_table.c.id == instance_id)
            .values(last_restore_job=last)
        )

    db.transact(work)
