"""Collections, views and time series made again from what the catalogue told of them."""

from typing import Any

from bson.raw_bson import RawBSONDocument

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec
from telamon.mongo.connect import translated
from telamon.mongo.elements import has_element
from telamon.mongo.indexes import TTL, id_index
from telamon.mongo.write import IN_MEMORY, Commands

_TTL = TTL.decode()


def create(commands: Commands, name: str, spec: CollectionSpec) -> None:
    """Make an empty collection, a view or a time series with the options of ``spec``.

    Secondary indexes come later, and so does the time to live of a clustered collection or a time
    series: ``set_expiry``. Raises RestoreFailed with the server's reason.
    """
    options = {key: value for key, value in _options(spec).items() if key != _TTL}
    command: dict[str, Any] = {"create": name, **options, "writeConcern": IN_MEMORY}
    if spec.kind is CollectionKind.COLLECTION:
        index = id_index(spec)
        if index is not None:
            command["idIndex"] = index
    with translated(RestoreFailed, f"{spec.namespace} could not be created"):
        commands.command(command)


def expires(spec: CollectionSpec) -> bool:
    """Whether the server deletes documents by their age without an index that says so."""
    return has_element(spec.options, TTL)


def set_expiry(commands: Commands, spec: CollectionSpec) -> None:
    """Let the server delete documents by their age from here on, if ``spec`` says so. Idempotent."""
    seconds = _options(spec).get(_TTL)
    if seconds is None:
        return
    with translated(RestoreFailed, f"The time to live of {spec.namespace} could not be set"):
        commands.command({"collMod": spec.namespace.name, _TTL: seconds, "writeConcern": IN_MEMORY})


def _options(spec: CollectionSpec) -> RawBSONDocument:
    return RawBSONDocument(spec.options)
