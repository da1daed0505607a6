"""Addresses and networks, as access lists write them."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from telamon.errors import InvalidNetwork

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK_NETWORKS = ("127.0.0.1/32", "::1/128")

_MAPPED_BITS = 96  # of an IPv6 address that stands for an IPv4 one
_SECURITY_GROUP = re.compile(r"([0-9]*/)?sg-[0-9a-z]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPermission:
    """An entry of a project's access list: a network, or the id of an AWS security group."""

    entry: str
    comment: str
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def is_security_group(self) -> bool:
        return is_security_group(self.entry)


def is_security_group(text: str) -> bool:
    return _SECURITY_GROUP.fullmatch(text) is not None


def network(text: str) -> str:
    """An address or network in CIDR notation, an IPv4 one in its own form. Raises InvalidNetwork."""
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise InvalidNetwork(text) from error
    mapped = getattr(found.network_address, "ipv4_mapped", None)
    if mapped is not None and found.prefixlen >= _MAPPED_BITS:
        found = ipaddress.ip_network(f"{mapped}/{found.prefixlen - _MAPPED_BITS}", strict=False)
    return str(found)


def shown(cidr_block: str) -> str:
    """A network as answers have it: an IPv6 one written out."""
    found = ipaddress.ip_network(cidr_block)
    return f"{written_out(found.network_address)}/{found.prefixlen}"


def only_address(cidr_block: str) -> str | None:
    """The address of a network that has just one, an IPv6 one with all its parts; else None."""
    found = ipaddress.ip_network(cidr_block)
    return written_out(found.network_address) if found.num_addresses == 1 else None


def first_address(cidr_block: str) -> str:
    """The address that a network begins with."""
    return written_out(ipaddress.ip_network(cidr_block).network_address)


def written_out(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv6 address in eight parts, without zeros before them: what Atlas's schemas take."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":"))


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
