"""What a deployment held at a moment: the catalogue of a snapshot, with changes from the oplog.

As ``read_catalog`` would have told it then.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bson.raw_bson import RawBSONDocument

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.mongo import index_specs
from telamon.mongo.catalog import BUCKETS_PREFIX, UNREAD
from telamon.mongo.collection_options import changed_options, options_of_timeseries, without
from telamon.mongo.elements import ARRAY, DOCUMENT, document_of, elements
from telamon.mongo.oplog_diff import apply_diff
from telamon.mongo.oplog_entry import Entry, is_true, member
from telamon.mongo.shadow import SHADOW_PREFIX
from telamon.mongo.transactions import command_of

VIEWS = "system.views"
_ID = b"_id"
_NO_EFFECT = frozenset({b"dbCheck", b"oplogEntry"})


@dataclass(slots=True)
class _Index:
    """``is_built`` is false while the server builds it, when nobody is told of it."""

    definition: bytes
    is_built: bool = True


@dataclass(slots=True)
class _Collection:
    """``namespace`` is the server's own: that of the buckets, of a time series.

    ``options`` and ``indexes`` are as ``CollectionSpec`` has them. ``incomplete`` says why the
    documents are not all known.
    """

    namespace: Namespace
    options: bytes
    is_timeseries: bool
    indexes: dict[str, _Index] = field(default_factory=dict)
    incomplete: str | None = None

    @property
    def meta_field(self) -> str | None:
        found = RawBSONDocument(self.options)["timeseries"].get("metaField")
        return None if found is None else str(found)

    def tells_original(self, index: bytes) -> bool:
        """Whether the server tells of an index of a time series as it was made, whatever it is now.

        So it is where the index is of measurements, or of some of the buckets only.
        """
        spec = RawBSONDocument(index)
        series = RawBSONDocument(self.options)["timeseries"]
        of_buckets = {series["timeField"], series.get("metaField")}
        fields = {name.partition(".")[0] for name in spec["key"]}
        return "partialFilterExpression" in spec or not fields <= of_buckets

    def add_index(self, definition: bytes, *, is_built: bool = True) -> None:
        """In the place of the one of that name, if there is one."""
        told: bytes | None = definition
        if self.is_timeseries:
            told = index_specs.of_measurements(definition, self.meta_field)
        if told is not None:
            index = self.indexes.setdefault(index_specs.name_of(told), _Index(b""))
            index.definition, index.is_built = told, is_built


class VirtualCatalog:
    """For one thread."""

    def __init__(self, specs: Iterable[CollectionSpec]) -> None:
        self._collections: dict[bytes, _Collection] = {}
        self._views: dict[Namespace, bytes] = {}
        self._shown_timeseries: set[Namespace] = set()
        for spec in specs:
            self._begin(spec)
        self._commands: dict[bytes, Callable[[Entry], None]] = {
            b"create": self._create,
            b"drop": self._drop,
            b"dropDatabase": self._drop_database,
            b"renameCollection": self._rename,
            b"collMod": self._modify,
            b"createIndexes": self._create_index,
            b"startIndexBuild": self._start_build,
            b"commitIndexBuild": self._commit_build,
            b"abortIndexBuild": self._abort_build,
            b"dropIndexes": self._drop_index,
            b"deleteIndexes": self._drop_index,
        }

    def has(self, uuid: bytes) -> bool:
        """Whether there is a collection of which this keeps account.

        There is none of temporary ones and shadows that were there when the snapshot was taken.
        """
        return uuid in self._collections

    def namespace_of(self, uuid: bytes) -> Namespace:
        return self._collections[uuid].namespace

    def command(self, entry: Entry) -> None:
        """Raises RestoreFailed for one whose effect is not known."""
        name = command_of(entry)
        if name in _NO_EFFECT:
            return
        act = self._commands.get(name)
        if act is None:
            raise _unknown(entry)
        act(entry)

    def change_view(self, entry: Entry) -> None:
        """An insert, update or delete of ``system.views``."""
        document = entry.what
        if entry.operation == "u":
            document = self._updated_view(entry)
        id_ = str(RawBSONDocument(document)["_id"])
        database, _, name = id_.partition(".")
        namespace = Namespace(database, name)
        self._views.pop(namespace, None)
        self._shown_timeseries.discard(namespace)
        if entry.operation == "d":
            return
        options = document_of(
            document[one.start : one.end] for one in elements(document) if one.name != _ID
        )
        if RawBSONDocument(options)["viewOn"] == BUCKETS_PREFIX + name:
            self._shown_timeseries.add(namespace)
        else:
            self._views[namespace] = options

    def specs(self) -> tuple[CollectionSpec, ...]:
        """Sorted by namespace. Raises RestoreFailed where documents of one are not all known."""
        found = [
            CollectionSpec(
                namespace=namespace,
                kind=CollectionKind.VIEW,
                options=options,
                indexes=(),
                uuid=None,
            )
            for namespace, options in self._views.items()
        ]
        for uuid, collection in self._collections.items():
            spec = self._spec(uuid, collection)
            if spec is None:
                continue
            if collection.incomplete:
                raise RestoreFailed(collection.incomplete)
            found.append(spec)
        return tuple(sorted(found, key=lambda spec: spec.namespace))

    def _begin(self, spec: CollectionSpec) -> None:
        if spec.uuid is None:
            self._views[spec.namespace] = spec.options
            return
        is_timeseries = spec.kind is CollectionKind.TIMESERIES
        namespace = spec.namespace
        if is_timeseries:
            self._shown_timeseries.add(namespace)
            namespace = Namespace(namespace.database, BUCKETS_PREFIX + namespace.name)
        indexes = {index_specs.name_of(index): _Index(index) for index in spec.indexes}
        self._collections[spec.uuid] = _Collection(namespace, spec.options, is_timeseries, indexes)

    def _spec(self, uuid: bytes, collection: _Collection) -> CollectionSpec | None:
        """None for what ``read_catalog`` does not tell of."""
        namespace, options = collection.namespace, collection.options
        if namespace.name in UNREAD or namespace.name.startswith(SHADOW_PREFIX):
            return None
        if is_true(options, b"temp"):
            return None
        if collection.is_timeseries:
            name = namespace.name.removeprefix(BUCKETS_PREFIX)
            namespace = Namespace(namespace.database, name)
            if namespace not in self._shown_timeseries:
                return None  # it is being made or dropped
        return CollectionSpec(
            namespace=namespace,
            kind=CollectionKind.TIMESERIES
            if collection.is_timeseries
            else CollectionKind.COLLECTION,
            options=options,
            indexes=tuple(one.definition for one in collection.indexes.values() if one.is_built),
            uuid=uuid,
            capped=is_true(options, b"capped"),
        )

    def _create(self, entry: Entry) -> None:
        name = _target(entry)
        options = without(entry.what, b"create", b"idIndex")
        is_timeseries = name.startswith(BUCKETS_PREFIX) and bool(
            member(options, b"timeseries", DOCUMENT)
        )
        if is_timeseries:
            options = options_of_timeseries(options)
        collection = _Collection(Namespace(entry.database, name), options, is_timeseries)
        id_index = member(entry.what, b"idIndex", DOCUMENT)
        clustered = member(options, b"clusteredIndex", DOCUMENT)
        if id_index:
            collection.add_index(index_specs.listed(id_index))
        elif clustered:
            collection.add_index(index_specs.of_clustered(clustered))
        self._collections[entry.uuid] = collection

    def _drop(self, entry: Entry) -> None:
        self._collections.pop(entry.uuid, None)
        if _target(entry) == VIEWS:
            self._drop_views(entry.database)

    def _drop_database(self, entry: Entry) -> None:
        database = entry.database
        self._drop_views(database)
        for uuid, collection in list(self._collections.items()):
            if collection.namespace.database == database:
                del self._collections[uuid]

    def _drop_views(self, database: str) -> None:
        self._views = {key: view for key, view in self._views.items() if key.database != database}
        self._shown_timeseries = {key for key in self._shown_timeseries if key.database != database}

    def _rename(self, entry: Entry) -> None:
        command = RawBSONDocument(entry.what)
        database, _, name = str(command["to"]).partition(".")
        replaced = command.get("dropTarget")
        if isinstance(replaced, bytes):
            self._collections.pop(bytes(replaced), None)
        namespace = Namespace(database, name)
        collection = self._collections.get(entry.uuid)
        if collection is None:
            # A temporary collection, or the shadow of a restore, from before the snapshot.
            collection = _Collection(namespace, document_of(()), is_timeseries=False)
            collection.incomplete = (
                f"What {namespace} holds was written in part before the snapshot, into a collection "
                "that no snapshot has: an aggregation or a restore into the deployment was running. "
                "Choose a snapshot from after that."
            )
            self._collections[entry.uuid] = collection
        collection.namespace = namespace
        if not command.get("stayTemp"):
            collection.options = without(collection.options, b"temp")

    def _modify(self, entry: Entry) -> None:
        collection = self._collections.get(entry.uuid)
        if collection is None:
            return
        index = member(entry.what, b"index", DOCUMENT)
        if index:
            self._modify_index(entry, collection, RawBSONDocument(index))
        changes = without(entry.what, b"collMod", b"index")
        collection.options = changed_options(collection.options, changes, collection.namespace)

    @staticmethod
    def _modify_index(entry: Entry, collection: _Collection, change: RawBSONDocument) -> None:
        known = collection.indexes.get(str(change["name"]))
        if known is None:
            raise _unknown(entry)
        if collection.is_timeseries and collection.tells_original(known.definition):
            return
        members: dict[str, object] = {}
        for name, value in change.items():
            if name == "name":
                continue
            if name not in {"expireAfterSeconds", "hidden", "prepareUnique", "unique"}:
                raise _unknown(entry)
            members[name] = value if name == "expireAfterSeconds" or value else None
            if name == "unique":
                members["prepareUnique"] = None
        known.definition = index_specs.changed(known.definition, members)

    def _create_index(self, entry: Entry) -> None:
        collection = self._collections.get(entry.uuid)
        if collection is not None:
            collection.add_index(index_specs.listed(entry.what, without=(b"createIndexes",)))

    def _start_build(self, entry: Entry) -> None:
        self._add_indexes(entry, is_built=False)

    def _commit_build(self, entry: Entry) -> None:
        self._add_indexes(entry, is_built=True)

    def _add_indexes(self, entry: Entry, *, is_built: bool) -> None:
        collection = self._collections.get(entry.uuid)
        if collection is not None:
            for definition in _definitions(entry):
                collection.add_index(index_specs.listed(definition), is_built=is_built)

    def _abort_build(self, entry: Entry) -> None:
        collection = self._collections.get(entry.uuid)
        if collection is not None:
            for definition in _definitions(entry):
                collection.indexes.pop(index_specs.name_of(definition), None)

    def _drop_index(self, entry: Entry) -> None:
        collection = self._collections.get(entry.uuid)
        if collection is not None:
            collection.indexes.pop(str(RawBSONDocument(entry.what)["index"]), None)

    def _updated_view(self, entry: Entry) -> bytes:
        if not any(one.name == b"$v" for one in elements(entry.what)):
            return entry.what
        id_ = str(RawBSONDocument(entry.which)["_id"])
        database, _, name = id_.partition(".")
        options = self._views.get(Namespace(database, name))
        if options is None:
            raise _unknown(entry)
        before = document_of((entry.which[4:-1], options[4:-1]))
        return apply_diff(before, member(entry.what, b"diff", DOCUMENT))


def _definitions(entry: Entry) -> list[bytes]:
    array = member(entry.what, b"indexes", ARRAY)
    return [array[one.value : one.end] for one in elements(array)]


def _target(entry: Entry) -> str:
    """The collection that a command names in its first member."""
    first = next(elements(entry.what))
    return entry.what[first.value + 4 : first.end - 1].decode()


def _unknown(entry: Entry) -> RestoreFailed:
    form = command_of(entry).decode(errors="replace") or entry.operation
    return RestoreFailed(
        f"The oplog has an entry of {entry.namespace} of a form that is not known: {form}."
    )
