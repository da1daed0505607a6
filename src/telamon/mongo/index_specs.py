"""Index definitions as ``listIndexes`` tells them, made of those that the oplog has."""

from collections.abc import Iterable, Mapping
from typing import Any

from bson import decode, encode
from bson.raw_bson import RawBSONDocument
from bson.son import SON

from telamon.mongo.elements import document_of, elements

# The server answers with the members in this order (list_indexes.idl); others come behind.
_ORDER = (
    "v", "key", "name", "background", "unique", "hidden", "partialFilterExpression", "sparse",
    "expireAfterSeconds", "storageEngine", "weights", "default_language", "language_override",
    "textIndexVersion", "2dsphereIndexVersion", "bits", "min", "max", "bucketSize", "collation",
    "wildcardProjection", "coarsestIndexedLevel", "finestIndexedLevel", "dropDups", "originalSpec",
    "prepareUnique", "clustered",
)  # fmt: skip
_PLACES = {name.encode(): place for place, name in enumerate(_ORDER)}
_INTEGERS = frozenset(
    {
        "v", "expireAfterSeconds", "textIndexVersion", "2dsphereIndexVersion", "bits",
        "coarsestIndexedLevel", "finestIndexedLevel",
    }
)  # fmt: skip
_DOUBLES = frozenset({"min", "max", "bucketSize"})
_BOOLEANS = frozenset({"background", "unique", "hidden", "sparse", "dropDups", "prepareUnique"})
_LARGEST_INT32 = 2**31 - 1
_OTHER_END = {"control.min.": "control.max.", "control.max.": "control.min."}
_META = "meta"


def listed(definition: bytes, *, without: Iterable[bytes] = ()) -> bytes:
    """A definition as ``listIndexes`` tells it; ``without`` are members that are no part of it."""
    unwanted = {b"ns", *without}
    found = [one for one in elements(definition) if one.name not in unwanted]
    found.sort(key=lambda one: _PLACES.get(one.name, len(_PLACES)))
    pieces = []
    for one in found:
        piece = definition[one.start : one.end]
        name = one.name.decode()
        if name in _INTEGERS or name in _DOUBLES or name in _BOOLEANS:
            piece = _converted(name, piece)
        pieces.append(piece)
    return document_of(pieces)


def _converted(name: str, piece: bytes) -> bytes:
    value = decode(document_of([piece]))[name]
    if isinstance(value, int | float):
        if name in _BOOLEANS:
            value = bool(value)
        elif name in _DOUBLES:
            value = float(value)
        elif -_LARGEST_INT32 <= value <= _LARGEST_INT32:
            value = int(value)
    return encode({name: value})[4:-1]


def name_of(definition: bytes) -> str:
    return str(RawBSONDocument(definition)["name"])


def changed(definition: bytes, changes: Mapping[str, Any]) -> bytes:
    """With members of other values; None takes one away."""
    others = [
        definition[one.start : one.end]
        for one in elements(definition)
        if one.name.decode() not in changes
    ]
    given = {name: value for name, value in changes.items() if value is not None}
    return listed(document_of([*others, encode(given)[4:-1]]))


def of_clustered(clustered_index: bytes) -> bytes:
    """What ``listIndexes`` tells of the key of a clustered collection."""
    return changed(clustered_index, {"clustered": True})


def of_measurements(definition: bytes, meta_field: str | None) -> bytes | None:
    """The index of a time series that a definition of its buckets stands for.

    None for one that no index of a time series leads to, which the server does not tell of either.
    """
    spec = RawBSONDocument(definition)
    if "originalSpec" in spec:
        return listed(bytes(spec["originalSpec"].raw))
    key = _measured_key(spec["key"], meta_field)
    if key is None:
        return None
    others = [definition[one.start : one.end] for one in elements(definition) if one.name != b"key"]
    return listed(document_of([*others, encode({"key": key})[4:-1]]))


def _measured_key(key: Mapping[str, Any], meta_field: str | None) -> SON[str, Any] | None:
    """A measurement's field is there twice, by its least and its greatest value."""
    measured: SON[str, Any] = SON()
    fields = list(key.items())
    while fields:
        name, direction = fields.pop(0)
        if meta_field is not None and (name == _META or name.startswith(f"{_META}.")):
            measured[meta_field + name.removeprefix(_META)] = direction
            continue
        end = next((one for one in _OTHER_END if name.startswith(one)), None)
        if end is None or not fields:
            return None
        field = name.removeprefix(end)
        if fields.pop(0)[0] != _OTHER_END[end] + field:
            return None
        measured[field] = direction
    return measured
