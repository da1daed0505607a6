"""The tables of what is captured of oplogs. Times of clusters are two columns: seconds, increment."""

import sqlalchemy as sa

from telamon.state.columns import ID as _ID
from telamon.state.columns import metadata

oplog_capture = sa.Table(
    "oplog_capture",
    metadata,
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
    # The worker that captures; its claim ends with its row.
    sa.Column("worker_id", _ID),
    sa.Column("failure", sa.Text),  # of the last pass; null if it succeeded
    sa.Column("failed_at", sa.BigInteger),
)

oplog_window = sa.Table(
    "oplog_window",
    metadata,
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),  # from 1
    sa.Column("start_seconds", sa.BigInteger, nullable=False),
    sa.Column("start_increment", sa.BigInteger, nullable=False),
    sa.Column("stored_seconds", sa.BigInteger, nullable=False),
    sa.Column("stored_increment", sa.BigInteger, nullable=False),
    sa.Column("until_seconds", sa.BigInteger, nullable=False),
    sa.Column("until_increment", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("gap", sa.Text),  # why it does not go on where the one before ended
)

oplog_slice = sa.Table(
    "oplog_slice",
    metadata,
    sa.Column("instance_id", _ID, sa.ForeignKey("instance.id"), primary_key=True),
    sa.Column("window_number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("first_seconds", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("first_increment", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("last_seconds", sa.BigInteger, nullable=False),
    sa.Column("last_increment", sa.BigInteger, nullable=False),
    sa.Column("after_seconds", sa.BigInteger, nullable=False),
    sa.Column("after_increment", sa.BigInteger, nullable=False),
    sa.Column("stored_bytes", sa.BigInteger, nullable=False),
)
