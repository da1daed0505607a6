"""Options of collections as ``listCollections`` tells them, and what ``collMod`` makes of them."""

from collections.abc import Callable
from typing import Any

from bson import encode
from bson.int64 import Int64
from bson.raw_bson import RawBSONDocument

from telamon.errors import RestoreFailed
from telamon.model.manifest import Namespace
from telamon.mongo.elements import document_of, elements

# The server writes them in this order (CollectionOptions); others come behind.
_ORDER = (
    "capped", "size", "max", "autoIndexId", "temp", "recordPreImages",
    "changeStreamPreAndPostImages", "storageEngine", "indexOptionDefaults", "validator",
    "validationLevel", "validationAction", "collation", "viewOn", "pipeline", "clusteredIndex",
    "expireAfterSeconds", "timeseries", "encryptedFields",
)  # fmt: skip
_PLACES = {name.encode(): place for place, name in enumerate(_ORDER)}
_OF_BUCKETS_ONLY = (b"validator", b"validationLevel", b"validationAction", b"clusteredIndex")
_SPAN_SECONDS = {"seconds": 3600, "minutes": 86_400, "hours": 2_592_000}
_LARGEST_INT32 = 2**31 - 1

Members = dict[str, Any]


def without(document: bytes, *names: bytes) -> bytes:
    """A document without some of its members."""
    return document_of(
        document[one.start : one.end] for one in elements(document) if one.name not in names
    )


def options_of_timeseries(options: bytes) -> bytes:
    """Those of a time series, of those of the collection that holds its buckets."""
    return without(options, *_OF_BUCKETS_ONLY)


def changed_options(options: bytes, changes: bytes, namespace: Namespace) -> bytes:
    """After a ``collMod`` of the oplog with ``changes``.

    Raises RestoreFailed for a change that is not known, naming it.
    """
    present: Members = dict(RawBSONDocument(options))
    for name, value in RawBSONDocument(changes).items():
        act = _CHANGES.get(name)
        if act is None:
            raise RestoreFailed(
                f"The oplog has a collMod of {namespace} of a form that is not known: {name}."
            )
        act(present, value)
    return _ordered(present)


def _ordered(present: Members) -> bytes:
    encoded = encode(present)
    found = sorted(elements(encoded), key=lambda one: _PLACES.get(one.name, len(_PLACES)))
    return document_of(encoded[one.start : one.end] for one in found)


def _set_validator(options: Members, value: RawBSONDocument) -> None:
    if len(value):
        options["validator"] = value
    else:
        options.pop("validator", None)
    _complete_validation(options)


def _complete_validation(options: Members) -> None:
    options.setdefault("validationLevel", "strict")
    options.setdefault("validationAction", "error")


def _set_validation(name: str) -> Callable[[Members, Any], None]:
    def act(options: Members, value: Any) -> None:
        options[name] = value
        _complete_validation(options)

    return act


def _set_images(options: Members, value: RawBSONDocument) -> None:
    if value["enabled"]:
        options["changeStreamPreAndPostImages"] = value
    else:
        options.pop("changeStreamPreAndPostImages", None)


def _set_flag(name: str) -> Callable[[Members, Any], None]:
    def act(options: Members, value: Any) -> None:
        if value:
            options[name] = True
        else:
            options.pop(name, None)

    return act


def _set_number(name: str) -> Callable[[Members, Any], None]:
    def act(options: Members, value: Any) -> None:
        options[name] = _number(value)

    return act


def _set_expiry(options: Members, value: Any) -> None:
    if value == "off":
        options.pop("expireAfterSeconds", None)
    else:
        options["expireAfterSeconds"] = Int64(value)


def _set_timeseries(options: Members, value: RawBSONDocument) -> None:
    series: Members = dict(options["timeseries"])
    granularity = value.get("granularity")
    if granularity is not None:
        series["granularity"] = granularity
        series["bucketMaxSpanSeconds"] = _SPAN_SECONDS[granularity]
    else:
        series.pop("granularity", None)
    for name in ("bucketMaxSpanSeconds", "bucketRoundingSeconds"):
        if name in value:
            series[name] = value[name]
    options["timeseries"] = series


def _number(value: float) -> int:
    whole = int(value)
    return whole if abs(whole) <= _LARGEST_INT32 else Int64(whole)


_CHANGES: dict[str, Callable[[Members, Any], None]] = {
    "cappedMax": _set_number("max"),
    "cappedSize": _set_number("size"),
    "changeStreamPreAndPostImages": _set_images,
    "expireAfterSeconds": _set_expiry,
    "recordPreImages": _set_flag("recordPreImages"),
    "timeseries": _set_timeseries,
    "validationAction": _set_validation("validationAction"),
    "validationLevel": _set_validation("validationLevel"),
    "validator": _set_validator,
}
