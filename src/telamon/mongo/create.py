"""Collections, views, time series and indexes made again from what the catalogue told of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from bson import encode, json_util
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec
from telamon.mongo.connect import reason, translated
from telamon.mongo.elements import Element, elements
from telamon.mongo.write import IN_MEMORY, Commands

_SIMPLE_COLLATION = encode({"collation": {"locale": "simple"}})[4:-1]
# Servers before 4.4 say it of an index; later ones do not take it.
_UNWANTED = b"ns"


def create(commands: Commands, name: str, spec: CollectionSpec) -> None:
    """Make an empty collection, a view or a time series with the options of ``spec``.

    Secondary indexes come later. Raises RestoreFailed with the server's reason.
    """
    command: dict[str, Any] = {"create": name, **RawBSONDocument(spec.options)}
    command["writeConcern"] = IN_MEMORY
    if spec.kind is CollectionKind.COLLECTION:
        for index in spec.indexes:
            if _is_id_index(index) and not _is_clustered(index):
                command["idIndex"] = _index(spec, index)
    with translated(RestoreFailed, f"{spec.namespace} could not be created"):
        commands.command(command)


def create_indexes(commands: Commands, name: str, spec: CollectionSpec) -> None:
    """Build all secondary indexes of ``spec`` in one scan of the collection.

    Raises RestoreFailed with the definition of the index at fault and the server's reason.
    """
    indexes = [index for index in spec.indexes if not _is_id_index(index)]
    if not indexes:
        return
    command = {
        "createIndexes": name,
        "indexes": [_index(spec, index) for index in indexes],
        "writeConcern": IN_MEMORY,
    }
    with translated(RestoreFailed, f"The indexes of {spec.namespace} could not be built"):
        try:
            commands.command(command)
        except OperationFailure as error:
            said = reason(error).replace(name, spec.namespace.name)
            raise RestoreFailed(
                f"The indexes of {spec.namespace} could not be built: "
                f"{_definitions(indexes, said)}: {said}"
            ) from error


def expires(spec: CollectionSpec) -> bool:
    """Whether the server deletes documents by itself as soon as they are in the collection."""
    return _has(elements(spec.options), b"expireAfterSeconds")


def _index(spec: CollectionSpec, index: bytes) -> RawBSONDocument:
    """The index as createIndexes takes it to make the same one."""
    found = list(elements(index))
    content = b"".join(index[one.start : one.end] for one in found if one.name != _UNWANTED)
    if not _has(found, b"collation") and _has(elements(spec.options), b"collation"):
        # An index without a collation would inherit the collection's (MongoDB manual, collation).
        content += _SIMPLE_COLLATION
    return RawBSONDocument((len(content) + 5).to_bytes(4, "little") + content + b"\x00")


def _has(found: Iterable[Element], name: bytes) -> bool:
    return any(element.name == name for element in found)


def _is_id_index(index: bytes) -> bool:
    return bool(RawBSONDocument(index)["name"] == "_id_")


def _is_clustered(index: bytes) -> bool:
    return bool(RawBSONDocument(index).get("clustered", False))


def _definitions(indexes: Sequence[bytes], said: str) -> str:
    """The index that the server's sentence names, else all that were asked for."""
    documents = [RawBSONDocument(index) for index in indexes]
    named = [one for one in documents if f" {one['name']} " in f" {said} "]
    return ", ".join(json_util.dumps(one) for one in named or documents)
