"""The part of the schema that is about the repository as a whole; see tables.py."""

import sqlalchemy as sa

from telamon.state.columns import ID, metadata, partial_index

repository_job = sa.Table(
    "repository_job",
    metadata,
    sa.Column("id", ID, primary_key=True),
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
    partial_index("repository_job_unfinished", "kind", where="finished_at IS NULL", unique=True),
    sa.Index("repository_job_due", "kind", "due_at", unique=True),
    sa.Index("repository_job_age", "requested_at"),
)
