"""Parts of a snapshot, as Telamon's own paths take and show them."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from telamon.api.call import Wire
from telamon.errors import MissingAttribute
from telamon.model.manifest import Namespace
from telamon.model.restore_options import RestoreOptions
from telamon.model.selection import Existing, IndexStrategy, Selection

_NAMESPACE_BYTES = 255
_MOST = 1000

NamespaceText = Annotated[str, Meta(min_length=1, max_length=_NAMESPACE_BYTES)]
"""``database`` or ``database.collection``."""
Suffix = Annotated[str, Meta(max_length=_NAMESPACE_BYTES)]


class _Existing(StrEnum):
    REFUSE = "refuse"
    REPLACE = "replace"
    RENAME = "rename"


class _Indexes(StrEnum):
    ALL = "all"
    NONE = "none"
    ALL_EXCEPT_TTL = "allExceptTtl"


class Renaming(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    source_namespace: NamespaceText
    target_namespace: NamespaceText


class NewSelection(Wire, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """``query`` is MongoDB's extended JSON, as text."""

    collection_suffix: Suffix = ""
    database_suffix: Suffix = ""
    existing: _Existing = _Existing.REFUSE
    indexes: _Indexes = _Indexes.ALL
    namespaces: Annotated[list[NamespaceText], Meta(max_length=_MOST)]
    query: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    renames: Annotated[list[Renaming], Meta(max_length=_MOST)] = field(default_factory=list)


class SelectionView(Wire, kw_only=True, frozen=True):
    """``moved`` is what has another name than it was to have, since the target had that."""

    collection_suffix: str | UnsetType = UNSET
    database_suffix: str | UnsetType = UNSET
    existing: str
    indexes: str
    moved: list[Renaming]
    namespaces: list[str]
    query: str | UnsetType = UNSET
    renames: list[Renaming]


def wanted_selection(body: NewSelection) -> Selection:
    if not body.namespaces:
        raise MissingAttribute("selection.namespaces")
    return Selection(
        namespaces=tuple(body.namespaces),
        renames=tuple((each.source_namespace, each.target_namespace) for each in body.renames),
        database_suffix=body.database_suffix,
        collection_suffix=body.collection_suffix,
        indexes=IndexStrategy(body.indexes.value),
        existing=Existing(body.existing.value),
        query=body.query or None,
    )


def shown_selection(options: RestoreOptions) -> SelectionView | UnsetType:
    selection = options.selection
    if selection is None:
        return UNSET
    return SelectionView(
        collection_suffix=selection.collection_suffix or UNSET,
        database_suffix=selection.database_suffix or UNSET,
        existing=selection.existing.value,
        indexes=selection.indexes.value,
        moved=[_renaming(source, place) for source, place in options.moved],
        namespaces=list(selection.namespaces),
        query=selection.query or UNSET,
        renames=[_renaming(source, target) for source, target in selection.renames],
    )


def _renaming(source: Namespace | str, target: Namespace | str) -> Renaming:
    return Renaming(source_namespace=str(source), target_namespace=str(target))
