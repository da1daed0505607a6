"""Answers as bytes: JSON compact or pretty, envelopes, the bodies of errors.

Keys stand in alphabetical order in every body except the two of an unauthenticated request, which
are recorded otherwise (contract sections 3.3, 3.4, 4.2 and 5.1). Whoever builds a body puts them so
and ``to_json`` keeps them.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus

import msgspec

from telamon.errors import TelamonError

UNAUTHENTICATED_V1 = b"""{
  "error" : 401,
  "reason" : "Unauthorized",
  "detail" : "You are not authorized for this resource."
}"""
"""What version 1.0 answers to a request without valid credentials, ``pretty`` or not."""

UNAUTHENTICATED_V2 = b"""{
  "error" : 401,
  "reason" : "Unauthorized",
  "detail" : "You are not authorized for this resource.",
  "errorCode" : "UNEXPECTED_ERROR"
}"""
"""The same on version 2."""

_INDENT = b"  "
_TOKEN = re.compile(
    rb'"[^"\\]*(?:\\.[^"\\]*)*"'  # a string
    rb"|[{}\[\]:,]"
    rb'|[^\s{}\[\]:,"]+'  # a number or a name
)


def to_json(value: object) -> bytes:
    """Compact UTF-8, keys as given. A ``datetime`` must be of whole seconds, as ``Clock``'s are.

    UnicodeEncodeError for text with a lone surrogate.
    """
    return msgspec.json.encode(value)


def timestamp(at: datetime) -> str:
    """``YYYY-MM-DDTHH:MM:SSZ`` of an aware datetime: in UTC, cut off to the whole second."""
    if at.tzinfo is None:
        raise ValueError("a timestamp needs an aware datetime")
    return at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def pretty(data: bytes) -> bytes:
    """The same JSON as Jackson's DefaultPrettyPrinter prints it; ``data`` must be valid JSON.

    Every field stands on a line of its own, two spaces deeper than its object. An array stays on
    the line and does not indent. Strings and numbers keep their spelling.
    """
    out: list[bytes] = []
    newlines = [b"\n"]  # what starts a line, one for each object that is open
    is_object: list[bool] = []
    previous = b""
    for token in _TOKEN.findall(data):
        if token in (b"}", b"]"):
            if is_object.pop():
                newlines.pop()
            is_empty = previous in (b"{", b"[")
            out.append(b" " if is_empty or token == b"]" else newlines[-1])
        elif previous in (b"{", b"["):
            out.append(newlines[-1] if is_object[-1] else b" ")
        out.append(_spaced(token, newlines[-1] if is_object and is_object[-1] else b" "))
        if token in (b"{", b"["):
            is_object.append(token == b"{")
        if token == b"{":
            newlines.append(newlines[-1] + _INDENT)
        previous = token
    return b"".join(out)


def _spaced(token: bytes, gap: bytes) -> bytes:
    """A separator with its white space, ``gap`` after a comma; any other token as it is."""
    if token == b":":
        return b" : "
    return b"," + gap if token == b"," else token


def envelope_list(body: Mapping[str, object], status: int) -> dict[str, object]:
    """A list's body with the HTTP status in it: links, results, status, totalCount."""
    return dict(sorted({**body, "status": status}.items()))


def envelope_single(content: object, status: int) -> dict[str, object]:
    """A body that is no list, or an error, wrapped together with its HTTP status."""
    return {"content": content, "status": status}


def error_body(error: TelamonError) -> dict[str, object]:
    """The ApiError of an error: detail, error, errorCode, parameters, reason."""
    return {
        "detail": error.message,
        "error": error.status,
        "errorCode": error.error_code,
        "parameters": list(error.parameters),
        "reason": HTTPStatus(error.status).phrase,
    }
