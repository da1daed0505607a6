"""How many snapshots a run of a schedule has had"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column(
        "schedule_run", sa.Column("tries", sa.Integer(), nullable=False, server_default="1")
    )
