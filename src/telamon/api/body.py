"""Request bodies: JSON objects with known fields, and what is wrong with the others."""

import ast
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

# msgspec's sentences. What a caller wrote stands in the first kind only, and may look like anything.
_SENTENCE = re.compile(r"(.*?)(?: - at `\$\.?([^`]*)`)?", re.DOTALL)
_ENUM = re.compile(r"Invalid enum value (.*)", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+)`", re.DOTALL)


def read_object(data: bytes, fields: type[Fields], *, read_only: Collection[str] = ()) -> Fields:
    """A body as ``fields``, whose names are the wire's.

    Fields named in ``read_only`` are ignored, since official clients send them back; any other
    unknown one is refused by name. Clients also send null for what they leave out: an optional
    field of the body itself that is null is absent. Raises kinds of InvalidRequest, each with the field's name.
    """
    return _object(_decoded(data), fields, read_only)


def read_list(
    data: bytes, fields: type[Fields], *, read_only: Collection[str] = ()
) -> list[Fields]:
    """As ``read_object``, for a body that is a list of such objects."""
    found = _decoded(data)
    if not isinstance(found, list):
        raise InvalidJson
    return [_object(each, fields, read_only) for each in found]


def _decoded(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedJson from error


def _object(found: object, fields: type[Fields], read_only: Collection[str]) -> Fields:
    if not isinstance(found, dict):
        raise InvalidJson
    known = {field.encode_name: field.required for field in msgspec.structs.fields(fields)}
    kept = {
        name: value
        for name, value in found.items()
        if name in known and (value is not None or known[name])
    }
    for name in found:
        if name not in known and name not in read_only:
            raise InvalidAttribute(_legible(name))
    try:
        return msgspec.convert(kept, fields)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), kept) from error


def _refusal(text: str, found: dict[str, Any]) -> InvalidRequest:
    sentence = _SENTENCE.fullmatch(text)
    assert sentence is not None  # it matches anything
    problem, where = sentence.group(1), sentence.group(2) or ""
    prefix = f"{where}." if where else ""
    if wrong := _ENUM.fullmatch(problem):
        # It stands there as Python writes it: quoted and escaped.
        return InvalidEnumValue(_legible(str(ast.literal_eval(wrong.group(1)))))
    if missing := _MISSING.fullmatch(problem):
        return MissingAttribute(f"{prefix}{missing.group(1)}")
    if unknown := _UNKNOWN.fullmatch(problem):
        return InvalidAttribute(_legible(f"{prefix}{unknown.group(1)}"))
    return InvalidAttribute(where or ", ".join(sorted(found)))


def _legible(text: str) -> str:
    """A caller's own text for an answer: bounded, and something that UTF-8 can hold."""
    return text[:100].encode("utf-8", "replace").decode()
