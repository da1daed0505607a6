"""What a restore has proven of each namespace"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "restore_evidence",
        sa.Column(
            "restore_job_id",
            sa.String(24),
            sa.ForeignKey("restore_job.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column("database", text, primary_key=True),
        sa.Column("name", text, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("documents", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.Text()),
        sa.Column("indexes", sa.Integer(), nullable=False),
        sa.Column("milliseconds", sa.BigInteger(), nullable=False),
        sa.Column("skipped_indexes", sa.JSON(), nullable=False),
    )
