"""The state of a deployment at a moment, of a snapshot and the oplog since.

Nothing is replayed: the entries are folded over the catalogue and the documents of the snapshot, and
what comes out is restored like a snapshot.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from telamon.errors import RestoreFailed
from telamon.model.manifest import ClusterTime, CollectionSpec
from telamon.mongo.elements import DOCUMENT, elements, id_element
from telamon.mongo.fill import Source
from telamon.mongo.folded_documents import FoldedDocuments, explained
from telamon.mongo.oplog_entry import COMMAND, Entry, entries, member
from telamon.mongo.shadow import SYSTEM_DATABASES
from telamon.mongo.transactions import flattened
from telamon.mongo.virtual_catalog import VIEWS, VirtualCatalog

_DIFF_VERSION = b"\x10$v\x00\x02\x00\x00\x00"


class Fold:
    """A context manager: what does not fit the memory is in a file until it ends.

    ``apply`` is called once; ``sources`` may be read by several threads after that.
    """

    def __init__(
        self, snapshot: Sequence[Source], *, since: ClusterTime, scratch: Path | None = None
    ) -> None:
        """``snapshot`` is all that existed at ``since``; ``scratch`` is the directory of the file."""
        self._since = since
        self._base = {source.spec.uuid: source for source in snapshot if source.spec.uuid}
        self._catalog = VirtualCatalog(source.spec for source in snapshot)
        self._documents = FoldedDocuments(scratch)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._documents.__exit__(kind, error, traceback)

    def apply(
        self,
        pieces: Iterable[bytes],
        *,
        until: ClusterTime,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        """Take in what happened up to ``until``, that moment included.

        ``pieces`` are whole entries, one after the other: all from the beginning to the end, and
        perhaps some before. ``confirm`` is called before each piece. Raises RestoreFailed, naming
        the namespace, for what is not known or does not fit what is there.
        """
        found = entries(_confirmed(pieces, confirm))
        for entry in flattened(found, since=self._since, until=until):
            if entry.database in SYSTEM_DATABASES:
                continue
            with explained(entry.namespace):
                self._take(entry)

    def sources(self) -> list[Source]:
        """Sorted by namespace. What is wrong with a document shows as it is read, as RestoreFailed."""
        return [self._source(spec) for spec in self._catalog.specs()]

    def _take(self, entry: Entry) -> None:
        if entry.operation == COMMAND:
            self._catalog.command(entry)
        elif entry.namespace.partition(".")[2] == VIEWS:
            self._catalog.change_view(entry)
        elif self._catalog.has(entry.uuid):
            self._write(entry)
        elif not entry.uuid:
            raise RestoreFailed("The oplog does not say in which collection a document is.")

    def _write(self, entry: Entry) -> None:
        holder = entry.which if entry.operation == "u" else entry.what
        id_ = id_element(holder, 0) if holder else b""
        if not id_:
            raise RestoreFailed("The oplog does not say which document is written to.")
        if entry.operation == "i":
            self._documents.insert(entry.uuid, id_, entry.what)
        elif entry.operation == "d":
            self._documents.delete(entry.uuid, id_)
        elif entry.operation == "u":
            self._update(entry, id_)
        else:
            raise RestoreFailed(f'The oplog has an unknown operation "{entry.operation}".')

    def _update(self, entry: Entry, id_: bytes) -> None:
        what = entry.what
        version = next((one for one in elements(what) if one.name == b"$v"), None)
        if version is None:
            self._documents.replace(entry.uuid, id_, what)
            return
        diff = member(what, b"diff", DOCUMENT)
        if what[version.start : version.end] != _DIFF_VERSION or not diff:
            raise RestoreFailed("The oplog has an update of a version that is not known.")
        self._documents.change(entry.uuid, id_, diff)

    def _source(self, spec: CollectionSpec) -> Source:
        if spec.uuid is None:  # a view
            return Source(spec=spec, documents=0, size_bytes=0, read=lambda: iter(()))
        base = self._base.get(spec.uuid)
        if base is not None and not self._documents.is_touched(spec.uuid):
            return replace(base, spec=spec)  # its documents can be proven, and gone on with
        more, size_bytes = self._documents.growth(spec.uuid)
        documents = more
        if base is not None:
            if base.documents is None:
                raise ValueError("the documents of a snapshot are counted")
            documents += base.documents
            size_bytes += base.size_bytes
        return Source(
            spec=spec,
            documents=documents,
            size_bytes=size_bytes,
            read=partial(self._read, spec, base),
        )

    def _read(self, spec: CollectionSpec, base: Source | None) -> Iterator[bytes]:
        assert spec.uuid is not None
        buffers = base.read() if base is not None else iter(())
        with explained(spec.namespace):
            yield from self._documents.read(spec.uuid, buffers)


def _confirmed(pieces: Iterable[bytes], confirm: Callable[[], None]) -> Iterator[bytes]:
    for piece in pieces:
        confirm()
        yield piece
