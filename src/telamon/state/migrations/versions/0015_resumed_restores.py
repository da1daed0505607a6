"""How much an attempt at a restore had to go on with"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    with op.batch_alter_table("restore_job") as table:
        table.add_column(sa.Column("kept", sa.BigInteger(), nullable=False, server_default="0"))
