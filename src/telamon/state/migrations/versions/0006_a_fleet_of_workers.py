"""Workers and where they are, and text that every database orders alike"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_ID = sa.String(24)
_ORDERED = {
    "organization": ["name"],
    "project": ["name"],
    "api_key_role": ["role", "group_id"],
    "api_key_access": ["cidr_block"],
    "network_permission": ["entry"],
    "service_account": ["name"],
    "service_account_role": ["role", "group_id"],
    "service_account_access": ["cidr_block"],
    "instance": ["name"],
    "snapshot_collection": ["database", "name"],
}


def upgrade() -> None:
    # Not in a batch, which would make the table anew, and others refer to it.
    op.add_column("instance", sa.Column("machine", _ID))
    op.create_table(
        "worker",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("machine", _ID, nullable=False),
        sa.Column("has_mongod", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "installation",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("sealed_mark", sa.LargeBinary(), nullable=False),
        sa.Column("repository_id", sa.Text()),
    )
    if op.get_bind().dialect.name == "postgresql":
        for table, columns in _ORDERED.items():
            for column in columns:
                op.alter_column(table, column, type_=sa.Text(collation="C"))
