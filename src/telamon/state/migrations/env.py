"""What alembic runs: migrations over the connection that Database.migrate hands in."""

from alembic import context

from telamon.state import drill_tables, oplog_tables, repository_tables
from telamon.state.database import VERSION_TABLE
from telamon.state.tables import metadata

# Each adds its tables to the metadata when it is imported.
MODULES_OF_TABLES = (drill_tables, oplog_tables, repository_tables)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
