"""What lets a service account in: its secrets, and the addresses that it may come from."""

import ipaddress
from collections.abc import Sequence

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import AccessListEntryNotFound, CallersAddress, SecretNotFound
from telamon.ids import IdFactory
from telamon.model.access import AccessListEntry, ApiKey, ServiceAccount
from telamon.model.network import is_within
from telamon.model.page import Page
from telamon.model.service_account import NewSecret
from telamon.operations.access_lists import listed_network
from telamon.operations.service_accounts import (
    Place,
    authorize_in_place,
    check_outranks,
    find_account,
    insert_secret,
    new_secret,
)
from telamon.state import organizations, tokens
from telamon.state import service_accounts as rows
from telamon.state.database import Database


class AccountAccess:
    """What callers can do with secrets and access lists of service accounts.

    In a project, only with those of accounts that may nothing that the caller may not.
    """

    def __init__(self, db: Database, *, clock: Clock, new_id: IdFactory) -> None:
        self._db = db
        self._clock = clock
        self._new_id = new_id

    async def require_writer(self, caller: ApiKey, place: Place, client_id: str) -> None:
        """As the others check it, for a caller whose request has yet to be read."""
        await self._db.read(lambda tx: _writable(tx, caller, place, client_id))

    async def add_secret(
        self, caller: ApiKey, place: Place, client_id: str, hours: int
    ) -> NewSecret:
        """Raises InvalidAttribute for a life that is too short or too long."""
        now = self._clock()

        def work(tx: Connection) -> NewSecret:
            account = _writable(tx, caller, place, client_id)
            organization = organizations.find(tx, account.org_id)
            assert organization is not None  # its accounts went when it was closed
            secret = new_secret(self._new_id, now, hours, organization)
            insert_secret(tx, account.id, secret)
            return secret

        return await self._db.run(work)

    async def delete_secret(
        self, caller: ApiKey, place: Place, client_id: str, secret_id: str
    ) -> None:
        """And every token that it bought. Raises SecretNotFound."""

        def work(tx: Connection) -> None:
            account = _writable(tx, caller, place, client_id)
            if not tokens.delete_secret(tx, account.id, secret_id):
                raise SecretNotFound(secret_id, client_id)

        await self._db.run(work)

    async def networks(
        self, caller: ApiKey, place: Place, client_id: str, *, limit: int, offset: int
    ) -> Page[AccessListEntry]:
        """Oldest entries first."""

        def work(tx: Connection) -> Page[AccessListEntry]:
            authorize_in_place(tx, caller, place)
            account = find_account(tx, caller, place, client_id)
            return rows.networks(tx, account.id, limit=limit, offset=offset)

        return await self._db.read(work)

    async def add_networks(
        self, caller: ApiKey, place: Place, client_id: str, networks: Sequence[str]
    ) -> None:
        """Raises AddressAlreadyListed, and then none is added."""

        def work(tx: Connection) -> None:
            account = _writable(tx, caller, place, client_id)
            rows.add_networks(tx, account.id, dict.fromkeys(networks), at=self._clock())

        await self._db.run(work)

    async def remove_network(
        self, caller: ApiKey, place: Place, client_id: str, text: str, *, address: str
    ) -> None:
        """Raises AccessListEntryNotFound; CallersAddress rather than shut the caller out.

        ``address`` is where the caller comes from.
        """

        def work(tx: Connection) -> None:
            account = _writable(tx, caller, place, client_id)
            cidr_block = listed_network(text, client_id)
            listed = account.access_list
            if cidr_block not in listed:
                raise AccessListEntryNotFound(text, client_id)
            kept = [ipaddress.ip_network(each) for each in listed if each != cidr_block]
            if account.id == caller.id and not is_within(address, kept):
                raise CallersAddress(address)
            rows.remove_network(tx, account.id, cidr_block)

        await self._db.run(work)


def _writable(tx: Connection, caller: ApiKey, place: Place, client_id: str) -> ServiceAccount:
    authorize_in_place(tx, caller, place, is_change=True)
    account = find_account(tx, caller, place, client_id)
    check_outranks(caller, account)
    return account
