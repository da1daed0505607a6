"""From where an API key may be used."""

import ipaddress
from collections.abc import Sequence

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import (
    AccessListDenied,
    AccessListEntryNotFound,
    CallersAddress,
    InvalidNetwork,
)
from telamon.model.access import ORG_MEMBERS, ORG_OWNERS, AccessListEntry, ApiKey
from telamon.model.network import is_within, network
from telamon.model.page import Page
from telamon.operations.access import authorize_in_org
from telamon.operations.api_keys import find_key
from telamon.state import api_keys as rows
from telamon.state.database import Database


class AccessLists:
    """What callers can do with access lists: with their own, and owners with every key's."""

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def list(
        self, caller: ApiKey, org_id: str, api_key_id: str, *, limit: int, offset: int
    ) -> Page[AccessListEntry]:
        """Oldest entries first."""

        def work(tx: Connection) -> Page[AccessListEntry]:
            authorize_in_org(tx, caller, org_id, ORG_MEMBERS)
            find_key(tx, org_id, api_key_id)
            return rows.networks(tx, api_key_id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def get(self, caller: ApiKey, org_id: str, api_key_id: str, text: str) -> AccessListEntry:
        """The entry for an address or network. Raises AccessListEntryNotFound."""

        def work(tx: Connection) -> AccessListEntry:
            authorize_in_org(tx, caller, org_id, ORG_MEMBERS)
            key = find_key(tx, org_id, api_key_id).key
            found = rows.find_network(tx, api_key_id, listed_network(text, key.public_key))
            if found is None:
                raise AccessListEntryNotFound(text, key.public_key)
            return found

        return await self._db.read(work)

    async def require_writer(self, caller: ApiKey, org_id: str, api_key_id: str) -> None:
        """As ``add`` checks it, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: _writable(tx, caller, org_id, api_key_id))

    async def add(
        self, caller: ApiKey, org_id: str, api_key_id: str, networks: Sequence[str]
    ) -> None:
        """Raises AddressAlreadyListed, and then none is added."""

        def work(tx: Connection) -> None:
            _writable(tx, caller, org_id, api_key_id)
            rows.add_networks(tx, api_key_id, dict.fromkeys(networks), at=self._clock())

        await self._db.run(work)

    async def remove(
        self, caller: ApiKey, org_id: str, api_key_id: str, text: str, *, address: str
    ) -> None:
        """Raises AccessListEntryNotFound; CallersAddress rather than shut the caller out.

        ``address`` is where the caller comes from.
        """

        def work(tx: Connection) -> None:
            key = _writable(tx, caller, org_id, api_key_id)
            cidr_block = listed_network(text, key.public_key)
            if cidr_block not in key.access_list:
                raise AccessListEntryNotFound(text, key.public_key)
            kept = [ipaddress.ip_network(each) for each in key.access_list if each != cidr_block]
            if key.id == caller.id and not is_within(address, kept):
                raise CallersAddress(address)
            rows.remove_network(tx, api_key_id, cidr_block)

        await self._db.run(work)


def listed_network(text: str, holder: str) -> str:
    """An address or network as lists have it; what is neither is on nobody's list."""
    try:
        return network(text)
    except InvalidNetwork as error:
        raise AccessListEntryNotFound(text, holder) from error


def _writable(tx: Connection, caller: ApiKey, org_id: str, api_key_id: str) -> ApiKey:
    """The key, if the caller may change its list: it is its own, or the caller an owner."""
    authorize_in_org(tx, caller, org_id, ORG_MEMBERS)
    if caller.id != api_key_id and not caller.holds_in_org(ORG_OWNERS):
        raise AccessListDenied
    return find_key(tx, org_id, api_key_id).key
