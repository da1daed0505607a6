"""Which part of a snapshot, or of a moment, a restore brings back, and under which names.

Pure: names go in and come out. What a target holds under those names is for others to ask.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from telamon.errors import InvalidSelection
from telamon.model.manifest import CollectionKind, Namespace

FUNCTIONS = "system.js"
"""The collection of a database's stored functions. The server knows it by this name only."""

_OWN_PREFIX = "telamon.shadow."
_SERVERS_DATABASES = frozenset({"admin", "config", "local"})
# The limits of names in the MongoDB manual, on Linux.
_NOT_IN_DATABASES = frozenset('/\\. "$\0')
_NOT_IN_COLLECTIONS = frozenset("$\0")
_DATABASE_BYTES = 63
_NAMESPACE_BYTES = 255
_BUCKETS_PREFIX = "system.buckets."
_NOTHING = "it names no database and no collection"

Places = Mapping[Namespace, Namespace]
"""Under which name each chosen namespace is restored."""


class IndexStrategy(StrEnum):
    """Which indexes are built; that of ``_id`` always is. Words of Telamon's own paths."""

    ALL = "all"
    NONE = "none"
    ALL_EXCEPT_TTL = "allExceptTtl"
    """Those that make the server delete documents are left out."""


class Existing(StrEnum):
    """What happens where the target holds a namespace of a name that is restored to."""

    REFUSE = "refuse"
    """Nothing is restored."""
    REPLACE = "replace"
    """The restored one takes its place."""
    RENAME = "rename"
    """It stays, and the restored one gets a name that is free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A part of a snapshot, or of what was there at a moment.

    ``namespaces`` are ``database`` or ``database.collection``. ``renames`` are pairs of two of the
    same form. A renamed database or collection has the name it was given; the suffixes are for all
    others. ``query`` is one of MongoDB's, in its extended JSON.
    """

    namespaces: tuple[str, ...]
    renames: tuple[tuple[str, str], ...] = ()
    database_suffix: str = ""
    collection_suffix: str = ""
    indexes: IndexStrategy = IndexStrategy.ALL
    existing: Existing = Existing.REFUSE
    query: str | None = None

    def require_readable(self) -> None:
        """Raises InvalidSelection for what no contents could have."""
        if not self.namespaces:
            raise InvalidSelection(_NOTHING)
        for text in self.namespaces:
            if not is_database(text):
                _namespace(text)

    def places(self, contents: Mapping[Namespace, CollectionKind]) -> dict[Namespace, Namespace]:
        """What is chosen of these contents, and the name of each in the target.

        Raises InvalidSelection with one sentence about the first thing that cannot be.
        """
        chosen = _chosen(self.namespaces, contents)
        renaming = _Renaming.of(self, chosen)
        places = {source: renaming.place(source) for source in chosen}
        for source, place in places.items():
            _require_name(source, place, contents[source])
        _require_distinct(places)
        if self.query is not None:
            _require_filterable(chosen, contents)
        return places


def with_free_names(places: Places, taken: Collection[Namespace]) -> dict[Namespace, Namespace]:
    """``places`` with another name for each that is ``taken`` in the target.

    Raises InvalidSelection where there is none.
    """
    used = set(taken) | set(places.values())
    found = {}
    for source, place in places.items():
        if place in taken:
            if place.name == FUNCTIONS:
                raise InvalidSelection(
                    f"the target has stored functions in {place}, which cannot have another name"
                )
            free = next(name for name in _variants(place) if name not in used)
            _require_name(source, free, CollectionKind.TIMESERIES)  # whose names are the shortest
            used.add(free)
            found[source] = free
        else:
            found[source] = place
    return found


def is_database(namespace: str) -> bool:
    """Whether it is a database and no collection: the name of a database has no dot."""
    return "." not in namespace


@dataclass(frozen=True, slots=True)
class _Renaming:
    databases: Mapping[str, str]
    collections: Mapping[Namespace, Namespace]
    database_suffix: str
    collection_suffix: str

    @classmethod
    def of(cls, selection: Selection, chosen: Collection[Namespace]) -> Self:
        databases: dict[str, str] = {}
        collections: dict[Namespace, Namespace] = {}
        known = {namespace.database for namespace in chosen}
        for source, target in selection.renames:
            if is_database(source) is not is_database(target):
                raise InvalidSelection(
                    f"{source} cannot become {target}: one is a database, the other a collection"
                )
            if is_database(source):
                is_chosen, is_repeated = source in known, source in databases
                databases[source] = target
            else:
                namespace = _namespace(source)
                is_chosen, is_repeated = namespace in chosen, namespace in collections
                collections[namespace] = _namespace(target)
            if not is_chosen:
                raise InvalidSelection(f"{source} is to be renamed, but it is not chosen")
            if is_repeated:
                raise InvalidSelection(f"{source} is renamed twice")
        return cls(databases, collections, selection.database_suffix, selection.collection_suffix)

    def place(self, source: Namespace) -> Namespace:
        if source in self.collections:
            return self.collections[source]
        database = self.databases.get(source.database, source.database + self.database_suffix)
        is_fixed = source.name == FUNCTIONS
        return Namespace(database, source.name + ("" if is_fixed else self.collection_suffix))


def _chosen(
    namespaces: Iterable[str], contents: Mapping[Namespace, CollectionKind]
) -> list[Namespace]:
    found: set[Namespace] = set()
    for text in namespaces:
        if is_database(text):
            matching = {namespace for namespace in contents if namespace.database == text}
            what = "database"
        else:
            matching = {_namespace(text)} & contents.keys()
            what = "collection"
        if not matching:
            raise InvalidSelection(f"there is no {what} {text} to restore")
        found |= matching
    if not found:
        raise InvalidSelection(_NOTHING)
    return sorted(found)


def _namespace(text: str) -> Namespace:
    database, _, name = text.partition(".")
    if not database or not name:
        raise InvalidSelection(f"{text} is neither a database nor a database.collection")
    return Namespace(database, name)


def _require_name(source: Namespace, place: Namespace, kind: CollectionKind) -> None:
    wrong = _wrong_database(place.database) or _wrong_collection(place, kind)
    if FUNCTIONS in {source.name, place.name}:
        if source.name != place.name:
            wrong = f"only stored functions can be, and have to be, in {FUNCTIONS}"
    elif place.name.startswith("system."):
        wrong = "names that begin with system. are the server's own"
    if wrong:
        raise InvalidSelection(f"{source} cannot become {place}: {wrong}")


def _wrong_database(name: str) -> str:
    if name in _SERVERS_DATABASES:
        return f"the database {name} is the server's own"
    if not name or len(name.encode()) > _DATABASE_BYTES:
        return f"the name of a database has 1 to {_DATABASE_BYTES} bytes"
    if not _NOT_IN_DATABASES.isdisjoint(name):
        return 'the name of a database has none of / \\ . " $, no blank and no zero'
    return ""


def _wrong_collection(place: Namespace, kind: CollectionKind) -> str:
    if place.name.startswith(_OWN_PREFIX):
        return f"names that begin with {_OWN_PREFIX} are Telamon's own"
    if not place.name or place.name.startswith("."):
        return "the name of a collection does not begin with a dot"
    if not _NOT_IN_COLLECTIONS.isdisjoint(place.name):
        return "the name of a collection has no $ and no zero"
    prefix = _BUCKETS_PREFIX if kind is CollectionKind.TIMESERIES else ""
    if len(f"{place.database}.{prefix}{place.name}".encode()) > _NAMESPACE_BYTES:
        return f"a database and a collection have {_NAMESPACE_BYTES} bytes together at most"
    return ""


def _require_distinct(places: Places) -> None:
    sources: dict[Namespace, Namespace] = {}
    for source, place in places.items():
        if place in sources:
            raise InvalidSelection(f"{sources[place]} and {source} would both become {place}")
        sources[place] = source
    databases: dict[str, str] = {}
    for place in places.values():
        other = databases.setdefault(place.database.lower(), place.database)
        if other != place.database:
            raise InvalidSelection(
                f"a server does not take the databases {other} and {place.database} together"
            )


def _require_filterable(
    chosen: Iterable[Namespace], contents: Mapping[Namespace, CollectionKind]
) -> None:
    for namespace in chosen:
        if contents[namespace] is CollectionKind.TIMESERIES:
            raise InvalidSelection(
                f"the time series {namespace} cannot be filtered by a query, since it is kept "
                "as buckets of many measurements each"
            )


def _variants(taken: Namespace) -> Iterator[Namespace]:
    yield Namespace(taken.database, f"{taken.name}_restored")
    number = 2
    while True:
        yield Namespace(taken.database, f"{taken.name}_restored_{number}")
        number += 1
