"""Organizations, projects, and the API keys that act on them."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a key may do, in an organization or in a project (contract section 4.6)."""

    ORG_OWNER = "ORG_OWNER"
    """Everything in the organization and in each of its projects."""
    ORG_MEMBER = "ORG_MEMBER"
    """Belongs to the organization; no project by itself."""
    ORG_READ_ONLY = "ORG_READ_ONLY"
    """Reads everything in the organization and in each of its projects."""
    ORG_GROUP_CREATOR = "ORG_GROUP_CREATOR"
    """May make projects."""
    GROUP_OWNER = "GROUP_OWNER"
    """Everything in one project."""
    GROUP_BACKUP_MANAGER = "GROUP_BACKUP_MANAGER"
    """Reads one project and works with its backups."""
    GROUP_CLUSTER_MANAGER = "GROUP_CLUSTER_MANAGER"
    """Reads one project and works with its deployments."""
    GROUP_READ_ONLY = "GROUP_READ_ONLY"
    """Reads one project."""


PROJECT_OWNERS = frozenset({Role.ORG_OWNER, Role.GROUP_OWNER})
"""Who has Project Owner's rights: an organization's owner has them on each of its projects."""

PROJECT_BACKUP_MANAGERS = PROJECT_OWNERS | {Role.GROUP_BACKUP_MANAGER}

PROJECT_READERS = PROJECT_BACKUP_MANAGERS | {
    Role.ORG_READ_ONLY,
    Role.GROUP_CLUSTER_MANAGER,
    Role.GROUP_READ_ONLY,
}
"""Who may read a project: Project Read Only or anything above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role, and the project it is held in; None for the key's whole organization."""

    role: Role
    group_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key without its secret. ``access_list`` holds networks in CIDR notation."""

    id: str
    org_id: str
    public_key: str
    description: str
    created_at: datetime
    roles: tuple[RoleAssignment, ...]
    access_list: tuple[str, ...]
    org_requires_access_list: bool

    def holds_any(self, roles: frozenset[Role], group_id: str) -> bool:
        """Whether the key holds one of ``roles`` in the project or in the whole organization."""
        return any(held.role in roles and held.group_id in (None, group_id) for held in self.roles)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key with its secret, which is shown once and stored nowhere."""

    key: ApiKey
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    id: str
    name: str
    created_at: datetime
    requires_access_list: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """On the wire a ``group``."""

    id: str
    org_id: str
    name: str
    created_at: datetime


DIGEST_REALM = "MMS Public API"
"""The realm of every challenge. A stored secret depends on it, so it can never change."""


def digest_secret(username: str, password: str, realm: str = DIGEST_REALM) -> str:
    """HA1 of RFC 2617: all that the server keeps of a private key, as 32 hex digits.

    It is enough to sign with in this realm, so as secret as the key itself.
    """
    text = f"{username}:{realm}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
