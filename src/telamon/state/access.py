"""Organizations, projects, API keys and the uses of their digest nonces."""

from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from telamon.model.access import ApiKey, Organization, Project, Role, RoleAssignment
from telamon.state.moments import from_seconds, to_seconds
from telamon.state.tables import (
    api_key,
    api_key_access,
    api_key_role,
    digest_use,
    organization,
    project,
)

_WHOLE_ORGANIZATION = ""


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
        )
    )


def first_organization(tx: Connection) -> Organization | None:
    """The oldest one; None before the database has been initialized."""
    row = tx.execute(
        sa.select(organization).order_by(organization.c.created_at, organization.c.id).limit(1)
    ).first()
    if row is None:
        return None
    return Organization(
        id=row.id,
        name=row.name,
        created_at=from_seconds(row.created_at),
        requires_access_list=row.requires_access_list,
    )


def insert_project(tx: Connection, new: Project) -> None:
    tx.execute(
        project.insert().values(
            id=new.id, org_id=new.org_id, name=new.name, created_at=to_seconds(new.created_at)
        )
    )


def find_project(tx: Connection, group_id: str) -> Project | None:
    row = tx.execute(sa.select(project).where(project.c.id == group_id)).first()
    if row is None:
        return None
    return Project(
        id=row.id, org_id=row.org_id, name=row.name, created_at=from_seconds(row.created_at)
    )


def insert_api_key(
    tx: Connection, new: ApiKey, *, sealed_ha1: bytes, private_key_tail: str
) -> None:
    created_at = to_seconds(new.created_at)
    tx.execute(
        api_key.insert().values(
            id=new.id,
            org_id=new.org_id,
            public_key=new.public_key,
            sealed_ha1=sealed_ha1,
            private_key_tail=private_key_tail,
            description=new.description,
            created_at=created_at,
        )
    )
    for held in new.roles:
        tx.execute(
            api_key_role.insert().values(
                api_key_id=new.id,
                role=held.role.value,
                group_id=held.group_id or _WHOLE_ORGANIZATION,
            )
        )
    for network in new.access_list:
        tx.execute(
            api_key_access.insert().values(
                api_key_id=new.id, cidr_block=network, created_at=created_at
            )
        )


def find_api_key(tx: Connection, public_key: str) -> StoredKey | None:
    """The key with its roles and access list, in two statements beside its own."""
    row = tx.execute(
        sa.select(api_key, organization.c.requires_access_list)
        .join(organization, organization.c.id == api_key.c.org_id)
        .where(api_key.c.public_key == public_key)
    ).first()
    if row is None:
        return None
    roles = tx.execute(
        sa.select(api_key_role.c.role, api_key_role.c.group_id)
        .where(api_key_role.c.api_key_id == row.id)
        .order_by(api_key_role.c.role, api_key_role.c.group_id)
    )
    networks = tx.execute(
        sa.select(api_key_access.c.cidr_block)
        .where(api_key_access.c.api_key_id == row.id)
        .order_by(api_key_access.c.cidr_block)
    )
    key = ApiKey(
        id=row.id,
        org_id=row.org_id,
        public_key=row.public_key,
        description=row.description,
        created_at=from_seconds(row.created_at),
        roles=tuple(
            RoleAssignment(role=Role(role), group_id=group_id or None) for role, group_id in roles
        ),
        access_list=tuple(network for (network,) in networks),
        org_requires_access_list=row.requires_access_list,
    )
    return StoredKey(key=key, sealed_ha1=row.sealed_ha1)


def record_digest_use(
    tx: Connection, nonce: str, nonce_count: int, *, now: datetime, expires_at: datetime
) -> bool:
    """Mark a (nonce, nc) as used; False if it was already. Expired marks are swept on the way."""
    tx.execute(digest_use.delete().where(digest_use.c.expires_at < to_seconds(now)))
    try:
        tx.execute(
            digest_use.insert().values(
                nonce=nonce, nonce_count=nonce_count, expires_at=to_seconds(expires_at)
            )
        )
    except IntegrityError:
        return False
    return True
