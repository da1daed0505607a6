"""Stored documents brought into a collection, counted on both sides."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from bson.binary import Binary
from pymongo.errors import OperationFailure

from telamon.errors import IntegrityError, RestoreFailed
from telamon.model.manifest import CollectionSpec, Namespace
from telamon.mongo.connect import translated
from telamon.mongo.elements import MalformedBson
from telamon.mongo.parallel import Stop
from telamon.mongo.write import Batch, Commands, batches, insert

Progress = Callable[[int, int, int], None]
"""Told of so many documents, bytes and namespaces more (or documents less, filtered out); by several
threads."""
Done = Callable[[int, int], None]
"""Told of how many documents and bytes, from the start, are there."""

_BATCHES_AHEAD = 2
_UUID_MISMATCH = 361  # the server's code where the collection of a name is another, or none


class Verifier(Protocol):
    """Hashes the documents of one collection, in order, and knows what should come of it."""

    def update(self, documents: bytes) -> None:
        """Raises IntegrityError as soon as it knows that these are not the right ones."""
        ...

    def finish(self) -> str:
        """The hash of all of them, hexadecimal. Raises IntegrityError if they are not all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A collection that a restore makes, and where its documents come from.

    ``read`` yields them in natural order, in pieces of whole documents; it may be called again.
    ``documents`` is how many come, None where nobody knows before. ``verifier`` makes one for what
    ``read`` yields; without it, nothing is hashed.
    """

    spec: CollectionSpec
    documents: int | None
    size_bytes: int
    read: Callable[[], Iterator[bytes]]
    verifier: Callable[[], Verifier] | None = None
    rest: Callable[[int], "Rest"] | None = None
    """What is left of it after so many bytes. Without it, it must be read from its start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """The documents of a source after its first ``documents``, which have ``size_bytes``."""

    documents: int
    size_bytes: int
    read: Callable[[], Iterator[bytes]]
    verifier: Callable[[], Verifier] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What was put into a collection. ``content_hash`` is None of a source without a verifier."""

    documents: int
    size_bytes: int
    content_hash: str | None = None


EMPTY = Filled(documents=0, size_bytes=0)


class Verification:
    """The verifier of a source, if it has one. What it raises is RestoreFailed, with the namespace."""

    def __init__(self, verifier: Callable[[], Verifier] | None, namespace: Namespace) -> None:
        self._namespace = namespace
        self._verifier = verifier() if verifier else None

    def update(self, documents: bytes) -> None:
        if self._verifier is not None:
            with self._named():
                self._verifier.update(documents)

    def finish(self) -> str | None:
        if self._verifier is None:
            return None
        with self._named():
            return self._verifier.finish()

    @contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as error:
            raise RestoreFailed(
                f"What was to be inserted into {self._namespace} is not what the snapshot's "
                f"manifest tells of: {error.message}"
            ) from error


class Filler:
    """Inserts with ``parallel`` threads that all callers of ``fill`` share.

    ``fill`` may run in several threads at once. Leaving the context waits for what is under way.
    """

    def __init__(self, progress: Progress, *, parallel: int, stop: Stop) -> None:
        self._progress = progress
        self._stop = stop
        self._inserters = ThreadPoolExecutor(parallel, thread_name_prefix="telamon-insert")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._inserters.shutdown(wait=True)

    def fill(
        self,
        commands: Commands,
        name: str,
        source: Source,
        uuid: Binary | None = None,
        *,
        done_bytes: int = 0,
        done: Done = lambda _documents, _size_bytes: None,
    ) -> Filled:
        """Insert the documents of ``source`` into the collection ``name``, if it has the ``uuid``.

        It is empty, or has ``done_bytes`` of them from the start, and any others. ``done`` is told,
        after each batch, up to where none is missing.

        A capped collection gets them one batch after the other, since its order is part of what it
        holds. Raises RestoreFailed when the server refuses one, when the documents that came,
        were taken or are there are not as many as they should be, or when what was handed to the
        server has not the hash that it should have; DeploymentUnavailable; and what ``source`` and
        ``progress`` raise.
        """
        spec = source.spec
        rest = _rest_of(source, done_bytes)
        verification = Verification(rest.verifier, spec.namespace)
        target = _Target(commands, name, spec, uuid, is_begun=bool(done_bytes))
        ahead = 0 if spec.capped else _BATCHES_AHEAD
        under_way: deque[tuple[Future[None], int, int]] = deque()
        count, size_bytes = rest.documents, rest.size_bytes
        if count:
            self._progress(count, size_bytes, 0)
        for batch in self._batches(rest.read, spec):
            self._stop.check()
            count += batch.count
            size_bytes += len(batch.documents)
            future = self._inserters.submit(self._insert, target, batch)
            under_way.append((future, count, size_bytes))
            verification.update(batch.documents)  # while it is inserted
            while len(under_way) > ahead:
                _end(under_way.popleft(), done)
        while under_way:
            _end(under_way.popleft(), done)
        content_hash = verification.finish()
        if source.documents is not None:
            _require_count(spec, "came from the snapshot", count, source.documents)
        with translated(RestoreFailed, f"{spec.namespace} could not be counted"):
            there = int(commands.command("count", name)["n"])
        _require_count(spec, "are in the deployment", there, count)
        return Filled(documents=count, size_bytes=size_bytes, content_hash=content_hash)

    def _batches(
        self, read: Callable[[], Iterator[bytes]], spec: CollectionSpec
    ) -> Iterator[Batch]:
        try:
            yield from batches(read())
        except MalformedBson as error:
            raise RestoreFailed(
                f"What the snapshot has of {spec.namespace} is not BSON: {error}"
            ) from error

    def _insert(self, target: "_Target", batch: Batch) -> None:
        self._stop.check()
        target.insert(batch)
        self._progress(batch.count, len(batch.documents), 0)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where the documents of one source go. ``is_begun`` if some of them may be there."""

    commands: Commands
    name: str
    spec: CollectionSpec
    uuid: Binary | None
    is_begun: bool

    def insert(self, batch: Batch) -> None:
        namespace = self.spec.namespace
        with translated(RestoreFailed, f"A document of {namespace} could not be inserted"):
            try:
                insert(
                    self.commands,
                    self.name,
                    batch,
                    ordered=self.spec.capped,
                    uuid=self.uuid,
                    may_be_there=self.is_begun,
                )
            except OperationFailure as error:
                if error.code != _UUID_MISMATCH:
                    raise
                raise RestoreFailed(
                    f"What was restored of {namespace} is gone: the deployment restarted or "
                    "changed its primary, or another restore has begun there; the restore must be "
                    "run again."
                ) from error


def _rest_of(source: Source, done_bytes: int) -> Rest:
    if done_bytes and source.rest is not None:
        return source.rest(done_bytes)
    return Rest(documents=0, size_bytes=0, read=source.read, verifier=source.verifier)


def _end(under_way: tuple[Future[None], int, int], done: Done) -> None:
    future, documents, size_bytes = under_way
    future.result()
    done(documents, size_bytes)


def _require_count(spec: CollectionSpec, what: str, actual: int, expected: int) -> None:
    if actual != expected:
        raise RestoreFailed(
            f"{actual} documents of {spec.namespace} {what}, but its manifest tells of {expected}."
        )
