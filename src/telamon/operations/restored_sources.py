"""What a restore job brings back: a snapshot, or what became of one by a point in time."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from telamon.errors import PointInTimeUnreachable, RestoreCancelled, RestoreFailed
from telamon.model.manifest import StoredCollection
from telamon.model.restore_job import RestoreJob
from telamon.mongo.fill import Rest, Source
from telamon.mongo.fold import Fold
from telamon.operations.confirming import Confirm, confirmed
from telamon.operations.points_in_time import entries, way_to
from telamon.repository.repository import Repository
from telamon.state import restore_jobs as rows
from telamon.state.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """All that a job could bring back, under its own names."""

    sources: list[Source]
    stored: tuple[StoredCollection, ...]
    """The snapshot that it is, or that the oplog goes on from."""


class RestoredSources:
    """Opens the sources of jobs."""

    def __init__(self, db: Database, repository: Repository, confirm: Confirm) -> None:
        self._db = db
        self._repository = repository
        self._confirm = confirm

    @contextmanager
    def of(self, job: RestoreJob) -> Iterator[Restored]:
        """As long as the block lasts. Raises RestoreFailed where there is no way to the moment any more."""
        stored = tuple(self._repository.manifest(job.snapshot_id).collections)
        snapshot = [self._source(job, each) for each in stored]
        if job.point_in_time is None:
            yield Restored(sources=snapshot, stored=stored)
            return
        until = job.point_in_time
        try:
            way = self._db.look(
                lambda tx: way_to(tx, job.instance_id, until, snapshot_id=job.snapshot_id)
            )
        except PointInTimeUnreachable as error:
            raise RestoreFailed(error.message) from error
        with Fold(snapshot, since=way.since) as fold:
            fold.apply(
                entries(self._repository, way), until=until, confirm=lambda: self._require(job)
            )
            yield Restored(sources=fold.sources(), stored=stored)

    def _source(self, job: RestoreJob, stored: StoredCollection) -> Source:
        return Source(
            spec=stored.spec,
            documents=stored.documents,
            size_bytes=stored.size_bytes,
            read=lambda: confirmed(self._repository.documents(stored), self._lately(job)),
            verifier=lambda: self._repository.content_check(stored),
            rest=lambda done_bytes: self._rest(job, stored, done_bytes),
        )

    def _rest(self, job: RestoreJob, stored: StoredCollection, done_bytes: int) -> Rest:
        """From the chunk on of which not all documents are done."""
        ends = itertools.accumulate(chunk.size_bytes for chunk in stored.chunks)
        skipped = sum(1 for end in ends if end <= done_bytes)
        left_out = replace(stored, chunks=stored.chunks[:skipped])
        left = replace(stored, chunks=stored.chunks[skipped:])
        return Rest(
            documents=left_out.documents,
            size_bytes=left_out.size_bytes,
            read=lambda: confirmed(self._repository.documents(left), self._lately(job)),
            verifier=lambda: self._repository.content_check(stored, skipped=skipped),
        )

    def _require(self, job: RestoreJob) -> None:
        """Raises RestoreCancelled as well."""
        self._confirm.lately(job.id)
        if self._db.look(lambda tx: rows.is_cancel_requested(tx, job.id)):
            raise RestoreCancelled

    def _lately(self, job: RestoreJob) -> Callable[[], None]:
        return partial(self._confirm.lately, job.id)
