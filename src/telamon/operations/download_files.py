"""The files that links to downloads lead to, made while they are sent.

Nothing of a file is stored. Whoever has the link has the file, until it expires: no other credentials
are asked for. A prune may go on while a file is sent: a chunk that is not where it was is looked
for once more. Every chunk is proven by its name, so that a file ends early rather than wrongly.
"""

import base64
import hashlib
import hmac
import struct
from collections import OrderedDict
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock

from sqlalchemy import Connection

from telamon.blobs.base import BlobNotFound
from telamon.clock import Clock
from telamon.errors import DownloadGone, DownloadNotFound, RestoreJobNotFound, Unrecoverable
from telamon.model.manifest import StoredCollection
from telamon.model.restore_job import RestoreJob
from telamon.mongo import stored_gzip
from telamon.mongo.archive import Archive
from telamon.repository.repository import Repository
from telamon.state import downloads as rows
from telamon.state import restore_jobs
from telamon.state.database import Database
from telamon.state.moments import from_seconds, to_seconds

_LAYOUT = b"1"  # of the gzip file around the archive; in every ETag
_SIGNED = struct.Struct(">12sI")  # the job's id, the second it expires
_ARCHIVES_KEPT = 4


@dataclass(frozen=True, slots=True)
class DownloadFile:
    """One file, of which any part can be read."""

    restore_job_id: str
    snapshot_id: str
    archive: Archive
    repository: Repository

    @property
    def name(self) -> str:
        return file_name(self.snapshot_id)

    @property
    def size_bytes(self) -> int:
        return stored_gzip.file_bytes(self.archive.size_bytes)

    @property
    def etag(self) -> str:
        """A strong one: equal if and only if every byte is."""
        return f'"{hashlib.sha256(_LAYOUT + self.archive.digest).hexdigest()[:32]}"'

    def read(self, start: int, end: int) -> Generator[bytes]:
        """The bytes from ``start`` to before ``end``, a megabyte at a time.

        Raises Unrecoverable where a chunk cannot be read. Close it if it is not read to its end.
        """
        return stored_gzip.read(
            lambda first, last: self.archive.read(first, last, self._documents),
            self.archive.size_bytes,
            start,
            end,
        )

    def _documents(self, stored: StoredCollection) -> Generator[bytes]:
        chunks = stored.chunks
        done, looked_at = 0, -1
        while done < len(chunks):
            rest = replace(stored, chunks=chunks[done:])
            try:
                with closing(self.repository.documents(rest)) as pieces:
                    for piece in pieces:
                        yield piece
                        done += 1
            except Unrecoverable:
                if looked_at == done:
                    raise
                looked_at = done
                self.repository.index.refresh()


class DownloadFiles:
    """Links to files, and the files behind them. Every method may be called by any thread."""

    def __init__(
        self, db: Database, repository: Repository, *, link_key: bytes, clock: Clock
    ) -> None:
        """``link_key`` is the same in every process that answers for one database."""
        self._db = db
        self._repository = repository
        self._link_key = link_key
        self._clock = clock
        self._guard = Lock()
        self._archives: OrderedDict[str, Archive] = OrderedDict()

    def token(self, job: RestoreJob) -> str:
        """What a link to the file of a job that is ready has in it: 64 characters, URL-safe."""
        signed = _SIGNED.pack(bytes.fromhex(job.id), to_seconds(job.expires_at))
        return base64.urlsafe_b64encode(signed + self._signature(signed)).decode()

    def open(self, token: str) -> DownloadFile:
        """Raises DownloadNotFound for a token that is none of ours; DownloadGone for one whose time is
        over, whose job was cancelled, or whose snapshot was deleted; Unrecoverable."""
        restore_job_id, expires_at = self._verified(token)
        now = self._clock()
        if now >= expires_at:
            raise DownloadGone

        def work(tx: Connection) -> tuple[RestoreJob, tuple[int, ...]]:
            job = restore_jobs.by_id(tx, restore_job_id)
            if not job.is_ready or job.is_expired(now):
                raise DownloadGone
            return job, rows.checksums(tx, job.id)

        try:
            job, checksums = self._db.look(work)
        except RestoreJobNotFound as error:
            raise DownloadGone from error
        archive = self._archive(job, checksums)
        return DownloadFile(job.id, job.snapshot_id, archive, self._repository)

    def _archive(self, job: RestoreJob, checksums: tuple[int, ...]) -> Archive:
        """Kept for the next part of the same file: a manifest may have millions of chunks."""
        if not self._repository.has_manifest(job.snapshot_id):
            raise DownloadGone
        with self._guard:
            archive = self._archives.pop(job.id, None)
            if archive is None:
                try:
                    manifest = self._repository.manifest(job.snapshot_id)
                except BlobNotFound as error:
                    raise DownloadGone from error
                archive = Archive(manifest, checksums)
            self._archives[job.id] = archive
            while len(self._archives) > _ARCHIVES_KEPT:
                self._archives.popitem(last=False)
            return archive

    def _verified(self, token: str) -> tuple[str, datetime]:
        try:
            data = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError as error:
            raise DownloadNotFound from error
        signed, signature = data[: _SIGNED.size], data[_SIGNED.size :]
        if not hmac.compare_digest(self._signature(signed), signature):
            raise DownloadNotFound
        job_id, expires_at = _SIGNED.unpack(signed)
        return job_id.hex(), from_seconds(expires_at)

    def _signature(self, signed: bytes) -> bytes:
        return hmac.digest(self._link_key, signed, hashlib.sha256)


def file_name(snapshot_id: str) -> str:
    """What the file of a snapshot is called."""
    return f"restore-{snapshot_id}.archive.gz"
