"""Restore jobs without a target, and what a download needs besides"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    # Nothing refers to this table yet, so that it may be made anew.
    with op.batch_alter_table("restore_job") as table:
        table.alter_column("target_instance_id", existing_type=sa.String(24), nullable=True)
    op.create_table(
        "download",
        sa.Column(
            "restore_job_id",
            sa.String(24),
            sa.ForeignKey("restore_job.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("checksums", sa.LargeBinary(), nullable=False),
    )
