"""Prunes and checks as jobs"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_UNFINISHED = sa.text("finished_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "repository_job",
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("read_data_percent", sa.Float(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("attempts", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("failure", sa.Text()),
        sa.Column("findings", sa.BigInteger()),
        sa.Column("report", sa.JSON()),
    )
    op.create_index(
        "repository_job_unfinished",
        "repository_job",
        ["kind"],
        unique=True,
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )
    op.create_index("repository_job_due", "repository_job", ["kind", "due_at"], unique=True)
    op.create_index("repository_job_age", "repository_job", ["requested_at"])
