"""The options of a restore job as its row has them: those that are not the usual ones, in JSON."""

from typing import Any

from telamon.model.restore_options import USUAL, IndexFailures, RestoreOptions


def to_json(options: RestoreOptions) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    if options.index_failures is not USUAL.index_failures:
        packed["index_failures"] = options.index_failures.value
    return packed


def from_json(packed: dict[str, Any]) -> RestoreOptions:
    return RestoreOptions(
        index_failures=IndexFailures(packed.get("index_failures", USUAL.index_failures)),
    )
