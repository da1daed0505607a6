"""Settings and tags, projects' access lists, service accounts and their tokens"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.String(24)


def upgrade() -> None:
    # Not in a batch, which would make these tables anew: others refer to them.
    for name, default in (("skips_default_alerts", False), ("is_closed", False)):
        op.add_column("organization", _flag(name, default=default))
    op.add_column(
        "organization", sa.Column("settings", sa.JSON(), nullable=False, server_default="{}")
    )
    for name, default in (("has_default_alerts", True), ("is_closed", False)):
        op.add_column("project", _flag(name, default=default))
    op.add_column("project", sa.Column("tags", sa.JSON(), nullable=False, server_default="[]"))
    _access_lists()
    _service_accounts()
    _tokens()


def _flag(name: str, *, default: bool) -> sa.Column[bool]:
    return sa.Column(
        name, sa.Boolean(), nullable=False, server_default=sa.true() if default else sa.false()
    )


def _access_lists() -> None:
    op.create_table(
        "network_permission",
        sa.Column("group_id", _ID, sa.ForeignKey("project.id"), primary_key=True),
        sa.Column("entry", sa.Text(), primary_key=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
    )


def _service_accounts() -> None:
    op.create_table(
        "service_account",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("org_id", _ID, sa.ForeignKey("organization.id"), nullable=False, index=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "service_account_role",
        _account_id(),
        sa.Column("role", sa.Text(), primary_key=True),
        sa.Column("group_id", sa.Text(), primary_key=True),
    )
    op.create_table(
        "service_account_access",
        _account_id(),
        sa.Column("cidr_block", sa.Text(), primary_key=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )


def _tokens() -> None:
    op.create_table(
        "service_account_secret",
        sa.Column("id", _ID, primary_key=True),
        sa.Column(
            "service_account_id",
            _ID,
            sa.ForeignKey("service_account.id"),
            nullable=False,
            index=True,
        ),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("tail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger()),
    )
    op.create_table(
        "access_token",
        sa.Column("token_hash", sa.LargeBinary(), primary_key=True),
        sa.Column(
            "secret_id", _ID, sa.ForeignKey("service_account_secret.id"), nullable=False, index=True
        ),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, index=True),
    )
    op.create_table(
        "token_request",
        sa.Column("address", sa.Text(), primary_key=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
    )


def _account_id() -> sa.Column[str]:
    return sa.Column(
        "service_account_id", _ID, sa.ForeignKey("service_account.id"), primary_key=True
    )
