"""Drills and their reports; other tables are in ``tables``."""

import sqlalchemy as sa

from telamon.state.columns import ID, metadata, partial_index

drill = sa.Table(
    "drill",
    metadata,
    sa.Column("id", ID, primary_key=True),
    sa.Column("instance_id", ID, sa.ForeignKey("instance.id"), nullable=False),
    sa.Column("snapshot_id", ID, nullable=False),
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
    partial_index("drill_running", "instance_id", where="finished_at IS NULL", unique=True),
)
