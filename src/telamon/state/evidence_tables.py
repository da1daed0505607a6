"""The part of the schema that is about what restores and drills have proven; see tables.py."""

import sqlalchemy as sa

from telamon.state.tables import TEXT, metadata

_IS_UNFINISHED = sa.text("finished_at IS NULL")

restore_evidence = sa.Table(
    "restore_evidence",
    metadata,
    sa.Column(
        "restore_job_id",
        sa.String(24),
        sa.ForeignKey("restore_job.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    sa.Column("database", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("documents", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("content_hash", sa.Text),
    sa.Column("indexes", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.BigInteger, nullable=False),
    sa.Column("skipped_indexes", sa.JSON, nullable=False),
)

drill = sa.Table(
    "drill",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("instance_id", sa.String(24), sa.ForeignKey("instance.id"), nullable=False),
    sa.Column("snapshot_id", sa.String(24), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("requested_at", sa.BigInteger, nullable=False),
    sa.Column("started_at", sa.BigInteger),  # the last attempt
    sa.Column("finished_at", sa.BigInteger),
    sa.Column("failure", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("report", sa.Text),  # signed, as it is handed out
    sa.Index("drill_order", "instance_id", "requested_at", "id"),
    sa.Index("drill_outcome", "instance_id", "state", "finished_at"),
    sa.Index("drill_age", "requested_at"),
    sa.Index(
        "drill_running",
        "instance_id",
        unique=True,
        sqlite_where=_IS_UNFINISHED,
        postgresql_where=_IS_UNFINISHED,
    ),
)
