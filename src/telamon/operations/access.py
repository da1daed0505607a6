"""Who is asking, from where, and whether they may."""

import ipaddress
import secrets
import string
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    AddressNotOnAccessList,
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
from telamon.model.instance import Instance
from telamon.state import access as rows
from telamon.state import instances
from telamon.state.database import Database
from telamon.state.sealing import Sealer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK_NETWORKS = ("127.0.0.1/32", "::1/128")
_PUBLIC_KEY_LETTERS = 8
_MAPPED_BITS = 96  # of an IPv6 address that stands for an IPv4 one
_SEES_ALL_PROJECTS = frozenset({Role.ORG_OWNER, Role.ORG_READ_ONLY})


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
        new_key = self._make_key(
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
            self._insert_key(tx, new_key)

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

        Raises InvalidRequest for what is neither, and for a project's role without a project or
        an organization's role with one; GroupNotFound.
        """
        networks = [_network(text) for text in access_list]
        for held in roles:
            self._check_role(organization, held)
        new_key = self._make_key(
            organization, description=description, roles=roles, access_list=networks
        )
        self._db.transact(lambda tx: self._insert_key(tx, new_key))
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
        stored = await self._db.read(lambda tx: rows.find_api_key(tx, public_key))
        if stored is None:
            return None
        ha1 = self._sealer.open(stored.sealed_ha1, place=_place(stored.key.id))
        return KnownKey(key=stored.key, ha1=ha1.decode())

    async def require(self, caller: ApiKey, group_id: str, roles: frozenset[Role]) -> None:
        """As ``authorize``, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: authorize(tx, caller, group_id, roles))

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
        if held.role.value.startswith("GROUP_") != (held.group_id is not None):
            needs = "a project" if held.group_id is None else "no project"
            raise InvalidRequest(f"the role {held.role.value} needs {needs}")
        if held.group_id is None:
            return
        project = self._db.look(lambda tx: rows.find_project(tx, held.group_id or ""))
        if project is None or project.org_id != organization.id:
            raise GroupNotFound(held.group_id)

    def _make_key(
        self,
        organization: Organization,
        *,
        description: str,
        roles: Sequence[RoleAssignment],
        access_list: Sequence[str],
    ) -> NewApiKey:
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

    def _insert_key(self, tx: Connection, new: NewApiKey) -> None:
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


def is_within(address: str, networks: Iterable[Network]) -> bool:
    """Whether ``address`` is in one of ``networks``; what is no address is in none.

    An IPv6 address that stands for an IPv4 one is taken for that.
    """
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(place, ipaddress.IPv6Address) and place.ipv4_mapped is not None:
        place = place.ipv4_mapped
    return any(place in network for network in networks)


def authorize(tx: Connection, caller: ApiKey, group_id: str, roles: frozenset[Role]) -> Project:
    """The project, if the caller holds one of ``roles`` in it.

    Raises Unauthorized where it does not; NotInGroup for a project of another organization, or for
    one that does not exist if the caller could not see it anyway; else GroupNotFound.
    """
    project = rows.find_project(tx, group_id)
    if project is None:
        sees_all = any(
            held.role in _SEES_ALL_PROJECTS and held.group_id is None for held in caller.roles
        )
        raise GroupNotFound(group_id) if sees_all else NotInGroup
    if project.org_id != caller.org_id:
        raise NotInGroup
    if not caller.holds_any(roles, group_id):
        raise Unauthorized
    return project


def find_instance(
    tx: Connection, caller: ApiKey, group_id: str, name: str, roles: frozenset[Role]
) -> Instance:
    """The instance, if the caller holds one of ``roles`` in its project.

    Raises what ``authorize`` does, and InstanceNotFound.
    """
    authorize(tx, caller, group_id, roles)
    return instances.by_name(tx, group_id, name)


def _network(text: str) -> str:
    """An address or network in CIDR notation, an IPv4 one in its own form."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidRequest(f"{text} is neither an address nor a network") from error
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is not None and network.prefixlen >= _MAPPED_BITS:
        network = ipaddress.ip_network(f"{mapped}/{network.prefixlen - _MAPPED_BITS}", strict=False)
    return str(network)


def _place(api_key_id: str) -> str:
    return f"api_key:ha1:{api_key_id}"
