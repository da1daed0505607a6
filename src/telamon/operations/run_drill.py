"""Carrying out a drill.

It is one step, since what a killed one left cannot be gone on with: its mongod is on one machine, and
the job may be on another by then. Within::

    1  start    a throwaway mongod in place of any that an earlier attempt left here
    2  restore  as into a target: shadows, then the swap
    3  verify   everything is read back and compared
    4  destroy  whatever happened before

Then the report, signed, and the outcome are one row. A failure comes out of the step as an error like
that of any job, and ``fail`` writes the report of as much as was found out.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from telamon import __version__
from telamon.blobs.base import BlobNotFound
from telamon.clock import Clock
from telamon.errors import DeploymentUnavailable, DrillFailed, TelamonError, Unrecoverable
from telamon.jobs.worker import Steps
from telamon.model.access import Project
from telamon.model.drill import Drill
from telamon.model.drill_report import DrillDurations, DrillReport, NamespaceEvidence
from telamon.model.manifest import Manifest, Namespace, StoredCollection
from telamon.mongo.connect import Client, connected, examine
from telamon.mongo.content_sum import ContentSum
from telamon.mongo.elements import MalformedBson
from telamon.mongo.fill import Source
from telamon.mongo.proof import Expected, Proof, Proving, Seconds
from telamon.mongo.restore import Restore
from telamon.mongo.throwaway import Throwaways, can_hold
from telamon.operations.confirming import ALWAYS, Confirm, confirmed
from telamon.operations.drill_signing import DrillKey
from telamon.operations.progress import unnoticed
from telamon.repository.repository import Repository
from telamon.state import access
from telamon.state import drills as rows
from telamon.state.database import Database

_ATTEMPTS_AT_MOST = 3


@dataclass(slots=True)
class _Read:
    """What the repository gave of one namespace, as it was restored."""

    content: ContentSum = field(default_factory=ContentSum)
    seconds: float = 0.0


@dataclass(slots=True)
class _Findings:
    """As much as is known of a drill that is under way."""

    began: float
    manifest: Manifest | None = None
    mongod_version: str | None = None
    phases: dict[str, float] = field(default_factory=dict)
    reads: dict[Namespace, _Read] = field(default_factory=dict)
    namespaces: list[NamespaceEvidence] = field(default_factory=list)


class RunDrill:
    """The job that proves that a snapshot can be restored."""

    def __init__(
        self,
        db: Database,
        repository: Repository,
        throwaways: Throwaways,
        key: DrillKey,
        *,
        clock: Clock,
        confirm: Confirm = ALWAYS,
        seconds: Seconds = time.monotonic,
    ) -> None:
        self._db = db
        self._repository = repository
        self._throwaways = throwaways
        self._key = key
        self._clock = clock
        self._confirm = confirm
        self._seconds = seconds
        self._findings: dict[str, _Findings] = {}

    def run(self, subject_id: str, steps: Steps) -> None:
        if self._db.look(lambda tx: rows.by_id(tx, subject_id)).finished_at is not None:
            return  # the worker ended after the job did
        steps("drill", lambda: self._drill(subject_id))

    def fail(self, subject_id: str, error: TelamonError) -> None:
        findings = self._findings.get(subject_id) or _Findings(began=self._seconds())
        self._end(subject_id, findings, error.message)

    def _drill(self, drill_id: str) -> None:
        attempt = self._db.transact(lambda tx: rows.start(tx, drill_id, at=self._clock()))
        if attempt > _ATTEMPTS_AT_MOST:
            self._throwaways.remove(drill_id)
            raise DrillFailed(
                f"The worker ended {_ATTEMPTS_AT_MOST} times in the middle of this drill."
            )
        drill = self._db.look(lambda tx: rows.by_id(tx, drill_id))
        if drill.finished_at is not None:
            return
        findings = self._findings[drill_id] = _Findings(began=self._seconds())
        try:
            self._prove(drill, findings)
        except TelamonError as error:
            # What looks like damage may be another's work, where this job is not ours any more.
            self._confirm(drill_id)
            if isinstance(error, DeploymentUnavailable):
                raise DrillFailed(f"The throwaway mongod failed. {error.message}") from error
            raise
        finally:
            with self._timed(findings, "destroy"):
                self._throwaways.remove(drill_id)
        self._end(drill_id, findings, None)

    def _prove(self, drill: Drill, findings: _Findings) -> None:
        try:
            manifest = self._repository.manifest(drill.snapshot_id)
        except BlobNotFound as error:
            raise DrillFailed(f"The snapshot {drill.snapshot_id} has been deleted.") from error
        findings.manifest = manifest
        with self._timed(findings, "start"):
            uri = self._throwaways.start(drill.id, size_bytes=manifest.size_bytes)
        with connected(uri) as client:
            findings.mongod_version = examine(client).mongodb_version
            _require_version(manifest, findings.mongod_version)
            with self._timed(findings, "restore"):
                restore = Restore(
                    client,
                    job_id=drill.id,
                    sources=[self._source(drill, each, findings) for each in manifest.collections],
                    progress=unnoticed,
                    confirm=lambda: self._confirm(drill.id),
                )
                restore.load()
                restore.swap()
            with self._timed(findings, "verify"):
                self._verify(drill, client, findings)

    def _source(self, drill: Drill, stored: StoredCollection, findings: _Findings) -> Source:
        return Source(
            spec=stored.spec,
            documents=stored.documents,
            size_bytes=stored.size_bytes,
            read=lambda: self._read(drill, stored, findings),
        )

    def _read(self, drill: Drill, stored: StoredCollection, findings: _Findings) -> Iterator[bytes]:
        """The documents on their way into the mongod, summed up. What is read again counts anew."""
        namespace = stored.spec.namespace
        read, began = _Read(), self._seconds()
        confirm = partial(self._confirm.lately, drill.id)
        try:
            for piece in confirmed(self._repository.documents(stored), confirm):
                read.content.add(piece)
                yield piece
        except (Unrecoverable, MalformedBson) as error:
            raise DrillFailed(f"{namespace} cannot be restored: {error}") from error
        read.seconds = self._seconds() - began
        findings.reads[namespace] = read

    def _verify(self, drill: Drill, client: Client, findings: _Findings) -> None:
        """Raises DrillFailed naming what differs, once all has been compared."""
        assert findings.manifest is not None
        expected = [
            Expected(
                spec=stored.spec,
                documents=stored.documents,
                size_bytes=stored.size_bytes,
                content_hash=_read_of(findings, stored.spec.namespace).content.hexdigest,
            )
            for stored in findings.manifest.collections
        ]
        confirm = partial(self._confirm.lately, drill.id)
        proving = Proving(client, confirm=confirm, seconds=self._seconds)
        for each, proof in proving.prove(expected):
            read = _read_of(findings, each.spec.namespace)
            findings.namespaces.append(_evidence(each, proof, read.seconds))
        differing = [each for each in findings.namespaces if each.difference]
        if differing:
            more = f" {len(differing) - 1} more differ." if differing[1:] else ""
            first = differing[0]
            raise DrillFailed(f"{first.namespace} is not restored: {first.difference}.{more}")

    def _end(self, drill_id: str, findings: _Findings, failure: str | None) -> None:
        def work(tx: Connection) -> tuple[Drill, Project]:
            drill = rows.by_id(tx, drill_id)
            project = access.find_project(tx, drill.group_id)
            assert project is not None
            return drill, project

        drill, project = self._db.look(work)
        report = self._report(drill, project, findings, failure)
        signed = self._key.sign(report)
        at = report.finished_at
        self._db.transact(
            lambda tx: rows.finish(tx, drill_id, failure=failure, report=signed, at=at)
        )
        self._findings.pop(drill_id, None)

    def _report(
        self, drill: Drill, project: Project, findings: _Findings, failure: str | None
    ) -> DrillReport:
        manifest, phases = findings.manifest, findings.phases
        return DrillReport(
            drill_id=drill.id,
            group_id=project.id,
            group_name=project.name,
            instance_id=drill.instance_id,
            instance_name=drill.instance_name,
            snapshot_id=drill.snapshot_id,
            snapshot_taken_at=manifest.taken_at if manifest else None,
            cluster_time=str(manifest.cluster_time) if manifest and manifest.cluster_time else None,
            snapshot_mongodb_version=manifest.mongodb_version if manifest else None,
            repository_id=self._repository.repository_id,
            telamon_version=__version__,
            mongod_version=findings.mongod_version,
            requested_at=drill.requested_at,
            started_at=drill.started_at,
            finished_at=self._clock(),
            reason=failure,
            durations=DrillDurations(
                start=phases.get("start"),
                restore=phases.get("restore"),
                verify=phases.get("verify"),
                destroy=phases.get("destroy"),
                total=self._seconds() - findings.began,
            ),
            namespaces=tuple(findings.namespaces),
        )

    @contextmanager
    def _timed(self, findings: _Findings, phase: str) -> Iterator[None]:
        began = self._seconds()
        try:
            yield
        finally:
            findings.phases[phase] = self._seconds() - began


def _read_of(findings: _Findings, namespace: Namespace) -> _Read:
    """What has no documents is not read."""
    return findings.reads.get(namespace, _Read())


def _evidence(expected: Expected, proof: Proof, restore_seconds: float) -> NamespaceEvidence:
    return NamespaceEvidence(
        namespace=str(expected.spec.namespace),
        kind=expected.spec.kind.value,
        documents=proof.documents,
        size_bytes=proof.size_bytes,
        content_hash=proof.content_hash,
        indexes=proof.indexes,
        restore_seconds=restore_seconds,
        verify_seconds=proof.seconds,
        difference=proof.difference,
        remark=proof.remark,
    )


def _require_version(manifest: Manifest, mongod_version: str) -> None:
    """Raises DrillFailed for a mongod that is older than what the snapshot's server was set to."""
    needed = manifest.feature_compatibility_version
    if not can_hold(mongod_version, needed):
        raise DrillFailed(
            f"The snapshot needs a mongod of {needed} or later, and the worker's is {mongod_version}."
        )
