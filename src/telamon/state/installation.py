"""What all processes that share a database must have in common: a master key, and the time."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.state.inserting import insert_once
from telamon.state.moments import from_seconds
from telamon.state.tables import installation

_NUMBER = 1


def sealed_mark(tx: Connection) -> bytes | None:
    """What the first process sealed with its master key; None before there was one."""
    found = tx.execute(sa.select(installation.c.sealed_mark)).scalar_one_or_none()
    return None if found is None else bytes(found)


def put_sealed_mark(tx: Connection, sealed: bytes) -> None:
    """Unless there is one."""
    insert_once(tx, installation, number=_NUMBER, sealed_mark=sealed)


def put_repository_id(tx: Connection, repository_id: str) -> str:
    """Note which repository the snapshots are in, unless one is noted; answers the one that is."""
    known = sa.select(installation.c.repository_id)
    found = tx.execute(known).scalar_one()
    if found is None:
        set_repository_id(tx, repository_id)
    return str(found or repository_id)


def set_repository_id(tx: Connection, repository_id: str) -> None:
    tx.execute(installation.update().values(repository_id=repository_id))


def server_time(tx: Connection) -> datetime:
    """By the clock of the PostgreSQL server, at this moment."""
    seconds = sa.extract("epoch", sa.func.clock_timestamp())
    return from_seconds(int(tx.execute(sa.select(seconds)).scalar_one()))
