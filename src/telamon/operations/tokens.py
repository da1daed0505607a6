"""Access tokens: what a service account gets for a secret, and shows instead of signing."""

import hmac
import ipaddress
import secrets
from datetime import timedelta

from sqlalchemy import Connection

from telamon.clock import Clock
from telamon.errors import InvalidClient, TooManyTokenRequests
from telamon.model.access import ServiceAccount
from telamon.model.service_account import TOKEN_LIFE, Token, is_client_id
from telamon.operations.service_accounts import secret_hash
from telamon.state import service_accounts
from telamon.state import tokens as rows
from telamon.state.database import Database

REQUESTS_MAX = 10
REQUESTS_SPAN = timedelta(minutes=1)

_ID_CHARACTERS = 24
_TOKEN_BYTES = 32
_NETWORK_OF_ONE = 64  # bits of an IPv6 address that its holder cannot choose


class Tokens:
    """Tokens are kept as hashes in the database, so that each API process knows every other's.

    So are the numbers of requests for them: several processes let nobody guess several times as
    often.
    """

    def __init__(self, db: Database, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def count_request(self, address: str, url: str) -> None:
        """Raises TooManyTokenRequests from the eleventh request of an address in a minute on.

        That one is not written down, so that whoever asks all the time costs reads only.
        """
        now = self._clock()
        counted = _counted(address)
        made, _ = await self._db.read(
            lambda tx: rows.requests(tx, counted, now=now, span=REQUESTS_SPAN)
        )
        if made < REQUESTS_MAX:
            made = await self._db.run(
                lambda tx: rows.count_request(tx, counted, now=now, span=REQUESTS_SPAN)
            )
            if made <= REQUESTS_MAX:
                return
        minutes = int(REQUESTS_SPAN.total_seconds()) // 60
        raise TooManyTokenRequests(url, REQUESTS_MAX, minutes)

    async def seconds_to_wait(self, address: str) -> int:
        """Until the present minute of an address is over."""
        now = self._clock()
        _, seconds = await self._db.read(
            lambda tx: rows.requests(tx, _counted(address), now=now, span=REQUESTS_SPAN)
        )
        return seconds

    async def issue(self, client_id: str, client_secret: str) -> Token:
        """A token for an hour. Raises InvalidClient."""
        now = self._clock()
        token = secrets.token_urlsafe(_TOKEN_BYTES)

        def work(tx: Connection) -> None:
            secret_id = self._verify(tx, client_id, client_secret)
            rows.set_secret_used(tx, secret_id, now)
            rows.insert_token(
                tx,
                secret_hash(token),
                secret_id=secret_id,
                now=now,
                expires_at=now + TOKEN_LIFE,
            )

        await self._db.read(lambda tx: self._verify(tx, client_id, client_secret))
        await self._db.run(work)
        return Token(value=token, life=TOKEN_LIFE)

    async def revoke(self, client_id: str, client_secret: str, token: str) -> None:
        """Whether or not it was the client's; only if it was, it is revoked. Raises InvalidClient."""

        def work(tx: Connection) -> None:
            self._verify(tx, client_id, client_secret)
            rows.delete_token(tx, secret_hash(token), account_id=client_id[-_ID_CHARACTERS:])

        await self._db.read(lambda tx: self._verify(tx, client_id, client_secret))
        await self._db.run(work)

    async def find_account(self, token: str) -> ServiceAccount | None:
        """Whose token it is, as of now; None for one that is unknown, revoked or expired."""
        now = self._clock()

        def work(tx: Connection) -> ServiceAccount | None:
            account_id = rows.find_token(tx, secret_hash(token), now=now)
            return None if account_id is None else service_accounts.find(tx, account_id)

        return await self._db.read(work)

    def _verify(self, tx: Connection, client_id: str, client_secret: str) -> str:
        """The id of the secret."""
        if not is_client_id(client_id):
            raise InvalidClient
        given = secret_hash(client_secret)
        for stored in rows.secrets(tx, client_id[-_ID_CHARACTERS:]):
            is_alive = stored.secret.expires_at > self._clock()
            if hmac.compare_digest(stored.secret_hash, given) and is_alive:
                return stored.secret.id
        raise InvalidClient


def _counted(address: str) -> str:
    """Who is counted together: an IPv4 address, or the network that one holder of IPv6 has."""
    try:
        place = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(place, ipaddress.IPv4Address):
        return str(place)
    if place.ipv4_mapped is not None:
        return str(place.ipv4_mapped)
    return str(ipaddress.ip_network(f"{place}/{_NETWORK_OF_ONE}", strict=False))
