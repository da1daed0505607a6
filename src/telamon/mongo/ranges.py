"""Dividing a big collection into ranges that are read side by side.

Ranges are bounded by record ids, the order in which documents lie on disk. The bounds are multiples
of a power of two: the next snapshot of a collection that has grown finds the same ones, and so the
same chunks.
"""

from typing import Any

from bson.binary import Binary
from pymongo.errors import OperationFailure

from telamon.model.manifest import ClusterTime, CollectionKind, CollectionSpec
from telamon.mongo.connect import Client
from telamon.mongo.cursor import KEY_NOT_FOUND, UUID_SUBTYPE, at_time, natural, token_of
from telamon.mongo.elements import id_element
from telamon.mongo.line import RAW
from telamon.mongo.read import WHOLE, Boundary, Range

SPLIT_BYTES = 64 * 1024 * 1024
"""A collection of fewer bytes is read in one piece."""
_PROBES = 64


def size_bytes(client: Client, spec: CollectionSpec) -> int:
    """What the server thinks the documents of a collection take; 0 where it does not say."""
    try:
        stats = client[spec.namespace.database].command("collStats", spec.namespace.name)
    except OperationFailure:
        return 0
    return int(stats.get("size", 0))


def split(client: Client, spec: CollectionSpec, at: ClusterTime, wanted: int) -> list[Range]:
    """Ranges that make up a collection as of ``at``, in order: ``wanted`` to twice as many.

    One for what has no numbers for record ids: clustered collections and the buckets of time
    series. Fewer where no record is found near a bound. PyMongo's errors come out as they are.
    """
    last = _last_record(client, spec, at)
    if last is None or last < wanted or wanted < 2:  # noqa: PLR2004  # one is not divided
        return [WHOLE]
    step = 1 << (last // wanted).bit_length() - 1
    boundaries = [
        boundary
        for record in range(step, last, step)
        if (boundary := _boundary(client, spec, at, record)) is not None
    ]
    return [
        Range(start=start, end=end)
        for start, end in zip([None, *boundaries], [*boundaries, None], strict=True)
    ]


def _last_record(client: Client, spec: CollectionSpec, at: ClusterTime) -> int | None:
    if spec.kind is not CollectionKind.COLLECTION:
        return None
    found = _find(client, spec, at, {"hint": {"$natural": -1}, "showRecordId": True})
    record = found.get("$recordId") if found is not None else None
    return record if isinstance(record, int) else None


def _boundary(
    client: Client, spec: CollectionSpec, at: ClusterTime, record: int
) -> Boundary | None:
    """At the first record from ``record`` on that is there; None if none is, nearby."""
    for candidate in range(record, record + _PROBES):
        try:
            found = _find(client, spec, at, natural(token_of(candidate)))
        except OperationFailure as error:
            if error.code != KEY_NOT_FOUND:
                raise
            continue
        if found is None:
            return None  # nothing comes after it
        return Boundary(record=candidate, next_id=id_element(bytes(found.raw), 0))
    return None


def _find(
    client: Client, spec: CollectionSpec, at: ClusterTime, options: dict[str, object]
) -> Any | None:
    """The one document that the options ask for."""
    assert spec.uuid is not None
    reply = client[spec.namespace.database].command(
        {
            "find": Binary(spec.uuid, UUID_SUBTYPE),
            "projection": {"_id": 1},
            "limit": 1,
            "singleBatch": True,
            "readConcern": at_time(at),
            **options,
        },
        codec_options=RAW,
    )
    found = reply["cursor"]["firstBatch"]
    return found[0] if found else None
