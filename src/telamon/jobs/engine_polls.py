"""What the engine asks the database when there is nothing to do: one short statement a queue.

By itself it asks three long ones a poll and queue, one of them for the settings of the queue, and each
second three more for delayed jobs and deadlines, which no job here has. That is most of what an idle
worker costs. All that is replaced here belongs to the engine and is not meant for others; a test
holds it to what is used.
"""

import sqlalchemy as sa
from dbos import DBOS, Queue
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from telamon.jobs.engine_tables import ENGINE_SCHEMA, IN_FLIGHT, JobStatus


class WaitingJobs:
    """Whether a queue has a job that waits, read from the engine's index of jobs in flight."""

    def __init__(self, engine: Engine) -> None:
        schema = f"{ENGINE_SCHEMA}." if engine.dialect.name == "postgresql" else ""
        self._engine = engine
        self._query = sa.text(
            f"SELECT 1 FROM {schema}workflow_status WHERE queue_name = :name"  # noqa: S608
            f" AND status = '{JobStatus.WAITING.value}' AND {IN_FLIGHT.text} LIMIT 1"
        )

    def __call__(self, queue_name: str) -> bool:
        """Also where the database does not answer: the engine asks it then, and tells."""
        try:
            with self._engine.connect() as connection:
                return connection.execute(self._query, {"name": queue_name}).first() is not None
        except DBAPIError:
            return True


def ask_briefly(dbos: DBOS, queues: dict[str, Queue], waiting: WaitingJobs) -> None:
    """Of a launched engine, which listens to these queues and to none of its own."""

    def scopes(queue_name: str) -> list[None]:
        """Where the engine is to look for jobs of a queue: everywhere or nowhere."""
        return [None] if queue_name in queues and waiting(queue_name) else []

    database = dbos._sys_db
    database.dequeue_scopes = scopes  # type: ignore[method-assign, assignment]
    database.get_queue = lambda name: queues[name]  # type: ignore[method-assign, misc, assignment]
    dbos._background_jobs_stop_event.set()
