"""Indexes made again from what the catalogue told of them, and what is done about those that fail.

Those with a time to live (TTL) come last of all, in the swap, so that the server deletes nothing in
mid-restore. What could fail about them is tried out before.
"""

from collections.abc import Collection, Sequence

from bson import encode, json_util
from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionSpec
from telamon.model.restore_evidence import SkippedIndex
from telamon.model.restore_options import IndexFailures
from telamon.mongo.connect import reason, translated
from telamon.mongo.elements import has_element, without_elements
from telamon.mongo.write import IN_MEMORY, Commands, drop

TTL = b"expireAfterSeconds"
_SIMPLE_COLLATION = encode({"collation": {"locale": "simple"}})[4:-1]
# Servers before 4.4 say it of an index; later ones do not take it.
_UNWANTED = b"ns"
# The server's codes for what is no fault of an index: rights, a collection that is gone, an end of
# the operation or the server, another primary, a full disk.
_NOT_THE_INDEXS_FAULT = frozenset(
    {13, 26, 50, 91, 189, 262, 276, 10107, 11600, 11601, 11602, 13435, 13436, 14031}
)

Skipped = tuple[SkippedIndex, ...]


def id_index(spec: CollectionSpec) -> RawBSONDocument | None:
    """As ``create`` takes it. None of a clustered collection, and where there is none."""
    for index in spec.indexes:
        if is_id_index(index) and not _is_clustered(index):
            return _definition(spec, index)
    return None


def secondary(spec: CollectionSpec) -> list[bytes]:
    return [index for index in spec.indexes if not is_id_index(index)]


def lasting(spec: CollectionSpec) -> list[bytes]:
    """Secondary indexes by which the server deletes nothing."""
    return [index for index in secondary(spec) if not has_element(index, TTL)]


def expiring(spec: CollectionSpec, skipped: Collection[str] = ()) -> list[bytes]:
    """The others, but for those of the names ``skipped``."""
    return [
        index
        for index in secondary(spec)
        if has_element(index, TTL) and name_of(index) not in skipped
    ]


def fallible(spec: CollectionSpec) -> list[bytes]:
    """Expiring indexes that documents may be in the way of: as plain ones, they are built before."""
    return [index for index in expiring(spec) if _depends_on_documents(index)]


def name_of(index: bytes) -> str:
    return str(RawBSONDocument(index)["name"])


def build(
    commands: Commands,
    name: str,
    spec: CollectionSpec,
    indexes: Sequence[bytes],
    *,
    failures: IndexFailures,
    plain: bool = False,
) -> Skipped:
    """Build ``indexes`` of ``spec`` on the collection ``name``, in one scan unless one fails.

    With ``plain``, as if they had no time to live. Raises RestoreFailed with the definition of the
    index at fault and the server's reason, or goes on without it and answers it, as ``failures`` says.
    """
    skipped: list[SkippedIndex] = []
    left = list(indexes)
    while left:
        failure = _attempt(commands, name, spec, left, plain=plain)
        if failure is None:
            break
        code, said = failure
        named = [index for index in left if f" {name_of(index)} " in f" {said} "]
        if failures is IndexFailures.FAIL or code in _NOT_THE_INDEXS_FAULT:
            told = ", ".join(_json(index) for index in named or left)
            raise RestoreFailed(
                f"The indexes of {spec.namespace} could not be built: {told}: {said}"
            )
        if len(left) == 1:
            skipped.append(_skipped(left.pop(), said))
        elif len(named) == 1:
            skipped.append(_skipped(named[0], said))
            left.remove(named[0])
        else:  # nobody knows which one it is
            for index in left:
                skipped += build(commands, name, spec, [index], failures=failures, plain=plain)
            break
    return tuple(skipped)


def try_out(
    commands: Commands,
    name: str,
    spec: CollectionSpec,
    indexes: Sequence[bytes],
    *,
    failures: IndexFailures,
) -> Skipped:
    """Whether the server takes the definitions: built on a collection ``name`` that is there for it."""
    if not indexes:
        return ()
    try:
        return build(commands, name, spec, indexes, failures=failures)
    finally:
        drop(commands, name)


def finish_expiring(commands: Commands, spec: CollectionSpec, skipped: Collection[str]) -> None:
    """Build the expiring indexes that the collection in its place has not yet.

    Takes the place of the plain one of the same name, if there is one. Raises as ``build``.
    """
    wanted = expiring(spec, skipped)
    if not wanted:
        return
    name = spec.namespace.name
    there = {
        str(index["name"]): TTL.decode() in index
        for index in commands.cursor_command({"listIndexes": name})
    }
    missing = [index for index in wanted if not there.get(name_of(index), False)]
    replaced = [name_of(index) for index in missing if name_of(index) in there]
    with translated(RestoreFailed, f"The indexes of {spec.namespace} could not be replaced"):
        for each in replaced:
            commands.command({"dropIndexes": name, "index": each, "writeConcern": IN_MEMORY})
    build(commands, name, spec, missing, failures=IndexFailures.FAIL)


def _attempt(
    commands: Commands, name: str, spec: CollectionSpec, indexes: Sequence[bytes], *, plain: bool
) -> tuple[int | None, str] | None:
    """The server's code and reason if it builds none of them."""
    command = {
        "createIndexes": name,
        "indexes": [_definition(spec, index, plain=plain) for index in indexes],
        "writeConcern": IN_MEMORY,
    }
    with translated(RestoreFailed, f"The indexes of {spec.namespace} could not be built"):
        try:
            commands.command(command)
        except OperationFailure as error:
            return error.code, reason(error).replace(name, spec.namespace.name)
    return None


def _definition(spec: CollectionSpec, index: bytes, *, plain: bool = False) -> RawBSONDocument:
    """The index as createIndexes takes it to make the same one."""
    content = without_elements(index, {_UNWANTED, TTL} if plain else {_UNWANTED})
    if not has_element(index, b"collation") and has_element(spec.options, b"collation"):
        # An index without a collation would inherit the collection's (MongoDB manual, collation).
        content += _SIMPLE_COLLATION
    return RawBSONDocument((len(content) + 5).to_bytes(4, "little") + content + b"\x00")


def _depends_on_documents(index: bytes) -> bool:
    document = RawBSONDocument(index)
    kinds = dict(document["key"]).values()
    return bool(document.get("unique", False)) or any(isinstance(kind, str) for kind in kinds)


def is_id_index(index: bytes) -> bool:
    return name_of(index) == "_id_"


def _is_clustered(index: bytes) -> bool:
    return bool(RawBSONDocument(index).get("clustered", False))


def _skipped(index: bytes, said: str) -> SkippedIndex:
    return SkippedIndex(name=name_of(index), definition=_json(index), reason=said)


def _json(index: bytes) -> str:
    return json_util.dumps(RawBSONDocument(index))
