"""What a deployment holds: collections, views and time series, with options and indexes as bytes."""

from collections.abc import Iterator
from typing import Any

from bson.binary import UUID_SUBTYPE, Binary
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.mongo.connect import Client
from telamon.mongo.cursor import raw_documents
from telamon.mongo.shadow import SHADOW_PREFIX, user_databases
from telamon.mongo.write import NAMESPACE_NOT_FOUND, Commands

BUCKETS_PREFIX = "system.buckets."
# Views are made again by create, and the profiler's records are of this server only.
UNREAD = frozenset({"system.views", "system.profile"})

Raw = RawBSONDocument


def read_catalog(client: Client) -> tuple[CollectionSpec, ...]:
    """Every collection, view and time series of the user's databases, sorted by namespace.

    The indexes of a time series are told in terms of its measurements, as createIndexes takes them.
    Left out: indexes that are still being built, temporary collections (the server drops them when
    it starts) and the shadows of a restore. Not atomic: a collection that goes away in between may
    be missing. Raises PyMongo's errors.
    """
    specs = [spec for name in user_databases(client) for spec in _read_database(client[name])]
    return tuple(sorted(specs, key=lambda spec: spec.namespace))


def list_collections(database: Commands, name: str | None = None) -> dict[str, Raw]:
    """The answer of listCollections by name, for all collections and views or one of them."""
    condition = {} if name is None else {"name": name}
    found = _entries(database, {"listCollections": 1, "filter": condition})
    return {entry["name"]: entry for entry in found}


def uuid_of(database: Commands, name: str) -> Binary:
    """By which the server calls a collection. Raises RestoreFailed if there is none."""
    entry = list_collections(database, name).get(name)
    if entry is None:
        raise RestoreFailed(f"{name} was dropped by somebody during the restore.")
    return Binary(bytes(entry["info"]["uuid"]), UUID_SUBTYPE)


def _read_database(database: Commands) -> Iterator[CollectionSpec]:
    listed = list_collections(database)
    for name, entry in listed.items():
        if name in UNREAD or name.startswith(SHADOW_PREFIX) or entry["options"].get("temp"):
            continue
        if _measurements(name) in listed:
            continue  # told of with its time series
        spec = _read_collection(database, entry, listed)
        if spec is not None:
            yield spec


def _measurements(name: str) -> str | None:
    """The time series whose buckets a collection of this name holds."""
    return name.removeprefix(BUCKETS_PREFIX) if name.startswith(BUCKETS_PREFIX) else None


def _read_collection(
    database: Commands, entry: Raw, listed: dict[str, Raw]
) -> CollectionSpec | None:
    """None for a collection that is gone by now."""
    kind = CollectionKind(entry["type"])
    indexes: tuple[bytes, ...] | None = ()
    uuid = None
    if kind is not CollectionKind.VIEW:
        is_timeseries = kind is CollectionKind.TIMESERIES
        holder = listed.get(BUCKETS_PREFIX + entry["name"]) if is_timeseries else entry
        indexes = _read_indexes(database, entry["name"])
        if holder is None:
            return None
        uuid = bytes(holder["info"]["uuid"])
    if indexes is None:
        return None
    return CollectionSpec(
        namespace=Namespace(database.name, entry["name"]),
        kind=kind,
        options=bytes(entry["options"].raw),
        indexes=indexes,
        uuid=uuid,
        capped=bool(entry["options"].get("capped", False)),
    )


def _read_indexes(database: Commands, name: str) -> tuple[bytes, ...] | None:
    """None for a collection that is gone by now."""
    try:
        found = _entries(database, {"listIndexes": name, "includeBuildUUIDs": True})
    except OperationFailure as error:
        if error.code == NAMESPACE_NOT_FOUND:
            return None
        raise
    # An index that is being built is {spec: the index, buildUUID: the build}.
    return tuple(bytes(index.raw) for index in found if "buildUUID" not in index)


def _entries(database: Commands, command: dict[str, Any]) -> list[Raw]:
    return list(raw_documents(database, command))
