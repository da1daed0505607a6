"""How many namespaces a snapshot or a restore has done."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for name in ("snapshot", "restore_job"):
        with op.batch_alter_table(name) as table:
            for column in ("namespaces", "namespaces_total"):
                table.add_column(
                    sa.Column(column, sa.Integer(), nullable=False, server_default="0")
                )
