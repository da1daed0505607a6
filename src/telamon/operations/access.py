"""Who is asking, from where, and whether they may."""

import ipaddress
import secrets
import string
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    AddressNotOnAccessList,
    CannotAccessOrg,
    ConfigurationError,
    GroupNotFound,
    InvalidRequest,
    NotInGroup,
    OrgRequiresAccessList,
    ResourceRequiresAccessList,
    Unauthorized,
)
from telamon.ids import IdFactory
from telamon.model.access import (
    ApiKey,
    NewApiKey,
    Organization,
    Project,
    Role,
    RoleAssignment,
    digest_secret,
)
from telamon.model.network import LOOPBACK_NETWORKS, is_within, network
from telamon.state import access as rows
from telamon.state import organizations
from telamon.state.database import Database
from telamon.state.sealing import Sealer

_PUBLIC_KEY_LETTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A key and the digest secret to check it with."""

    key: ApiKey
    ha1: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What ``Access.initialize`` made."""

    organization: Organization
    project: Project
    api_key: NewApiKey


class Access:
    """Keys, roles and access lists."""

    def __init__(self, db: Database, sealer: Sealer, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._sealer = sealer
        self._clock = clock
        self._new_id = new_id

    def initialize(self, org_name: str, project_name: str) -> Beginning:
        """The first organization, a project in it, and a key that owns both.

        The key may be used from this machine only. Raises ConfigurationError if the database
        already has an organization.
        """
        now = self._clock()
        organization = Organization(
            id=self._new_id(now), name=org_name, created_at=now, requires_access_list=True
        )
        project = Project(
            id=self._new_id(now), org_id=organization.id, name=project_name, created_at=now
        )
        new_key = self.make_key(
            organization,
            description="made by telamon init",
            roles=(RoleAssignment(role=Role.ORG_OWNER),),
            access_list=LOOPBACK_NETWORKS,
        )

        def work(tx: Connection) -> None:
            if rows.first_organization(tx) is not None:
                raise ConfigurationError(
                    "This data directory has been initialized before; its key was shown then."
                )
            rows.insert_organization(tx, organization)
            rows.insert_project(tx, project)
            self.insert_key(tx, new_key)

        self._db.transact(work)
        return Beginning(organization=organization, project=project, api_key=new_key)

    def create_key(
        self,
        organization: Organization,
        *,
        description: str,
        roles: Sequence[RoleAssignment],
        access_list: Sequence[str],
    ) -> NewApiKey:
        """Another key of the organization. ``access_list`` holds addresses and networks.

        Raises InvalidNetwork for what is neither, InvalidRequest for a project's role without a
        project or an organization's role with one, GroupNotFound.
        """
        networks = [network(text) for text in access_list]
        for held in roles:
            self._check_role(organization, held)
        new_key = self.make_key(
            organization, description=description, roles=roles, access_list=networks
        )
        self._db.transact(lambda tx: self.insert_key(tx, new_key))
        return new_key

    def first_organization(self) -> Organization:
        """The one that ``initialize`` made. Raises ConfigurationError before it has."""
        found = self._db.look(rows.first_organization)
        if found is None:
            raise ConfigurationError(
                "This data directory has not been initialized: telamon init does that."
            )
        return found

    async def find_key(self, public_key: str) -> KnownKey | None:
        """The key of that name with its digest secret, or None."""

        def work(tx: Connection) -> KnownKey | None:
            stored = rows.find_api_key(tx, public_key)
            if stored is None:
                return None
            ha1 = self._sealer.open(stored.sealed_ha1, place=_place(stored.key.id))
            return KnownKey(key=stored.key, ha1=ha1.decode())

        return await self._db.recall(("key", public_key), work)

    async def require(self, caller: ApiKey, group_id: str, roles: frozenset[Role]) -> None:
        """As ``authorize``, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: authorize(tx, caller, group_id, roles))

    async def require_in_org(
        self, caller: ApiKey, org_id: str, roles: frozenset[Role]
    ) -> Organization:
        """As ``authorize_in_org``, for a caller whose request has yet to be read."""
        return await self._db.read(lambda tx: authorize_in_org(tx, caller, org_id, roles))

    async def use_nonce(self, nonce: str, nonce_count: int, *, life_seconds: int) -> bool:
        """Mark a digest nonce and count as used, in every process at once. False if it was."""
        now = self._clock()
        expires_at = now + timedelta(seconds=life_seconds)
        return await self._db.run(
            lambda tx: rows.record_digest_use(
                tx, nonce, nonce_count, now=now, expires_at=expires_at
            )
        )

    def _check_role(self, organization: Organization, held: RoleAssignment) -> None:
        if held.role.is_of_project != (held.group_id is not None):
            needs = "a project" if held.group_id is None else "no project"
            raise InvalidRequest(f"the role {held.role.value} needs {needs}")
        if held.group_id is None:
            return
        project = self._db.look(lambda tx: rows.find_project(tx, held.group_id or ""))
        if project is None or project.is_closed or project.org_id != organization.id:
            raise GroupNotFound(held.group_id)

    def make_key(
        self,
        organization: Organization,
        *,
        description: str,
        roles: Sequence[RoleAssignment],
        access_list: Sequence[str],
    ) -> NewApiKey:
        """A key that is nowhere yet. ``access_list`` holds networks."""
        now: datetime = self._clock()
        letters = string.ascii_lowercase
        key = ApiKey(
            id=self._new_id(now),
            org_id=organization.id,
            public_key="".join(secrets.choice(letters) for _ in range(_PUBLIC_KEY_LETTERS)),
            description=description,
            created_at=now,
            roles=tuple(roles),
            access_list=tuple(sorted(access_list)),
            org_requires_access_list=organization.requires_access_list,
        )
        return NewApiKey(key=key, private_key=str(uuid.uuid4()))

    def insert_key(self, tx: Connection, new: NewApiKey) -> None:
        """Its secret sealed."""
        ha1 = digest_secret(new.key.public_key, new.private_key)
        rows.insert_api_key(
            tx,
            new.key,
            sealed_ha1=self._sealer.seal(ha1.encode(), place=_place(new.key.id)),
            private_key_tail=new.private_key.rpartition("-")[2],
        )


def check_address(caller: ApiKey, address: str, *, always_listed: bool) -> None:
    """Whether the caller's access list lets it come from ``address``.

    ``always_listed`` resources are those that Atlas serves to listed addresses only; for them an
    empty list has an error of its own. Raises a kind of Forbidden.
    """
    if not caller.access_list:
        if not caller.org_requires_access_list:
            return
        kind = ResourceRequiresAccessList if always_listed else OrgRequiresAccessList
        raise kind(address)
    if not is_within(address, map(ipaddress.ip_network, caller.access_list)):
        raise AddressNotOnAccessList(address)


def authorize(tx: Connection, caller: ApiKey, group_id: str, roles: frozenset[Role]) -> Project:
    """The project, if the caller holds one of ``roles`` in it.

    Raises Unauthorized where it does not; NotInGroup for a project of another organization, or for
    one that does not exist if the caller could not see it anyway; else GroupNotFound.
    """
    project = rows.find_project(tx, group_id)
    if project is None or (project.is_closed and project.org_id == caller.org_id):
        raise GroupNotFound(group_id) if caller.sees_all_projects else NotInGroup
    if project.org_id != caller.org_id:
        raise NotInGroup
    if not caller.holds_any(roles, group_id):
        raise Unauthorized
    return project


def authorize_in_org(
    tx: Connection, caller: ApiKey, org_id: str, roles: frozenset[Role]
) -> Organization:
    """The organization, if the caller holds one of ``roles`` in it.

    Raises CannotAccessOrg for another than the caller's own, whether there is one or not;
    Unauthorized.
    """
    organization = organizations.find(tx, org_id) if org_id == caller.org_id else None
    if organization is None:
        raise CannotAccessOrg
    if not caller.holds_in_org(roles):
        raise Unauthorized
    return organization


def _place(api_key_id: str) -> str:
    return f"api_key:ha1:{api_key_id}"
