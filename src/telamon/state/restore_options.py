"""The options of a restore job as its row has them: those that are not the usual ones, in JSON."""

from typing import Any

from telamon.model.manifest import Namespace
from telamon.model.restore_options import USUAL, IndexFailures, RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection


def to_json(options: RestoreOptions) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    if options.index_failures is not USUAL.index_failures:
        packed["index_failures"] = options.index_failures.value
    if options.selection is not None:
        packed["selection"] = _packed(options.selection)
    if options.moved:
        packed["moved"] = [
            [source.database, source.name, place.database, place.name]
            for source, place in options.moved
        ]
    return packed


def from_json(packed: dict[str, Any]) -> RestoreOptions:
    selection = packed.get("selection")
    return RestoreOptions(
        index_failures=IndexFailures(packed.get("index_failures", USUAL.index_failures)),
        selection=None if selection is None else _selection(selection),
        moved=tuple(
            (Namespace(*each[:2]), Namespace(*each[2:])) for each in packed.get("moved", ())
        ),
    )


def _packed(selection: Selection) -> dict[str, Any]:
    return {
        "namespaces": list(selection.namespaces),
        "renames": [list(pair) for pair in selection.renames],
        "database_suffix": selection.database_suffix,
        "collection_suffix": selection.collection_suffix,
        "indexes": selection.indexes.value,
        "existing": selection.existing.value,
        "query": selection.query,
    }


def _selection(packed: dict[str, Any]) -> Selection:
    return Selection(
        namespaces=tuple(packed["namespaces"]),
        renames=tuple((source, target) for source, target in packed["renames"]),
        database_suffix=packed["database_suffix"],
        collection_suffix=packed["collection_suffix"],
        indexes=IndexStrategy(packed["indexes"]),
        existing=Existing(packed["existing"]),
        query=packed["query"],
    )
