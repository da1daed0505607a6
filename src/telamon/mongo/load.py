"""The first half of a restore: collections prepared in shadows, by several threads.

What of it is done is marked in the deployment's journal, so that a job whose worker was killed goes on
after its last finished batch. That is safe while one primary runs, which never loses what it has
acknowledged; a new primary, or a restart, and the job begins anew. The killed worker may live and
still send: the same documents for the same shadows, known by their UUID, so that a batch that came
twice is told by its ``_id``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bson.binary import Binary

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec
from telamon.model.restore_evidence import SkippedIndex
from telamon.model.restore_options import IndexFailures
from telamon.model.selection import FUNCTIONS
from telamon.mongo import indexes
from telamon.mongo.catalog import list_collections, uuid_of
from telamon.mongo.connect import Client, translated
from telamon.mongo.create import create
from telamon.mongo.evidence import Evidence, Stopwatch
from telamon.mongo.fill import Filled, Filler, Progress, Source, Verification
from telamon.mongo.journal import Journal, Mark
from telamon.mongo.parallel import Stop, Task
from telamon.mongo.shadow import SHADOW_PREFIX, shadow_name, user_databases
from telamon.mongo.write import Commands, drop

KeepOnly = Callable[[str, CollectionSpec, Binary | None], int]
"""Deletes documents of a shadow that are not wanted; answers how many."""

_WRITES_BY_UUID = 17  # as a wire version


class Load:
    """One run of a load. ``marks`` are those of earlier runs, whose shadows are still there."""

    def __init__(
        self,
        client: Client,
        *,
        job_id: str,
        journal: Journal,
        marks: Mapping[int, Mark],
        filler: Filler,
        stop: Stop,
        progress: Progress,
        evidence: Evidence,
        index_failures: IndexFailures,
        keep_only: KeepOnly | None = None,
    ) -> None:
        self._keep_only = keep_only
        self._client = client
        self._job_id = job_id
        self._journal = journal
        self._marks = marks
        self._filler = filler
        self._stop = stop
        self._progress = progress
        self._evidence = evidence
        self._index_failures = index_failures
        self.skipped = {
            number: list(mark.skipped) for number, mark in marks.items() if mark.skipped
        }
        """Names of the indexes that it went on without, by the collection's number."""

    def tasks(self, sources: Sequence[Source]) -> list[Task]:
        """All there is to do, in any order and several at once."""
        numbered = [
            (number, source) for number, source in enumerate(sources) if has_shadow(source.spec)
        ]
        # The largest first, so that none is left to run alone at the end.
        numbered.sort(key=lambda one: -one[1].size_bytes)
        tasks: list[Task] = [partial(self._load_collection, *one) for one in numbered]
        return tasks + [
            partial(self._prove_readable, source)
            for source in sources
            if source.size_bytes and not has_shadow(source.spec)
        ]

    def _load_collection(self, number: int, source: Source) -> None:
        mark = self._marks.get(number)
        if mark is not None and mark.is_complete:
            self._progress(mark.documents, mark.size_bytes, 1)
            return
        commands = self._client[source.spec.namespace.database]
        name = shadow_name(self._job_id, number)
        watch = Stopwatch()
        with translated(RestoreFailed):
            if mark is None:
                create(commands, name, source.spec)
            uuid = uuid_of(commands, name) if self._knows_uuids() else None
            filled = self._filler.fill(
                commands,
                name,
                source,
                uuid,
                done_bytes=mark.size_bytes if mark else 0,
                done=partial(self._mark, number, uuid),
            )
            if self._keep_only is not None:
                gone = self._keep_only(name, source.spec, uuid)
                filled = replace(filled, documents=filled.documents - gone)
            self._stop.check()
            skipped = self._build_indexes(commands, name, source.spec)
            there = len(source.spec.indexes) - len(skipped)
            found = watch.evidence(source.spec, filled, indexes=there, skipped=skipped)
        if skipped:
            self.skipped[number] = [index.name for index in skipped]
        self._evidence(found)
        self._put_mark(number, uuid, filled, is_complete=True)
        self._progress(0, 0, 1)

    def _mark(self, number: int, uuid: Binary | None, documents: int, size_bytes: int) -> None:
        before = self._marks.get(number)
        if before is None or size_bytes > before.size_bytes:  # else it goes over what is marked
            self._put_mark(number, uuid, Filled(documents=documents, size_bytes=size_bytes))

    def _put_mark(
        self, number: int, uuid: Binary | None, filled: Filled, *, is_complete: bool = False
    ) -> None:
        if uuid is None:
            return  # what a shadow is not known by, nobody can go on with
        mark = Mark(
            uuid=bytes(uuid),
            documents=filled.documents,
            size_bytes=filled.size_bytes,
            is_complete=is_complete,
            skipped=tuple(self.skipped.get(number, ())),
        )
        with translated(RestoreFailed):
            self._journal.put_mark(number, mark)

    def _build_indexes(
        self, commands: Commands, name: str, spec: CollectionSpec
    ) -> tuple[SkippedIndex, ...]:
        """All but those that expire, which are tried out as far as they can be."""
        failures = self._index_failures
        skipped = indexes.build(commands, name, spec, indexes.lasting(spec), failures=failures)
        expiring = indexes.expiring(spec)
        proof = f"{name}.proof"
        skipped += indexes.try_out(commands, proof, spec, expiring, failures=failures)
        refused = {index.name for index in skipped}
        fallible = [one for one in indexes.fallible(spec) if indexes.name_of(one) not in refused]
        skipped += indexes.build(commands, name, spec, fallible, failures=failures, plain=True)
        return skipped

    def _knows_uuids(self) -> bool:
        """Whether a write can name the one collection that it is for (MongoDB 6.0 and later).

        So what another process of the same job still sends, which was taken for dead, makes no new
        shadows, and gets into none that this one has begun anew.
        """
        return int(self._client.admin.command("hello")["maxWireVersion"]) >= _WRITES_BY_UUID

    def _prove_readable(self, source: Source) -> None:
        """What is damaged must show before the target's own collection is dropped for it."""
        verification = Verification(source.verifier, source.spec.namespace)
        for piece in source.read():
            self._stop.check()
            verification.update(piece)
        verification.finish()


def has_shadow(spec: CollectionSpec) -> bool:
    """Raises RestoreFailed for what neither a rename nor ``create`` could make."""
    name = spec.namespace.name
    if spec.kind is not CollectionKind.COLLECTION or name == FUNCTIONS:
        return False
    if name.startswith("system."):
        raise RestoreFailed(f"{spec.namespace} is the server's own and cannot be restored.")
    return True


def fingerprint(sources: Sequence[Source]) -> str:
    """Of what a load is of: equal where one may go on with what another has done."""
    digest = hashlib.sha256()
    for source in sources:
        spec = source.spec
        told = (spec.namespace, spec.kind, spec.options, spec.indexes, spec.uuid, spec.capped)
        digest.update(repr((told, source.documents, source.size_bytes)).encode())
    return digest.hexdigest()


def keep_shadows(
    client: Client, job_id: str, sources: Sequence[Source], marks: Mapping[int, Mark]
) -> dict[int, Mark]:
    """Drop all shadows but those that ``marks`` are of and the load goes on with; answers these."""
    wanted = {
        (sources[number].spec.namespace.database, shadow_name(job_id, number)): (number, mark)
        for number, mark in marks.items()
        if _can_go_on(sources[number], mark)
    }
    kept: dict[int, Mark] = {}
    for database in user_databases(client):
        for name, entry in list_collections(client[database]).items():
            if not name.startswith(SHADOW_PREFIX):
                continue
            number, mark = wanted.get((database, name), (0, None))
            if mark is not None and bytes(entry["info"]["uuid"]) == mark.uuid:
                kept[number] = mark
            else:
                drop(client[database], name)
    return kept


def are_there(
    client: Client, job_id: str, sources: Sequence[Source], marks: Mapping[int, Mark]
) -> bool:
    """Whether each collection that has a shadow is there whole, as the shadow or in its place already."""
    uuids = {
        (database, name): bytes(entry["info"].get("uuid", b""))
        for database in user_databases(client)
        for name, entry in list_collections(client[database]).items()
    }
    for number, source in enumerate(sources):
        if has_shadow(source.spec):
            namespace = source.spec.namespace
            names = (shadow_name(job_id, number), namespace.name)
            found = {uuids.get((namespace.database, name)) for name in names}
            mark = marks.get(number)
            if mark is None or not mark.is_complete or mark.uuid not in found:
                return False
    return True


def _can_go_on(source: Source, mark: Mark) -> bool:
    """The order of a capped collection would not be proven."""
    return mark.is_complete or (source.rest is not None and not source.spec.capped)
