"""The part of the schema that is about the repository as a whole; see tables.py."""

import sqlalchemy as sa

from telamon.state.tables import metadata

_IS_UNFINISHED = sa.text("finished_at IS NULL")

repository_job = sa.Table(
    "repository_job",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("requested_at", sa.BigInteger, nullable=False),
    sa.Column("due_at", sa.BigInteger),  # of those that no caller asked for
    sa.Column("dry_run", sa.Boolean, nullable=False),
    sa.Column("read_data_percent", sa.Float, nullable=False),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failure", sa.Text),
    sa.Column("findings", sa.BigInteger),
    sa.Column("report", sa.JSON),
    # These keep several callers or workers from asking for one job twice.
    sa.Index(
        "repository_job_unfinished",
        "kind",
        unique=True,
        sqlite_where=_IS_UNFINISHED,
        postgresql_where=_IS_UNFINISHED,
    ),
    sa.Index("repository_job_due", "kind", "due_at", unique=True),
    sa.Index("repository_job_age", "requested_at"),
)
