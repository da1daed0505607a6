"""Who acts on organizations and projects: roles, API keys, service accounts."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What a caller may do, in an organization or in a project (contract section 4.6).

    Those without a sentence read what they are held in, and are there for Atlas's clients to give.
    """

    ORG_OWNER = "ORG_OWNER"
    """Everything in the organization and in each of its projects."""
    ORG_MEMBER = "ORG_MEMBER"
    """Belongs to the organization; no project by itself."""
    ORG_READ_ONLY = "ORG_READ_ONLY"
    """Reads everything in the organization and in each of its projects."""
    ORG_GROUP_CREATOR = "ORG_GROUP_CREATOR"
    """May make projects, and owns those that it made."""
    ORG_BILLING_ADMIN = "ORG_BILLING_ADMIN"
    ORG_BILLING_READ_ONLY = "ORG_BILLING_READ_ONLY"
    GROUP_OWNER = "GROUP_OWNER"
    """Everything in one project."""
    GROUP_BACKUP_MANAGER = "GROUP_BACKUP_MANAGER"
    """Reads one project and works with its backups."""
    GROUP_CLUSTER_MANAGER = "GROUP_CLUSTER_MANAGER"
    """Reads one project and works with its deployments."""
    GROUP_READ_ONLY = "GROUP_READ_ONLY"
    """Reads one project."""
    GROUP_DATA_ACCESS_ADMIN = "GROUP_DATA_ACCESS_ADMIN"
    GROUP_DATA_ACCESS_READ_ONLY = "GROUP_DATA_ACCESS_READ_ONLY"
    GROUP_DATA_ACCESS_READ_WRITE = "GROUP_DATA_ACCESS_READ_WRITE"
    GROUP_DATABASE_ACCESS_ADMIN = "GROUP_DATABASE_ACCESS_ADMIN"
    GROUP_OBSERVABILITY_VIEWER = "GROUP_OBSERVABILITY_VIEWER"
    GROUP_SEARCH_INDEX_EDITOR = "GROUP_SEARCH_INDEX_EDITOR"
    GROUP_STREAM_PROCESSING_OWNER = "GROUP_STREAM_PROCESSING_OWNER"

    @property
    def is_of_project(self) -> bool:
        """Whether it is held in a project rather than in an organization."""
        return self.value.startswith("GROUP_")


ORG_OWNERS = frozenset({Role.ORG_OWNER})

ORG_READERS = ORG_OWNERS | {Role.ORG_READ_ONLY}
"""Who reads everything in an organization: Organization Read Only or above."""

ORG_MEMBERS = frozenset(role for role in Role if not role.is_of_project)
"""Who belongs to an organization: Organization Member or anything above it."""

PROJECT_CREATORS = ORG_OWNERS | {Role.ORG_GROUP_CREATOR}

PROJECT_OWNERS = frozenset({Role.ORG_OWNER, Role.GROUP_OWNER})
"""Who has Project Owner's rights: an organization's owner has them on each of its projects."""

PROJECT_BACKUP_MANAGERS = PROJECT_OWNERS | {Role.GROUP_BACKUP_MANAGER}

PROJECT_READERS = ORG_READERS | {role for role in Role if role.is_of_project}
"""Who may read a project: Project Read Only or anything above it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleAssignment:
    """A role, and the project it is held in; None for the caller's whole organization."""

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

    @property
    def sees_all_projects(self) -> bool:
        """Whether it reads each project of its organization, and so knows which there are."""
        return self.holds_in_org(ORG_READERS)

    def holds_any(self, roles: frozenset[Role], group_id: str) -> bool:
        """Whether it holds one of ``roles`` in the project or in the whole organization."""
        return any(held.role in roles and held.group_id in (None, group_id) for held in self.roles)

    def holds_in_org(self, roles: frozenset[Role]) -> bool:
        """Whether it holds one of ``roles`` in the whole organization."""
        return any(held.role in roles and held.group_id is None for held in self.roles)

    def roles_in(self, group_id: str) -> tuple[RoleAssignment, ...]:
        """What it holds in the project itself."""
        return tuple(held for held in self.roles if held.group_id == group_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount(ApiKey):
    """A caller as a key is, but that it does not sign: its secrets buy tokens, and it shows those.

    ``public_key`` is the client id.
    """

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedKey:
    """A key as its organization may see it: with the end of its private key."""

    key: ApiKey
    private_key_tail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey:
    """A key with its secret, which is shown once and stored nowhere."""

    key: ApiKey
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessListEntry:
    """A network that a key or a service account may come from, and since when."""

    cidr_block: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationSettings:
    """What Telamon keeps for clients and acts upon in one case only: how long a secret may live."""

    secret_hours_max: int | None = None
    generative_ai_enabled: bool = True
    multi_factor_required: bool = False
    employee_access_restricted: bool = False
    security_contact: str = ""
    streams_cross_group_enabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """One that was deleted stays, closed, for what its projects' backups name."""

    id: str
    name: str
    created_at: datetime
    requires_access_list: bool
    skips_default_alerts: bool = False
    is_closed: bool = False
    settings: OrganizationSettings = OrganizationSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """On the wire a ``group``. One that was deleted stays, closed, for what its backups name."""

    id: str
    org_id: str
    name: str
    created_at: datetime
    tags: tuple[tuple[str, str], ...] = ()
    has_default_alerts: bool = True
    is_closed: bool = False


DIGEST_REALM = "MMS Public API"
"""The realm of every challenge. A stored secret depends on it, so it can never change."""


def digest_secret(username: str, password: str, realm: str = DIGEST_REALM) -> str:
    """HA1 of RFC 2617: all that the server keeps of a private key, as 32 hex digits.

    It is enough to sign with in this realm, so as secret as the key itself.
    """
    text = f"{username}:{realm}:{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
