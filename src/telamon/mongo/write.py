"""Stored documents put into a collection exactly as they are, without decoding them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import bson
from bson.binary import Binary
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure, WriteConcernError, WriteError

from telamon.mongo.elements import (
    TIMESTAMP,
    Element,
    document_end,
    documents_that_fit,
    elements,
)

Commands = Database[dict[str, Any]]

IN_MEMORY = {"w": 1}
"""The write concern of all that a restore does before it settles; a server's default waits for disks."""

NAMESPACE_NOT_FOUND = 26
_DUPLICATE_KEY = 11000

_BATCH_BYTES = 8 * 1024 * 1024
_BATCH_DOCUMENTS = 50_000  # a server takes 100,000 (maxWriteBatchSize in its hello)
_ZERO_VALUE = bytes(8)
_ZERO_RUN = bytes(9)  # the end of a name and a value of zeros
_NOT_ZERO = re.compile(rb"[^\x00]")
_EMPTY_DOCUMENT = bson.encode({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Whole documents, one after the other, that go to the server in one command."""

    documents: bytes
    count: int


def batches(pieces: Iterable[bytes]) -> Iterator[Batch]:
    """Cut and join pieces of whole documents to batches of 8 MB and 50,000 documents at most.

    A document that is larger makes a batch of its own. Raises MalformedBson for pieces that do not
    consist of whole documents.
    """
    parts: list[memoryview] = []
    size_bytes = count = 0
    for piece in pieces:
        view = memoryview(piece)
        start = 0
        while start < len(piece):
            end, fitting = documents_that_fit(
                piece,
                start,
                most_bytes=_BATCH_BYTES - size_bytes,
                most_documents=_BATCH_DOCUMENTS - count,
            )
            if not fitting and not count:
                end, fitting = document_end(piece, start), 1
            parts.append(view[start:end])
            size_bytes += end - start
            count += fitting
            if end < len(piece):
                yield Batch(documents=b"".join(parts), count=count)
                parts, size_bytes, count = [], 0, 0
            start = end
    if count:
        yield Batch(documents=b"".join(parts), count=count)


def insert(
    commands: Commands,
    name: str,
    batch: Batch,
    *,
    ordered: bool,
    uuid: Binary | None = None,
    may_be_there: bool = False,
) -> None:
    """Insert a batch past every validator, acknowledged by the primary's memory alone.

    With a ``uuid``, only into the collection that has it. A document of which ``may_be_there`` is true
    and whose ``_id`` is there counts as inserted; not together with ``ordered``.

    A server gives a top-level Timestamp(0, 0) of an inserted document the present time, so such
    documents are replaced afterwards by what they were. Raises PyMongo's errors; WriteError for
    documents that the server refuses.
    """
    only = {} if uuid is None else {"collectionUUID": uuid}
    command = {
        "insert": name,
        "ordered": ordered,
        "bypassDocumentValidation": True,
        "writeConcern": IN_MEMORY,
        "documents": sequence(batch.documents),
        **only,
    }
    taken = _insert_missing(commands, command) if may_be_there else write(commands, command)
    _require_count(taken, batch.count)
    for updates in _replacements(with_zero_timestamps(batch.documents)):
        command = {
            "update": name,
            "bypassDocumentValidation": True,
            "writeConcern": IN_MEMORY,
            "updates": updates,
            **only,
        }
        _require_count(write(commands, command), len(updates))


def write(commands: Commands, command: dict[str, Any], session: ClientSession | None = None) -> int:
    """Run a command that writes, and return its ``n``.

    Unlike PyMongo's ``command``, raises WriteError and WriteConcernError for what the reply tells.
    """
    reply = commands.command(command, session=session)
    for failure in reply.get("writeErrors", ()):
        raise _write_error(failure)
    failure = reply.get("writeConcernError")
    if failure is not None:
        raise WriteConcernError(failure.get("errmsg", ""), failure.get("code"), failure)
    return int(reply.get("n", 0))


def _insert_missing(commands: Commands, command: dict[str, Any]) -> int:
    """How many are there in the end. Raises as ``write``, but not for an ``_id`` that is there."""
    reply = commands.command(command)
    failures = reply.get("writeErrors", ())
    for failure in failures:
        if failure.get("code") != _DUPLICATE_KEY or list(failure.get("keyPattern", ())) != ["_id"]:
            raise _write_error(failure)
    return int(reply["n"]) + len(failures)


def _write_error(failure: Mapping[str, Any]) -> WriteError:
    return WriteError(failure.get("errmsg", "it gave no reason"), failure.get("code"), failure)


def drop(commands: Commands, name: str) -> None:
    """Drop a collection, view or time series. Does nothing where there is none."""
    try:
        commands.command({"drop": name, "writeConcern": IN_MEMORY})
    except OperationFailure as error:
        if error.code != NAMESPACE_NOT_FOUND:
            raise


def with_zero_timestamps(documents: bytes) -> list[bytes]:
    """The documents among ``documents`` that have a Timestamp(0, 0) at their top level."""
    found: list[bytes] = []
    end = 0
    for hit in _zero_timestamp_candidates(documents):
        if hit < end:
            continue
        start = end
        while (end := document_end(documents, start)) <= hit:
            start = end
        document = documents[start:end]
        if any(_is_zero_timestamp(document, element) for element in elements(document)):
            found.append(document)
    return found


class _Sequence(RawBSONDocument):
    """Documents that PyMongo takes for one and copies into the message as they are.

    The part of a message that carries documents has nothing between them (MongoDB manual, wire
    protocol, document sequence), so this saves an object per document.
    """

    __slots__ = ("_documents",)

    def __init__(self, documents: bytes) -> None:
        super().__init__(_EMPTY_DOCUMENT)
        self._documents = documents

    @property
    def raw(self) -> bytes:
        return self._documents


def _sequence_works() -> bool:
    sample = bson.encode({"a": 1}) + bson.encode({"b": 2})
    try:
        return bson.encode(_Sequence(sample)) == sample
    except (BSONError, TypeError, ValueError):
        return False


_SEQUENCE_WORKS = _sequence_works()


def sequence(documents: bytes) -> list[RawBSONDocument]:
    """``documents`` as a command's list of documents."""
    return [_Sequence(documents)] if _SEQUENCE_WORKS else one_by_one(documents)


def one_by_one(documents: bytes) -> list[RawBSONDocument]:
    """As ``sequence``, for a PyMongo that insists on an object per document."""
    found = []
    start = 0
    while start < len(documents):
        end = document_end(documents, start)
        found.append(RawBSONDocument(documents[start:end]))
        start = end
    return found


def _require_count(actual: int, expected: int) -> None:
    if actual != expected:
        raise WriteError(f"the server took {actual} of {expected} documents")


def _zero_timestamp_candidates(documents: bytes) -> Iterator[int]:
    """Offsets at which an element of any depth may hold Timestamp(0, 0).

    Looks at runs of zeros only, and between a run and the zero before it for the type number, since
    an element's name has no zero. A pattern that starts from the type number would take quadratic
    time on binary data.
    """
    position = documents.find(_ZERO_RUN)
    while position >= 0:
        before = documents.rfind(0, 0, position)
        if documents.find(TIMESTAMP, before + 1, position) >= 0:
            yield position
        run_end = _NOT_ZERO.search(documents, position)
        if run_end is None:
            return
        position = documents.find(_ZERO_RUN, run_end.start())


def _is_zero_timestamp(document: bytes, element: Element) -> bool:
    return element.kind == TIMESTAMP and document[element.value : element.end] == _ZERO_VALUE


def _replacements(documents: Iterable[bytes]) -> Iterator[list[dict[str, Any]]]:
    """Statements of the update command, in lists that fit a command each.

    As a pipeline's literal a document is stored byte for byte, whatever its field names are and
    however often each of them occurs.
    """
    statements: list[dict[str, Any]] = []
    size_bytes = 0
    for document in documents:
        if statements and size_bytes + len(document) > _BATCH_BYTES:
            yield statements
            statements, size_bytes = [], 0
        literal = {"$literal": RawBSONDocument(document)}
        statements.append({"q": {"_id": _equals_id(document)}, "u": [{"$replaceWith": literal}]})
        size_bytes += len(document)
    if statements:
        yield statements


def _equals_id(document: bytes) -> RawBSONDocument:
    for element in elements(document):
        if element.name == b"_id":
            kind_and_name = bytes([element.kind]) + b"$eq\x00"
            content = kind_and_name + document[element.value : element.end] + b"\x00"
            return RawBSONDocument((len(content) + 4).to_bytes(4, "little") + content)
    raise WriteError("a document with a Timestamp(0, 0) has no _id")
