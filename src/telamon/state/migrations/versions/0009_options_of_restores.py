"""What a restore job is asked to do otherwise than usual"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    with op.batch_alter_table("restore_job") as table:
        table.add_column(sa.Column("options", sa.JSON(), nullable=False, server_default="{}"))
