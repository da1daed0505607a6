"""Entries of access lists as bodies name them, and as paths do."""

import ipaddress
from urllib.parse import quote

from msgspec import UNSET, UnsetType

from telamon.api.call import Wire
from telamon.errors import InvalidNetwork, MissingAttribute, SeveralNetworks
from telamon.model.network import network


class NewEntry(Wire, kw_only=True, frozen=True):
    """An address or a network."""

    cidr_block: str | UnsetType = UNSET
    ip_address: str | UnsetType = UNSET


def network_of(cidr_block: str | UnsetType, ip_address: str | UnsetType) -> str:
    """What an entry is about, in CIDR notation; both may be there if they are the same.

    Raises MissingAttribute, SeveralNetworks, InvalidNetwork.
    """
    if not cidr_block and not ip_address:
        raise MissingAttribute("ipAddress")
    if ip_address:
        _check_address(ip_address)
    found = {network(text) for text in (cidr_block, ip_address) if text}
    if len(found) > 1:
        raise SeveralNetworks
    return found.pop()


def as_path(text: str) -> str:
    """An entry as one part of a path."""
    return quote(text, safe=":")


def _check_address(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise InvalidNetwork(text) from error
