"""What is captured of oplogs, and restores to a point in time"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"

_ID = sa.String(24)


def _time(name: str) -> tuple[sa.Column[int], sa.Column[int]]:
    return (
        sa.Column(f"{name}_seconds", sa.BigInteger(), nullable=False),
        sa.Column(f"{name}_increment", sa.BigInteger(), nullable=False),
    )


def upgrade() -> None:
    # Not in batches, which would make the table anew, and others refer to it.
    op.add_column("restore_job", sa.Column("point_seconds", sa.BigInteger()))
    op.add_column("restore_job", sa.Column("point_increment", sa.BigInteger()))
    op.create_table(
        "oplog_capture",
        sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
        sa.Column("worker_id", _ID),
        sa.Column("failure", sa.Text()),
        sa.Column("failed_at", sa.BigInteger()),
    )
    op.create_table(
        "oplog_window",
        sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        *_time("start"),
        *_time("stored"),
        *_time("until"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("gap", sa.Text()),
    )
    op.create_table(
        "oplog_slice",
        sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
        sa.Column("window_number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("first_seconds", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("first_increment", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("last_seconds", sa.BigInteger(), nullable=False),
        sa.Column("last_increment", sa.BigInteger(), nullable=False),
        sa.Column("after_seconds", sa.BigInteger(), nullable=False),
        sa.Column("after_increment", sa.BigInteger(), nullable=False),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
    )
