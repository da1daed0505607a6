"""Tables of what belongs to single restore jobs; the others are in ``tables``."""

import sqlalchemy as sa

from telamon.state.columns import ID, metadata, of_collection


def _of_restore_job() -> sa.Column[str]:
    """The row goes with its job."""
    return sa.Column(
        "restore_job_id", ID, sa.ForeignKey("restore_job.id", ondelete="CASCADE"), primary_key=True
    )


download = sa.Table(
    "download",
    metadata,
    _of_restore_job(),
    # CRC-64 of the documents of each collection, in the manifest's order, 8 bytes each.
    sa.Column("checksums", sa.LargeBinary, nullable=False),
)

# What a restore of a part of a moment is of: no snapshot has just that.
restored_collection = sa.Table(
    "restored_collection",
    metadata,
    _of_restore_job(),
    *of_collection(),
)

restore_evidence = sa.Table(
    "restore_evidence",
    metadata,
    _of_restore_job(),
    *of_collection(),
    sa.Column("content_hash", sa.Text),
    sa.Column("indexes", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.BigInteger, nullable=False),
    sa.Column("skipped_indexes", sa.JSON, nullable=False),
)
