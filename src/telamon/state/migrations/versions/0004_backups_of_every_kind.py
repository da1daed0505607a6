"""Schedules, what snapshots consist of, and how they are deleted"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_ID = sa.String(24)


def upgrade() -> None:
    # Not in a batch, which would make the table anew, and others refer to it.
    op.add_column(
        "instance",
        sa.Column("continuous_backup", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    with op.batch_alter_table("snapshot") as table:
        table.add_column(sa.Column("description", sa.Text(), nullable=False, server_default=""))
        table.add_column(sa.Column("collections", sa.Integer()))
        table.add_column(sa.Column("deletion_id", _ID))
        table.create_index("snapshot_deletion", ["deletion_id"], unique=True)
    with op.batch_alter_table("restore_job") as table:
        table.add_column(sa.Column("snapshot_finished_at", sa.BigInteger()))
        table.create_index("restore_job_snapshot", ["snapshot_id"])
    op.create_table(
        "snapshot_collection",
        sa.Column(
            "snapshot_id", _ID, sa.ForeignKey("snapshot.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("database", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("documents", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "backup_schedule",
        sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
        sa.Column("policy_id", _ID, nullable=False),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.Column("reference_hour", sa.Integer(), nullable=False),
        sa.Column("reference_minute", sa.Integer(), nullable=False),
        sa.Column("restore_window_days", sa.Integer(), nullable=False),
        sa.Column("names_in_export_prefix", sa.Boolean(), nullable=False),
    )
