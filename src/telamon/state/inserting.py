"""Inserting a row that may be there already."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_once(tx: Connection, table: Table, **values: object) -> bool:
    """Answers False, and does nothing, if a row of the same key is there.

    Unlike an insert that fails, it leaves a transaction of PostgreSQL usable.
    """
    dialect = postgresql if tx.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(table).values(**values).on_conflict_do_nothing()
    return tx.execute(insert.returning(*table.primary_key)).first() is not None
