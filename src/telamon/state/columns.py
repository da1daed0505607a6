"""What the tables of the schema are made of."""

import sqlalchemy as sa

metadata = sa.MetaData()

ID = sa.String(24)
# Compared and ordered byte by byte, also where the database's own order is that of a language.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(
        name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )


def of_collection() -> tuple[sa.Column[object], ...]:
    """What a row has of a collection, besides the snapshot or restore that it belongs to."""
    return (
        sa.Column("database", TEXT, primary_key=True),
        sa.Column("name", TEXT, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("documents", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
    )
