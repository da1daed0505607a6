"""Version 2's media types: which version of a resource an ``Accept`` header asks for.

A client names a date that the API knows, and gets the resource's newest version that is not after
it; the answer's ``Content-Type`` bears that version's own date (contract section 6).
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from telamon.errors import InvalidVersionDate

KNOWN_VERSIONS = (
    date(2023, 1, 1),
    date(2023, 2, 1),
    date(2023, 10, 1),
    date(2023, 11, 15),
    date(2024, 5, 30),
    date(2024, 8, 5),
    date(2024, 10, 23),
    date(2024, 11, 13),
    date(2025, 2, 19),
    date(2025, 3, 12),
)
"""Every date that a client may name, oldest first, whatever the resource."""


def of_version(version: date) -> str:
    """The media type of a version, without parameters."""
    return f"application/vnd.atlas.{version}+json"


_VERSION_OF_TYPE = {of_version(known): known for known in KNOWN_VERSIONS}

_BARE = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_UNCLOSED = r'"[^"\\]*(?:\\.[^"\\]*)*'
_QUOTED = rf'{_UNCLOSED}"'
# A quote that nobody closes takes the rest with it; its element is malformed then.
_ELEMENT = re.compile(rf'(?:[^",]|{_UNCLOSED}"?)+', re.DOTALL)
_MEDIA_TYPE = re.compile(rf"[ \t]*({_BARE}/{_BARE})[ \t]*")
_PARAMETER = re.compile(rf";[ \t]*(?:({_BARE})=({_BARE}|{_QUOTED}))?[ \t]*", re.DOTALL)
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def negotiate(accept: str | None, versions: Sequence[date], *, lenient: bool) -> date:
    """The version of a resource to serve, out of ``versions``, which are its own, in any order.

    Of several ranges that name a version this resource can serve, the heaviest wins, and the first
    of those that weigh the same. A range of weight 0, and one that is malformed, asks for nothing.

    Where no range is left, there is nothing to serve: InvalidVersionDate. So it is for a wildcard,
    plain JSON, ``preview`` or ``+csv``. With ``lenient`` the resource's newest version is served
    then instead. ValueError when ``versions`` is empty.
    """
    newest = max(versions)
    best, best_weight = None, 0.0
    for media_type, weight in _ranges(accept or ""):
        version = _resolve(media_type, versions)
        if version is not None and weight > best_weight:
            best, best_weight = version, weight
    if best is not None:
        return best
    if lenient:
        return newest
    raise InvalidVersionDate


def content_type(version: date) -> str:
    """The ``Content-Type`` of an answer in this version."""
    return f"{of_version(version)};charset=utf-8"


def _resolve(media_type: str, versions: Sequence[date]) -> date | None:
    asked = _VERSION_OF_TYPE.get(media_type.lower())
    if asked is None:
        return None
    return max((version for version in versions if version <= asked), default=None)


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """The well-formed media ranges and their weights, in order (RFC 9110 section 12.5.1)."""
    for element in _ELEMENT.findall(accept):
        parsed = _split(element)
        if parsed is None:
            continue
        media_type, parameters = parsed
        weight = parameters.get("q", "1")
        if _WEIGHT.fullmatch(weight):
            yield media_type, float(weight)


def _split(text: str) -> tuple[str, dict[str, str]] | None:
    """A media type and its parameters, their names in lower case; None when malformed."""
    media_type = _MEDIA_TYPE.match(text)
    if media_type is None:
        return None
    parameters: dict[str, str] = {}
    position = media_type.end()
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None:
            return None
        if parameter[1]:
            parameters[parameter[1].lower()] = parameter[2]
        position = parameter.end()
    return media_type[1], parameters
