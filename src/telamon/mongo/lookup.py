"""Documents by their ``_id``, as of a time, without decoding either."""

from collections.abc import Iterator, Sequence

from bson.binary import Binary
from bson.raw_bson import RawBSONDocument

from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client
from telamon.mongo.cursor import UUID_SUBTYPE, at_time, raw_documents
from telamon.mongo.elements import id_element

_ID_NAME_END = 4  # in an element: after its type and the name, before the name's zero byte


def find_by_id(
    client: Client, database: str, uuid: bytes, ids: Sequence[bytes], at: ClusterTime
) -> Iterator[tuple[bytes, bytes]]:
    """The documents of a collection with these ``_id`` elements as of ``at``, each after its own.

    Those that are not there are left out. Exact where the server is not: 1 and 1.0 are one value to
    it, and so may be two strings under a collation.
    """
    wanted = set(ids)
    command = {
        "find": Binary(uuid, UUID_SUBTYPE),
        "filter": {"_id": _in(ids)},
        "readConcern": at_time(at),
    }
    for found in raw_documents(client[database], command):
        document = bytes(found.raw)
        id_ = id_element(document, 0)
        if id_ in wanted:
            yield id_, document


def _in(ids: Sequence[bytes]) -> RawBSONDocument:
    """``{"$in": [...]}`` of ``_id`` elements, as bytes: decoding could change a value."""
    items = b"".join(
        id_[:1] + str(number).encode() + id_[_ID_NAME_END:] for number, id_ in enumerate(ids)
    )
    listed = (len(items) + 5).to_bytes(4, "little") + items + b"\0"
    element = b"\x04$in\0" + listed
    return RawBSONDocument((len(element) + 5).to_bytes(4, "little") + element + b"\0")
