"""Runs of schedules, what ended jobs and packs are counted in, and indexes for both"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.String(24)


def upgrade() -> None:
    # Not in batches, which would make the tables anew, and others refer to them.
    op.add_column("snapshot", sa.Column("started_at", sa.BigInteger()))
    op.add_column("snapshot", sa.Column("frequency", sa.Text()))
    op.add_column("snapshot", sa.Column("policy_items", sa.JSON()))
    op.drop_index("snapshot_deletion", "snapshot")
    op.create_index(
        "snapshot_deletion",
        "snapshot",
        ["deletion_id"],
        unique=True,
        sqlite_where=sa.text("deletion_id IS NOT NULL"),
        postgresql_where=sa.text("deletion_id IS NOT NULL"),
    )
    op.create_index(
        "snapshot_unfinished",
        "snapshot",
        ["instance_id"],
        sqlite_where=sa.text("finished_at IS NULL"),
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.create_index("snapshot_expiry", "snapshot", ["instance_id", "expires_at"])
    op.add_column(
        "backup_schedule",
        sa.Column("changed_at", sa.BigInteger(), nullable=False, server_default="0"),
    )
    op.create_table(
        "schedule_run",
        sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
        sa.Column("due_at", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.Column("snapshot_id", _ID),
        sa.Column("skipped", sa.Text()),
    )
    op.create_index("schedule_run_age", "schedule_run", ["due_at"])
    op.create_table(
        "ended_jobs",
        sa.Column("kind", sa.Text(), primary_key=True),
        sa.Column("outcome", sa.Text(), primary_key=True),
        sa.Column("jobs", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "repository_size",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("measured_at", sa.BigInteger(), nullable=False),
        sa.Column("packs", sa.BigInteger(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.Column("snapshots", sa.BigInteger(), nullable=False),
        sa.Column("logical_bytes", sa.BigInteger(), nullable=False),
    )
