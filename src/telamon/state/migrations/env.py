"""What alembic runs: migrations over the connection that Database.migrate hands in."""

from alembic import context

from telamon.state.database import VERSION_TABLE
from telamon.state.repository_tables import repository_job
from telamon.state.tables import metadata

assert repository_job.metadata is metadata  # every module of tables is known here

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
