"""The second half of a restore: what was loaded takes the place of what was there.

Every step looks at what the deployment holds before it acts, so the whole may be killed anywhere
and run again.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pymongo.errors import OperationFailure

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.model.restore_options import IndexFailures
from telamon.model.selection import FUNCTIONS
from telamon.mongo import indexes
from telamon.mongo.catalog import BUCKETS_PREFIX, UNREAD, list_collections
from telamon.mongo.connect import Client
from telamon.mongo.create import create, expires, set_expiry
from telamon.mongo.evidence import Evidence, Stopwatch, count_indexes
from telamon.mongo.fill import EMPTY, Filler, Source
from telamon.mongo.shadow import SHADOW_PREFIX, shadow_name, user_databases
from telamon.mongo.write import IN_MEMORY, drop

Step = Callable[[], None]

_NAMESPACE_EXISTS = 48


class Swap:
    """The steps of a swap. ``sources`` in the order in which they were loaded.

    Where they are only a part of what the deployment is to hold (``is_part``), all else stays.
    Without ``replaces`` a collection that is in place of one to come is a failure.
    """

    def __init__(
        self,
        client: Client,
        *,
        job_id: str,
        sources: Sequence[Source],
        filler: Filler,
        evidence: Evidence,
        index_failures: IndexFailures,
        skipped: Mapping[int, Sequence[str]],
        is_part: bool = False,
        replaces: bool = True,
    ) -> None:
        """``skipped`` are the indexes that the load went on without, by the collection's number."""
        self._client = client
        self._job_id = job_id
        self._sources = sources
        self._filler = filler
        self._evidence = evidence
        self._index_failures = index_failures
        self._skipped = skipped
        self._is_part = is_part
        self._replaces = replaces
        self._wanted = {source.spec.namespace for source in sources}

    def steps(self) -> list[Step]:
        """All there is to do, in order. A step raises PyMongo's errors and RestoreFailed."""
        rename: list[Step] = []
        rebuild: list[Step] = []
        views: list[Step] = []
        expire: list[Step] = []
        for number, source in enumerate(self._sources):
            match source.spec.kind:
                case CollectionKind.VIEW:
                    views.append(partial(self._replace_view, source.spec))
                case CollectionKind.TIMESERIES:
                    rebuild.append(partial(self._rebuild, source))
                case CollectionKind.COLLECTION if source.spec.namespace.name == FUNCTIONS:
                    rebuild.append(partial(self._replace_functions, source))
                case CollectionKind.COLLECTION:
                    rename.append(partial(self._rename, number, source.spec.namespace))
                    expire += self._expiring(number, source.spec)
        if self._is_part:
            return [*rename, *rebuild, *views, *expire]
        kept = {namespace.database for namespace in self._wanted}
        surplus: list[Step] = [partial(self._drop_surplus, database) for database in sorted(kept)]
        surplus.append(partial(self._drop_databases_but, kept))
        return [*rename, *rebuild, *surplus, *views, *expire]

    def _expiring(self, number: int, spec: CollectionSpec) -> list[Step]:
        """What lets the server delete documents by their age: nothing may depend on them any more."""
        skipped = self._skipped.get(number, ())
        if not indexes.expiring(spec, skipped) and not expires(spec):
            return []
        return [partial(self._let_expire, spec, skipped)]

    def _let_expire(self, spec: CollectionSpec, skipped: Sequence[str]) -> None:
        if self._kind(spec.namespace) is None:
            raise RestoreFailed(f"{spec.namespace} was dropped by somebody during the restore.")
        commands = self._client[spec.namespace.database]
        indexes.finish_expiring(commands, spec, skipped)
        set_expiry(commands, spec)

    def _rename(self, number: int, namespace: Namespace) -> None:
        shadow = Namespace(namespace.database, shadow_name(self._job_id, number))
        kind = self._kind(namespace)
        if self._kind(shadow) is None:
            if kind is None:
                raise RestoreFailed(f"{namespace} was dropped by somebody during the restore.")
            return  # renamed by an earlier run
        if kind is not None and not self._replaces:
            raise RestoreFailed(
                f"{namespace} was made by somebody during the restore, and is left as it is."
            )
        if kind in {CollectionKind.VIEW, CollectionKind.TIMESERIES}:
            self._drop(namespace)  # a rename replaces nothing but collections
        self._client.admin.command(
            {
                "renameCollection": str(shadow),
                "to": str(namespace),
                "dropTarget": self._replaces,
                "writeConcern": IN_MEMORY,
            }
        )

    def _rebuild(self, source: Source) -> None:
        namespace = source.spec.namespace
        commands = self._client[namespace.database]
        watch = Stopwatch()
        self._drop(namespace)
        create(commands, namespace.name, source.spec)
        filled = self._filler.fill(commands, BUCKETS_PREFIX + namespace.name, source)
        skipped = indexes.build(
            commands,
            namespace.name,
            source.spec,
            indexes.secondary(source.spec),
            failures=self._index_failures,
        )
        set_expiry(commands, source.spec)
        there = count_indexes(commands, namespace.name)
        self._evidence(watch.evidence(source.spec, filled, indexes=there, skipped=skipped))

    def _replace_functions(self, source: Source) -> None:
        commands = self._client[source.spec.namespace.database]
        watch = Stopwatch()
        try:
            commands.command("create", FUNCTIONS)
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:
                raise
        commands[FUNCTIONS].delete_many({})
        filled = self._filler.fill(commands, FUNCTIONS, source)
        there = count_indexes(commands, FUNCTIONS)
        self._evidence(watch.evidence(source.spec, filled, indexes=there))

    def _drop_surplus(self, database: str) -> None:
        listed = list_collections(self._client[database])
        for name in listed:
            namespace = Namespace(database, name)
            is_buckets = name.startswith(BUCKETS_PREFIX)
            if namespace in self._wanted or name in UNREAD or name.startswith(SHADOW_PREFIX):
                continue
            if name == FUNCTIONS:
                self._client[database][name].delete_many({})
            elif not is_buckets or name.removeprefix(BUCKETS_PREFIX) not in listed:
                self._drop(namespace)

    def _drop_databases_but(self, kept: set[str]) -> None:
        for database in user_databases(self._client):
            if database not in kept:
                self._client.drop_database(database)

    def _replace_view(self, spec: CollectionSpec) -> None:
        watch = Stopwatch()
        if not self._is_view_there(spec):
            self._drop(spec.namespace)
            create(self._client[spec.namespace.database], spec.namespace.name, spec)
        self._evidence(watch.evidence(spec, EMPTY, indexes=0))

    def _is_view_there(self, spec: CollectionSpec) -> bool:
        there = list_collections(self._client[spec.namespace.database], spec.namespace.name)
        return any(
            entry["type"] == CollectionKind.VIEW and bytes(entry["options"].raw) == spec.options
            for entry in there.values()
        )

    def _kind(self, namespace: Namespace) -> CollectionKind | None:
        there = list_collections(self._client[namespace.database], namespace.name)
        return CollectionKind(there[namespace.name]["type"]) if there else None

    def _drop(self, namespace: Namespace) -> None:
        drop(self._client[namespace.database], namespace.name)
