"""How many bytes a snapshot in progress is expected to have."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("snapshot") as table:
        table.add_column(
            sa.Column("expected_bytes", sa.BigInteger(), nullable=False, server_default="0")
        )
    op.execute("UPDATE snapshot SET expected_bytes = size_bytes")
