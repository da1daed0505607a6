"""Request bodies: JSON objects with known fields, and what is wrong with the others."""

import re
from collections.abc import Collection
from typing import Any, TypeVar

import msgspec

from telamon.errors import (
    InvalidAttribute,
    InvalidEnumValue,
    InvalidJson,
    InvalidRequest,
    MalformedJson,
    MissingAttribute,
)

Fields = TypeVar("Fields", bound=msgspec.Struct)

_MISSING = re.compile(r"missing required field `([^`]+)`")
_ENUM = re.compile(r"Invalid enum value (.+?)(?: - at |$)", re.DOTALL)
_PLACE = re.compile(r"at `\$\.?([^`]*)`")


def read_object(data: bytes, fields: type[Fields], *, read_only: Collection[str] = ()) -> Fields:
    """A body as ``fields``, whose names are the wire's.

    Fields named in ``read_only`` are ignored, since official clients send them back; any other
    unknown one is refused by name. Raises kinds of InvalidRequest, each with the field's name.
    """
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson from error
    if not isinstance(found, dict):
        raise InvalidJson
    known = {field.encode_name for field in msgspec.structs.fields(fields)}
    kept = {name: value for name, value in found.items() if name in known}
    for name in found:
        if name not in known and name not in read_only:
            raise InvalidAttribute(_legible(name))
    try:
        return msgspec.convert(kept, fields)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), kept) from error


def _refusal(text: str, found: dict[str, Any]) -> InvalidRequest:
    place = _PLACE.search(text)
    where = place.group(1) if place else ""
    missing = _MISSING.search(text)
    if missing:
        return MissingAttribute(f"{where}.{missing.group(1)}" if where else missing.group(1))
    wrong = _ENUM.search(text)
    if wrong:
        return InvalidEnumValue(_legible(wrong.group(1).strip("'\"")))
    unknown = re.search(r"unknown field `([^`]+)`", text)
    if unknown:
        name = unknown.group(1)
        return InvalidAttribute(_legible(f"{where}.{name}" if where else name))
    return InvalidAttribute(where or ", ".join(sorted(found)))


def _legible(text: str) -> str:
    """A caller's own text for an answer: bounded, and something that UTF-8 can hold."""
    return text[:100].encode("utf-8", "replace").decode()
