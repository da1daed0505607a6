"""What alembic runs: migrations over the connection that Database.migrate hands in."""

from alembic import context

from telamon.state.database import VERSION_TABLE
from telamon.state.drill_tables import drill
from telamon.state.repository_tables import repository_job
from telamon.state.tables import metadata

# Every module of tables is known here.
assert drill.metadata is repository_job.metadata is metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
