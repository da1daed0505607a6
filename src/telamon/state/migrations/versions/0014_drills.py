"""Drills and their reports"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_ID = sa.String(24)


def upgrade() -> None:
    op.create_table(
        "drill",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), nullable=False),
        sa.Column("snapshot_id", _ID, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("failure", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("report", sa.Text()),
    )
    op.create_index("drill_order", "drill", ["instance_id", "requested_at", "id"])
    op.create_index("drill_outcome", "drill", ["instance_id", "state", "finished_at"])
    op.create_index("drill_age", "drill", ["requested_at"])
    op.create_index(
        "drill_running",
        "drill",
        ["instance_id"],
        unique=True,
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
