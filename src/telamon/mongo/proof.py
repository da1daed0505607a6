"""Whether a deployment holds what a snapshot has: everything is read back and compared.

Of each collection: kind, options and indexes, as the catalogue tells them; the documents that the
server counts, and those that it hands out, with their bytes and the sum of their hashes; and what the
server's own ``validate`` finds. A view has no documents: its definition is compared. Whether it can be
queried is a remark only, since the same definition may fail on the same documents at home.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from bson.raw_bson import RawBSONDocument
from pymongo.errors import OperationFailure

from telamon.errors import DrillFailed
from telamon.model.manifest import CollectionKind, CollectionSpec, Namespace
from telamon.mongo.catalog import BUCKETS_PREFIX, read_catalog
from telamon.mongo.connect import Client, reason, translated
from telamon.mongo.content_sum import ContentSum
from telamon.mongo.elements import elements
from telamon.mongo.line import RAW
from telamon.mongo.read import Scan

Seconds = Callable[[], float]
"""A clock that only goes forward; where it begins has no meaning."""

_VIEW_MILLISECONDS = 5000
_EXEMPT = b"ns"  # servers before 4.4 say it of an index


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a snapshot has of one namespace."""

    spec: CollectionSpec
    documents: int
    size_bytes: int
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What was found of it. ``difference`` is None where all is as expected."""

    documents: int
    size_bytes: int
    content_hash: str
    indexes: int
    seconds: float
    difference: str | None
    remark: str | None


class Proving:
    """Compares one deployment. ``confirm`` is called before each batch; what it raises comes out."""

    def __init__(
        self, client: Client, *, confirm: Callable[[], None], seconds: Seconds = time.monotonic
    ) -> None:
        self._client = client
        self._confirm = confirm
        self._seconds = seconds

    def prove(self, expected: Sequence[Expected]) -> Iterator[tuple[Expected, Proof]]:
        """One after the other, in their order.

        Raises DrillFailed for what the deployment refuses, and at last for what it holds besides;
        DeploymentUnavailable.
        """
        with translated(DrillFailed, "The catalogue could not be read"):
            found = {spec.namespace: spec for spec in read_catalog(self._client)}
        for each in expected:
            namespace = each.spec.namespace
            with translated(DrillFailed, f"{namespace} could not be verified"):
                proof = self._prove(each, found.pop(namespace, None))
            yield each, proof
        if found:
            names = ", ".join(str(namespace) for namespace in sorted(found))
            raise DrillFailed(f"The snapshot has no {names}, but the restored deployment does.")

    def _prove(self, expected: Expected, found: CollectionSpec | None) -> Proof:
        began = self._seconds()
        content = ContentSum()
        remark = None
        if found is None:
            difference: str | None = "it is missing"
        else:
            difference = _difference_of_specs(expected.spec, found)
            if found.kind is CollectionKind.VIEW:
                remark = self._view_remark(found.namespace)
            else:
                self._read(found, content)
                difference = difference or self._difference_of_content(expected, found, content)
        return Proof(
            documents=content.documents,
            size_bytes=content.size_bytes,
            content_hash=content.hexdigest,
            indexes=len(found.indexes) if found else 0,
            seconds=self._seconds() - began,
            difference=difference,
            remark=remark,
        )

    def _read(self, found: CollectionSpec, content: ContentSum) -> None:
        assert found.uuid is not None
        scan = Scan(self._client, found.namespace.database, found.uuid)
        with closing(scan.batches(None, capped=found.capped)) as batches:
            for batch in batches:
                self._confirm()
                content.add(batch)

    def _difference_of_content(
        self, expected: Expected, found: CollectionSpec, content: ContentSum
    ) -> str | None:
        commands = self._client[found.namespace.database]
        holder = found.namespace.name
        if found.kind is CollectionKind.TIMESERIES:
            holder = BUCKETS_PREFIX + holder
        counted = int(commands.command("count", holder)["n"])
        for what, actual, wanted in (
            ("documents are counted", counted, expected.documents),
            ("documents are read", content.documents, expected.documents),
            ("bytes of documents are read", content.size_bytes, expected.size_bytes),
        ):
            if actual != wanted:
                return f"{actual} {what} and not {wanted}"
        if content.hexdigest != expected.content_hash:
            return "its documents are not those of the snapshot"
        verdict = commands.command("validate", holder)
        if not verdict["valid"]:
            return f"the server finds it damaged: {'; '.join(map(str, verdict['errors']))}"
        return None

    def _view_remark(self, view: Namespace) -> str | None:
        query = {
            "find": view.name,
            "limit": 1,
            "singleBatch": True,
            "maxTimeMS": _VIEW_MILLISECONDS,
        }
        try:
            self._client[view.database].command(query, codec_options=RAW)
        except OperationFailure as error:
            return f"it cannot be queried: {reason(error)}"
        return None


def _difference_of_specs(expected: CollectionSpec, found: CollectionSpec) -> str | None:
    if found.kind is not expected.kind:
        return f"it is a {found.kind.value} and not a {expected.kind.value}"
    options = _different(_members(expected.options), _members(found.options))
    if options:
        return f"its options differ in {options}"
    indexes = _different(_indexes(expected), _indexes(found))
    return f"its indexes differ in {indexes}" if indexes else None


def _indexes(spec: CollectionSpec) -> dict[str, dict[str, bytes]]:
    return {str(RawBSONDocument(index)["name"]): _members(index) for index in spec.indexes}


def _members(document: bytes) -> dict[str, bytes]:
    return {
        each.name.decode(errors="replace"): document[each.start : each.end]
        for each in elements(document)
        if each.name != _EXEMPT
    }


def _different(expected: Mapping[str, object], found: Mapping[str, object]) -> str:
    """The names of what is not the same on both sides; empty if all is."""
    names = sorted(expected.keys() | found.keys())
    return ", ".join(name for name in names if expected.get(name) != found.get(name))
