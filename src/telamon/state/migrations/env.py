"""What alembic runs: migrations over the connection that Database.migrate hands in."""

from alembic import context

from telamon.state import evidence_tables, repository_tables
from telamon.state.database import VERSION_TABLE
from telamon.state.tables import metadata

# Every module of tables is known here.
assert evidence_tables.metadata is repository_tables.metadata is metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
