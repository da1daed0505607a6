"""Rows of service accounts' secrets, of the tokens bought with them, and of who asks for tokens."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from telamon.model.service_account import Secret
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import access_token, service_account_secret, token_request


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A secret as the database has it: with its hash."""

    secret: Secret
    secret_hash: bytes = field(repr=False)


def insert_secret(tx: Connection, account_id: str, new: Secret, *, secret_hash: bytes) -> None:
    tx.execute(
        service_account_secret.insert().values(
            id=new.id,
            service_account_id=account_id,
            secret_hash=secret_hash,
            tail=new.tail,
            created_at=to_seconds(new.created_at),
            expires_at=to_seconds(new.expires_at),
        )
    )


def secrets(tx: Connection, account_id: str) -> tuple[StoredSecret, ...]:
    """Those of a service account, oldest first, expired ones too."""
    rows = tx.execute(
        sa.select(service_account_secret)
        .where(service_account_secret.c.service_account_id == account_id)
        .order_by(service_account_secret.c.created_at, service_account_secret.c.id)
    )
    return tuple(StoredSecret(secret=_secret(row), secret_hash=row.secret_hash) for row in rows)


def secrets_of_several(
    tx: Connection, account_ids: Sequence[str]
) -> Mapping[str, tuple[Secret, ...]]:
    """As ``secrets``, of each account; one without is missing."""
    found: defaultdict[str, list[Secret]] = defaultdict(list)
    for row in tx.execute(
        sa.select(service_account_secret)
        .where(service_account_secret.c.service_account_id.in_(account_ids))
        .order_by(service_account_secret.c.created_at, service_account_secret.c.id)
    ):
        found[row.service_account_id].append(_secret(row))
    return {account_id: tuple(several) for account_id, several in found.items()}


def set_secret_used(tx: Connection, secret_id: str, at: datetime) -> None:
    tx.execute(
        service_account_secret.update()
        .where(service_account_secret.c.id == secret_id)
        .values(last_used_at=to_seconds(at))
    )


def delete_secret(tx: Connection, account_id: str, secret_id: str) -> bool:
    """With every token bought with it. False if the account has no such secret."""
    owned = sa.select(service_account_secret.c.id).where(
        service_account_secret.c.service_account_id == account_id,
        service_account_secret.c.id == secret_id,
    )
    tx.execute(access_token.delete().where(access_token.c.secret_id.in_(owned)))
    deleted = tx.execute(
        service_account_secret.delete()
        .where(service_account_secret.c.id.in_(owned))
        .returning(service_account_secret.c.id)
    )
    return deleted.first() is not None


def insert_token(
    tx: Connection, token_hash: bytes, *, secret_id: str, now: datetime, expires_at: datetime
) -> None:
    """Expired ones, of anybody, are swept on the way."""
    tx.execute(access_token.delete().where(access_token.c.expires_at <= to_seconds(now)))
    tx.execute(
        access_token.insert().values(
            token_hash=token_hash, secret_id=secret_id, expires_at=to_seconds(expires_at)
        )
    )


def find_token(tx: Connection, token_hash: bytes, *, now: datetime) -> str | None:
    """The id of the service account whose token it is; None for an expired or unknown one."""
    found = tx.execute(
        sa.select(service_account_secret.c.service_account_id)
        .join(access_token, access_token.c.secret_id == service_account_secret.c.id)
        .where(access_token.c.token_hash == token_hash, access_token.c.expires_at > to_seconds(now))
    ).first()
    return None if found is None else str(found.service_account_id)


def delete_token(tx: Connection, token_hash: bytes, *, account_id: str) -> None:
    """If it is the account's."""
    owned = sa.select(service_account_secret.c.id).where(
        service_account_secret.c.service_account_id == account_id
    )
    tx.execute(
        access_token.delete().where(
            access_token.c.token_hash == token_hash, access_token.c.secret_id.in_(owned)
        )
    )


def count_request(tx: Connection, address: str, *, now: datetime, span: timedelta) -> int:
    """One more request from an address; how many that makes since its ``span`` began.

    The span of an address begins with its first request after the one before. Old ones, of
    anybody, are swept on the way.
    """
    begins_after = to_seconds(now - span)
    tx.execute(token_request.delete().where(token_request.c.started_at <= begins_after))
    known = tx.execute(
        token_request.update()
        .where(token_request.c.address == address)
        .values(requests=token_request.c.requests + 1)
        .returning(token_request.c.requests)
    ).scalar()
    if known is not None:
        return int(known)
    tx.execute(
        token_request.insert().values(address=address, started_at=to_seconds(now), requests=1)
    )
    return 1


def requests(tx: Connection, address: str, *, now: datetime, span: timedelta) -> tuple[int, int]:
    """How many came from an address in its present span, and in how many seconds that ends."""
    row = tx.execute(
        sa.select(token_request).where(
            token_request.c.address == address,
            token_request.c.started_at > to_seconds(now - span),
        )
    ).first()
    if row is None:
        return 0, 0
    return row.requests, row.started_at - to_seconds(now - span)


def _secret(row: "Row[Any]") -> Secret:
    return Secret(
        id=row.id,
        tail=row.tail,
        created_at=from_seconds(row.created_at),
        expires_at=from_seconds(row.expires_at),
        last_used_at=from_seconds(row.last_used_at),
    )
