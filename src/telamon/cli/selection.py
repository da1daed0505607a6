"""The options of ``telamon restore start`` that choose a part of a snapshot."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from cyclopts import Parameter

from telamon.errors import InvalidAttribute, MissingAttribute
from telamon.model.selection import Existing, IndexStrategy


@dataclass(frozen=True, kw_only=True)
class Part:
    """What of a snapshot or a moment is restored, and under which names."""

    ns: Annotated[list[str], Parameter(negative=())] = field(default_factory=list)
    """A database, or a collection as database.collection; may be repeated."""
    rename: Annotated[list[str], Parameter(negative=())] = field(default_factory=list)
    """What has another name in the target, as shop.orders=shop.orders_old or shop=shop_old; may be
    repeated."""
    suffix: str = ""
    """Follows the name of every collection that --rename does not name."""
    database_suffix: str = ""
    """Follows the name of every database that --rename does not name."""
    query: Annotated[str, Parameter(allow_leading_hyphen=True)] = ""
    """Only documents that match it are restored; MongoDB's extended JSON."""
    indexes: IndexStrategy = IndexStrategy.ALL
    """Which indexes are built."""
    replace: Annotated[bool, Parameter(negative=())] = False
    """What the target has under a name that is restored to is replaced; without, nothing is restored."""


def selection_body(part: Part | None) -> dict[str, Any]:
    """For the body of a request. Raises MissingAttribute for options of a part that is not named."""
    if part is None or part == Part():
        return {}
    if not part.ns:
        raise MissingAttribute("--ns")
    selection: dict[str, Any] = {
        "collectionSuffix": part.suffix,
        "databaseSuffix": part.database_suffix,
        "existing": (Existing.REPLACE if part.replace else Existing.REFUSE).value,
        "indexes": part.indexes.value,
        "namespaces": part.ns,
        "renames": [_renaming(text) for text in part.rename],
    }
    if part.query:
        selection["query"] = part.query
    return {"selection": selection}


def _renaming(text: str) -> dict[str, str]:
    source, equals, target = text.partition("=")
    if not (source and equals and target):
        raise InvalidAttribute(f"--rename {text}")
    return {"sourceNamespace": source, "targetNamespace": target}
