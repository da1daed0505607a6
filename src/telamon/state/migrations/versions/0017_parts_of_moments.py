"""What a restore of a part of a moment is of"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "restored_collection",
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
    )
