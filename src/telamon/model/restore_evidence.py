"""What a restore has proven of each namespace."""

from dataclasses import dataclass

from telamon.model.manifest import CollectionKind, Namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedIndex:
    """An index that the target could not build, and a restore that goes on without it."""

    name: str
    definition: str
    """Extended JSON, as the snapshot has it."""
    reason: str
    """The server's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceEvidence:
    """One namespace as it was put into the target.

    ``documents`` were counted there, or while they were put in where the server deletes by itself;
    ``size_bytes`` is their length. Where a query has chosen among them, ``documents`` are those that are
    left; length and hash are those of all that were put in. ``seconds`` is from its first document to
    its last index.
    """

    namespace: Namespace
    kind: CollectionKind
    documents: int
    size_bytes: int
    content_hash: str | None
    """Of the documents in their order, hexadecimal, under the repository's key; equal in restores of
    one snapshot. None for views."""
    indexes: int
    """Those that the target has, the one of ``_id`` included."""
    seconds: float
    skipped_indexes: tuple[SkippedIndex, ...] = ()
