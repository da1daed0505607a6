"""When somebody asked for the end of a restore that runs"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    with op.batch_alter_table("restore_job") as table:
        table.add_column(sa.Column("cancel_requested_at", sa.BigInteger()))
