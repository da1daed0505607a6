"""Organizations, projects, API keys and the uses of their digest nonces."""

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection

from telamon.model.access import ApiKey, Organization, Project
from telamon.state import api_keys, organizations, projects
from telamon.state.inserting import insert_once
from telamon.state.moments import to_seconds
from telamon.state.tables import api_key, digest_use, organization, project


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key as the database has it: with its HA1, sealed."""

    key: ApiKey
    sealed_ha1: bytes = field(repr=False)


def insert_organization(tx: Connection, new: Organization) -> None:
    tx.execute(
        organization.insert().values(
            id=new.id,
            name=new.name,
            created_at=to_seconds(new.created_at),
            requires_access_list=new.requires_access_list,
            skips_default_alerts=new.skips_default_alerts,
        )
    )


def first_organization(tx: Connection) -> Organization | None:
    """The oldest one; None before the database has been initialized."""
    row = tx.execute(
        sa.select(organization)
        .where(~organization.c.is_closed)
        .order_by(organization.c.created_at, organization.c.id)
        .limit(1)
    ).first()
    return None if row is None else organizations.of_row(row)


def insert_project(tx: Connection, new: Project) -> None:
    tx.execute(
        project.insert().values(
            id=new.id,
            org_id=new.org_id,
            name=new.name,
            created_at=to_seconds(new.created_at),
            tags=[list(tag) for tag in new.tags],
            has_default_alerts=new.has_default_alerts,
        )
    )


def find_project(tx: Connection, group_id: str) -> Project | None:
    """Closed or not."""
    row = tx.execute(sa.select(project).where(project.c.id == group_id)).first()
    return None if row is None else projects.of_row(row)


def insert_api_key(
    tx: Connection, new: ApiKey, *, sealed_ha1: bytes, private_key_tail: str
) -> None:
    tx.execute(
        api_key.insert().values(
            id=new.id,
            org_id=new.org_id,
            public_key=new.public_key,
            sealed_ha1=sealed_ha1,
            private_key_tail=private_key_tail,
            description=new.description,
            created_at=to_seconds(new.created_at),
        )
    )
    api_keys.add_roles(tx, new.id, new.roles)
    api_keys.add_networks(tx, new.id, new.access_list, at=new.created_at)


def find_api_key(tx: Connection, public_key: str) -> StoredKey | None:
    """The key with its roles and access list, in two statements beside its own."""
    row = tx.execute(
        sa.select(api_key, organization.c.requires_access_list)
        .join(organization, organization.c.id == api_key.c.org_id)
        .where(api_key.c.public_key == public_key)
    ).first()
    if row is None:
        return None
    (key,) = api_keys.of_rows(tx, [row])
    return StoredKey(key=key, sealed_ha1=row.sealed_ha1)


def record_digest_use(
    tx: Connection, nonce: str, nonce_count: int, *, now: datetime, expires_at: datetime
) -> bool:
    """Mark a (nonce, nc) as used; False if it was already. Expired marks are swept on the way."""
    tx.execute(digest_use.delete().where(digest_use.c.expires_at < to_seconds(now)))
    return insert_once(
        tx, digest_use, nonce=nonce, nonce_count=nonce_count, expires_at=to_seconds(expires_at)
    )
