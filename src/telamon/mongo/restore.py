"""A restore into a deployment: shadow, verify, swap.

``load`` prepares the snapshot's collections beside the deployment's own, under names that nobody
else uses, and changes nothing else. ``swap`` renames each into its place and, unless only a part of
the snapshot is restored, drops what the snapshot does not have. Until ``swap`` the deployment is as it was, and ``discard`` takes the
preparations away.
"""

from collections.abc import Callable, Mapping, Sequence

from bson.binary import Binary

from telamon.errors import RestoreFailed
from telamon.model.manifest import CollectionSpec, Namespace
from telamon.model.restore_options import IndexFailures
from telamon.mongo.connect import Client, translated
from telamon.mongo.evidence import Evidence, unrecorded
from telamon.mongo.fill import Filler, Progress, Source
from telamon.mongo.journal import Journal, Mark, Milestone
from telamon.mongo.load import Load, are_there, fingerprint, keep_shadows
from telamon.mongo.parallel import Stop, Stopped, run_all
from telamon.mongo.part import Part, Query, keep_only
from telamon.mongo.room import require_room
from telamon.mongo.shadow import drop_shadows_of_job
from telamon.mongo.swap import Swap


class Restore:
    """One restore job's work on its target.

    ``progress`` is told of documents and bytes as they are added, ``evidence`` of each namespace
    that is done: when its shadow is complete, or in the swap if it has none. They and the reading of
    ``sources`` are called from several threads at once. ``confirm`` is called just before shadows
    are dropped, and before each step of the swap. ``resumed`` is told, before a load inserts anything,
    how many bytes and complete namespaces are there from earlier runs. What they raise comes out as
    it is.

    With a ``part``, ``sources`` are only some of a snapshot's collections, under the names that they
    are to have, and everything else that the deployment holds stays as it is. After ``load``,
    ``filtered_out`` tells how many documents of each collection its query took away.

    A target that surely has not ``least_bytes`` of room is refused before anything is written.

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
        resumed: Callable[[int], None] = lambda _kept: None,
        least_bytes: int = 0,
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
        self._resumed = resumed
        self._least_bytes = least_bytes
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

        Only what lets the server delete documents by their age comes later, in ``swap``. Time series,
        views and ``system.js`` have no shadow, since they cannot be renamed: ``swap`` makes them, of
        documents that are read here once to prove that they can be.

        What an earlier run of this job has done is kept if the same primary has run all the while;
        ``resumed`` is told how much that is. Shadows of other jobs are dropped. On return all is
        durable on a majority; of a load that was complete before, it is at once. Raises RestoreFailed
        when the deployment refuses or lost something, DeploymentUnavailable when it stops answering,
        anything after ``interrupt``; then the target is as it was but for shadows. Of a part also
        RestoreNotPossible, before anything is written, where it would take the place of something that
        is to stay; one with a query begins anew each time.
        """
        stop = self._stop = Stop()
        if self._is_interrupted:
            raise Stopped
        content = fingerprint(self._sources)
        with translated(RestoreFailed):
            marks = None if self._query else self._journal.loaded(content)
            if marks is not None and are_there(self._client, self._job_id, self._sources, marks):
                self._resumed(_kept(marks))
                for mark in marks.values():
                    self._progress(mark.documents, mark.size_bytes, 1)
                return
        self._confirm()
        if self._part is not None:
            self._part.require_possible(self._client, self._specs)
        with translated(RestoreFailed):
            kept = None if self._query else self._journal.resume(content)
            if kept is None:
                # Before the shadows, so that a half-done drop is never taken for a complete load.
                self._journal.forget_all()
            marks = keep_shadows(self._client, self._job_id, self._sources, kept or {})
            if kept is None:
                require_room(self._client, self._least_bytes)
                self._journal.begin(content)
        self._resumed(_kept(marks))
        with self._filler(stop) as filler:
            load = Load(
                self._client,
                job_id=self._job_id,
                journal=self._journal,
                marks=marks,
                filler=filler,
                stop=stop,
                progress=self._progress,
                evidence=self._evidence,
                index_failures=self._index_failures,
                keep_only=self._keep_only if self._query else None,
            )
            run_all(load.tasks(self._sources), parallel=self._parallel, stop=stop)
        with translated(RestoreFailed):
            self._journal.settle()
            self._journal.mark(Milestone.LOADED, skipped=load.skipped)

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

    @property
    def _query(self) -> Query | None:
        return None if self._part is None else self._part.query

    def _keep_only(self, name: str, spec: CollectionSpec, uuid: Binary | None) -> int:
        """Answers how many documents of the shadow went."""
        assert self._query is not None

        def check() -> None:
            self._stop.check()
            self._confirm()

        gone = keep_only(self._client, name, spec, self._query, uuid=uuid, check=check)
        self.filtered_out[spec.namespace] = gone
        self._progress(-gone, 0, 0)
        return gone

    def _filler(self, stop: Stop) -> Filler:
        return Filler(self._progress, parallel=self._parallel, stop=stop)


def _kept(marks: Mapping[int, Mark]) -> int:
    return sum(mark.size_bytes + mark.is_complete for mark in marks.values())
