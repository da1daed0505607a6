"""A restore into a deployment: shadow, verify, swap.

``load`` prepares the snapshot's collections beside the deployment's own, under names that nobody
else uses, and changes nothing else. ``swap`` renames each into its place and, unless only a part of
the snapshot is restored, drops what the snapshot does not have. Until ``swap`` the deployment is as it was, and ``discard`` takes the
preparations away.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from bson.binary import Binary

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.model.restore_evidence import SkippedIndex
from telamon.model.restore_options import IndexFailures
from telamon.model.selection import FUNCTIONS
from telamon.mongo import indexes
from telamon.mongo.catalog import uuid_of
from telamon.mongo.connect import Client, translated
from telamon.mongo.create import create
from telamon.mongo.evidence import Evidence, Stopwatch, unrecorded
from telamon.mongo.fill import Filler, Progress, Source, Verification
from telamon.mongo.journal import Journal, Milestone
from telamon.mongo.parallel import Stop, Stopped, run_all
from telamon.mongo.part import Part, keep_only
from telamon.mongo.shadow import drop_shadows, drop_shadows_of_job, shadow_name
from telamon.mongo.swap import Swap
from telamon.mongo.write import Commands

_WRITES_BY_UUID = 17  # as a wire version


class Restore:
    """One restore job's work on its target.

    ``progress`` is told of documents and bytes as they are added, ``evidence`` of each namespace
    that is done: when its shadow is complete, or in the swap if it has none. They and the reading of
    ``sources`` are called from several threads at once. ``confirm`` is called just before shadows
    are dropped, and before each step of the swap. What they raise comes out as it is.

    With a ``part``, ``sources`` are only some of a snapshot's collections, under the names that they
    are to have, and everything else that the deployment holds stays as it is. After ``load``,
    ``filtered_out`` tells how many documents of each collection its query took away.

    Every method may be run again after it failed or was killed, also by another Restore with the
    same ``job_id``, ``sources`` and ``index_failures``. Only one job at a time may work on a deployment.
    """

    def __init__(
        self,
        client: Client,
        *,
        job_id: str,
        sources: Sequence[Source],
        progress: Progress,
        evidence: Evidence = unrecorded,
        index_failures: IndexFailures = IndexFailures.FAIL,
        confirm: Callable[[], None] = lambda: None,
        parallel: int = 2,
        part: Part | None = None,
    ) -> None:
        self._client = client
        self._part = part
        self._job_id = job_id
        self._sources = sorted(sources, key=lambda source: source.spec.namespace)
        self._progress = progress
        self._evidence = evidence
        self._index_failures = index_failures
        self._skipped: dict[int, list[str]] = {}
        self._confirm = confirm
        self._parallel = parallel
        self._journal = Journal(client, job_id)
        self._stop = Stop()
        self._is_interrupted = False
        self.filtered_out: dict[Namespace, int] = {}

    @property
    def documents_left(self) -> int:
        """How many documents are restored, as far as ``sources`` say, without those filtered out."""
        come = sum(source.documents or 0 for source in self._sources)
        return come - sum(self.filtered_out.values())

    @property
    def _specs(self) -> list[CollectionSpec]:
        return [source.spec for source in self._sources]

    def load(self) -> None:
        """Bring every collection into its shadow, with its indexes, and count its documents there.

        Only what lets the server delete documents by their age comes later, in ``swap``.

        Shadows of earlier jobs are dropped first. Time series, views and ``system.js`` have no
        shadow, since they cannot be renamed: ``swap`` makes them, of documents that are read here
        once to prove that they can be. On return all is durable on a majority. Raises RestoreFailed when the deployment refuses or lost something,
        DeploymentUnavailable when it stops answering, anything after ``interrupt``; then the target
        is as it was but for shadows. Of a part also RestoreNotPossible, before anything is written,
        where it would take the place of something that is to stay.
        """
        stop = self._stop = Stop()
        if self._is_interrupted:
            raise Stopped
        numbered = [
            (number, source)
            for number, source in enumerate(self._sources)
            if _has_shadow(source.spec)
        ]
        # The largest first, so that none is left to run alone at the end.
        numbered.sort(key=lambda one: -one[1].size_bytes)
        self._confirm()
        if self._part is not None:
            self._part.require_possible(self._client, self._specs)
        with translated(RestoreFailed):
            # Before the shadows, so that a half-done drop is never taken for a complete load.
            self._journal.forget_all()
            drop_shadows(self._client)
            self._journal.begin()
        with self._filler(stop) as filler:
            tasks = [partial(self._load_collection, *one, filler, stop) for one in numbered]
            tasks += [
                partial(self._prove_readable, source, stop)
                for source in self._sources
                if source.size_bytes and not _has_shadow(source.spec)
            ]
            run_all(tasks, parallel=self._parallel, stop=stop)
        with translated(RestoreFailed):
            self._journal.settle()
            self._journal.mark(Milestone.LOADED, skipped=self._skipped)

    def interrupt(self) -> None:
        """Have ``load``, in another thread, end soon with an error, and not begin any more.

        Dropping a collection is also what ends a build of its indexes at once (MongoDB manual, drop).
        """
        self._is_interrupted = True
        self._stop.set()
        self._confirm()
        with translated(RestoreFailed):
            drop_shadows_of_job(self._client, self._job_id)

    def swap(self) -> None:
        """Put the loaded collections in place of the deployment's content.

        Each collection changes in one step, the whole in many: killed in the middle, the deployment
        has some of both until ``swap`` is run again. Once it has returned, running it again does
        nothing; the deployment remembers that until the next ``load``. Raises RestoreFailed when
        ``load`` is not complete, or when the deployment refuses or restarted;
        DeploymentUnavailable when it stops answering.
        """
        with translated(RestoreFailed):
            milestone = self._journal.milestone
            skipped = self._journal.skipped
        if milestone is Milestone.SWAPPED:
            return
        if milestone is None:
            raise RestoreFailed(
                "The load of this restore is not complete, so there is nothing to put in place."
            )
        with translated(RestoreFailed), self._filler(Stop()) as filler:
            self._journal.begin()
            if self._part is not None and milestone is Milestone.LOADED:
                self._part.require_free(self._client, self._specs)
                self._journal.mark(Milestone.SWAPPING)  # what is in place may be ours from now on
            swap = Swap(
                self._client,
                job_id=self._job_id,
                sources=self._sources,
                filler=filler,
                evidence=self._evidence,
                index_failures=self._index_failures,
                skipped=skipped,
                is_part=self._part is not None,
                replaces=self._part is None or self._part.replaces,
            )
            for step in swap.steps():
                self._confirm()
                step()
            self._journal.settle()
            self._journal.mark(Milestone.SWAPPED)

    def discard(self) -> None:
        """Drop what ``load`` prepared, and forget the job. Does nothing where nothing is left."""
        self._confirm()
        with translated(RestoreFailed):
            self._journal.forget()
            drop_shadows_of_job(self._client, self._job_id)

    def _filter(self, name: str, spec: CollectionSpec, uuid: Binary | None, stop: Stop) -> int:
        """Answers how many documents of the shadow went."""
        assert self._part is not None
        assert self._part.query is not None

        def check() -> None:
            stop.check()
            self._confirm()

        gone = keep_only(self._client, name, spec, self._part.query, uuid=uuid, check=check)
        self.filtered_out[spec.namespace] = gone
        self._progress(-gone, 0, 0)
        return gone

    def _filler(self, stop: Stop) -> Filler:
        return Filler(self._progress, parallel=self._parallel, stop=stop)

    def _load_collection(self, number: int, source: Source, filler: Filler, stop: Stop) -> None:
        commands = self._client[source.spec.namespace.database]
        name = shadow_name(self._job_id, number)
        watch = Stopwatch()
        with translated(RestoreFailed):
            create(commands, name, source.spec)
            uuid = uuid_of(commands, name) if self._knows_uuids() else None
            filled = filler.fill(commands, name, source, uuid)
            if self._part is not None and self._part.query is not None:
                gone = self._filter(name, source.spec, uuid, stop)
                filled = replace(filled, documents=filled.documents - gone)
            stop.check()
            skipped = self._build_indexes(commands, name, source.spec)
            there = len(source.spec.indexes) - len(skipped)
            found = watch.evidence(source.spec, filled, indexes=there, skipped=skipped)
        if skipped:
            self._skipped[number] = [index.name for index in skipped]
        self._evidence(found)
        self._progress(0, 0, 1)

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

        So what another process of the same job still sends, which was taken for dead, gets neither
        into the shadows of this one nor makes new ones.
        """
        return int(self._client.admin.command("hello")["maxWireVersion"]) >= _WRITES_BY_UUID

    def _prove_readable(self, source: Source, stop: Stop) -> None:
        """What is damaged must show before the target's own collection is dropped for it."""
        verification = Verification(source)
        for piece in source.read():
            stop.check()
            verification.update(piece)
        verification.finish()


def _has_shadow(spec: CollectionSpec) -> bool:
    """Raises RestoreFailed for what neither a rename nor ``create`` could make."""
    name = spec.namespace.name
    if spec.kind is not CollectionKind.COLLECTION or name == FUNCTIONS:
        return False
    if name.startswith("system."):
        raise RestoreFailed(f"{spec.namespace} is the server's own and cannot be restored.")
    return True
