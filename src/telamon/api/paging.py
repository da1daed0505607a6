"""Query parameters of the API, the page that they ask for, and the links of a list.

The rules and their sources: contract section 3. Of a parameter given more than once, the first
counts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict
from urllib.parse import quote, unquote_to_bytes

from telamon.errors import InvalidQueryParameter

Parameters = Sequence[tuple[str, str]]
"""Names and values, decoded, in the order of the URL and with duplicates."""

ITEMS_PER_PAGE_DEFAULT = 100
ITEMS_PER_PAGE_MAX = 500
PAGE_NUM_MAX = (2**63 - 1) // ITEMS_PER_PAGE_MAX
"""So that the number of any item on any page fits 64 bits, signed."""

_PAGE_NUM = "pageNum"
_ITEMS_PER_PAGE = "itemsPerPage"
_INTEGER = re.compile(r"[0-9]{1,19}")
_BOOLEANS = {"true": True, "false": False}
# Legal in a query as they are (RFC 3986 section 3.4) and never a separator there.
_UNQUOTED = "~:@/,"


class Link(TypedDict):
    """One entry of ``links``, its keys in the order of the wire."""

    href: str
    rel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """Which part of a list is wanted; pages count from 1."""

    page_num: int = 1
    items_per_page: int = ITEMS_PER_PAGE_DEFAULT
    include_count: bool = True

    @property
    def offset(self) -> int:
        """How many items come before this page."""
        return (self.page_num - 1) * self.items_per_page


def parse_query(raw: bytes | str) -> list[tuple[str, str]]:
    """Take the part of a URL after ``?`` apart; anything at all can be.

    A plus sign is a space. Octets that are no UTF-8 become U+FFFD. A name without ``=`` has an
    empty value.
    """
    octets = raw if isinstance(raw, bytes) else raw.encode("utf-8", "replace")
    fields = (field.partition(b"=") for field in octets.split(b"&") if field)
    return [(_decode(name), _decode(value)) for name, _, value in fields]


def page_request(parameters: Parameters) -> PageRequest:
    """The page that the parameters ask for: absent, empty or 0 is the default.

    ``itemsPerPage`` above 500 is 500. InvalidQueryParameter, naming the parameter, for what is no
    unsigned decimal integer of up to 19 digits, and for a ``pageNum`` above ``PAGE_NUM_MAX``.
    """
    page_num = _integer(parameters, _PAGE_NUM) or 1
    if page_num > PAGE_NUM_MAX:
        raise InvalidQueryParameter(_PAGE_NUM)
    items_per_page = _integer(parameters, _ITEMS_PER_PAGE) or ITEMS_PER_PAGE_DEFAULT
    return PageRequest(
        page_num=page_num,
        items_per_page=min(items_per_page, ITEMS_PER_PAGE_MAX),
        include_count=boolean(parameters, "includeCount", default=True),
    )


def boolean(parameters: Parameters, name: str, *, default: bool) -> bool:
    """``true`` or ``false`` in any case; absent or empty is the default.

    InvalidQueryParameter, naming the parameter, for anything else.
    """
    value = first(parameters, name)
    if not value:
        return default
    if value.lower() not in _BOOLEANS:
        raise InvalidQueryParameter(name)
    return _BOOLEANS[value.lower()]


def first(parameters: Parameters, name: str) -> str | None:
    """The value that counts, or None when the parameter is absent."""
    return next((value for key, value in parameters if key == name), None)


def links(
    base_url_and_path: str,
    parameters: Parameters,
    page: PageRequest,
    total: int | None,
    has_next: bool,
) -> list[Link]:
    """The links of a list: previous, self, next, those that there are.

    Each keeps the caller's other parameters, in their order, and then says which page it is. The
    order of the two paging parameters differs between self and its neighbours, as recorded.

    ``total`` is the number of items on all pages and decides whether a page follows; where it was
    not counted, ``has_next`` does.
    """
    number, size = page.page_num, page.items_per_page
    if total is not None:
        has_next = number * size < total
    kept = "".join(
        f"{_encode(name)}={_encode(value)}&"
        for name, value in parameters
        if name not in (_PAGE_NUM, _ITEMS_PER_PAGE)
    )
    prefix = f"{base_url_and_path}?{kept}"
    found = [Link(href=f"{prefix}pageNum={number}&itemsPerPage={size}", rel="self")]
    if number > 1:
        href = f"{prefix}itemsPerPage={size}&pageNum={number - 1}"
        found.insert(0, Link(href=href, rel="previous"))
    if has_next:
        found.append(Link(href=f"{prefix}itemsPerPage={size}&pageNum={number + 1}", rel="next"))
    return found


def _integer(parameters: Parameters, name: str) -> int:
    value = first(parameters, name)
    if not value:
        return 0
    if _INTEGER.fullmatch(value) is None:
        raise InvalidQueryParameter(name)
    return int(value)


def _decode(octets: bytes) -> str:
    return unquote_to_bytes(octets.replace(b"+", b" ")).decode("utf-8", "replace")


def _encode(text: str) -> str:
    return quote(text, safe=_UNQUOTED)
