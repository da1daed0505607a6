"""Tables of what belongs to single restore jobs; the others are in ``tables``."""

import sqlalchemy as sa

from telamon.state.columns import ID, TEXT, metadata

download = sa.Table(
    "download",
    metadata,
    sa.Column(
        "restore_job_id", ID, sa.ForeignKey("restore_job.id", ondelete="CASCADE"), primary_key=True
    ),
    # CRC-64 of the documents of each collection, in the manifest's order, 8 bytes each.
    sa.Column("checksums", sa.LargeBinary, nullable=False),
)

# What a restore of a part of a moment is of: no snapshot has just that.
restored_collection = sa.Table(
    "restored_collection",
    metadata,
    sa.Column(
        "restore_job_id", ID, sa.ForeignKey("restore_job.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("database", TEXT, primary_key=True),
    sa.Column("name", TEXT, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("documents", sa.BigInteger, nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
)

restore_evidence = sa.Table(
    "restore_evidence",
    metadata,
    sa.Column(
        "restore_job_id", ID, sa.ForeignKey("restore_job.id", ondelete="CASCADE"), primary_key=True
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
