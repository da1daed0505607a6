"""What a restore can say of a namespace that is done."""

import time
from collections.abc import Callable

from telamon.model.manifest import CollectionSpec
from telamon.model.restore_evidence import NamespaceEvidence, SkippedIndex
from telamon.mongo.fill import Filled
from telamon.mongo.write import Commands

Evidence = Callable[[NamespaceEvidence], None]
"""Told of each namespace that is done, by several threads; of one of them again if it is done again."""


class Stopwatch:
    """Runs from the moment it is made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def evidence(
        self,
        spec: CollectionSpec,
        filled: Filled,
        *,
        indexes: int,
        skipped: tuple[SkippedIndex, ...] = (),
    ) -> NamespaceEvidence:
        """Of a namespace that is done now."""
        return NamespaceEvidence(
            namespace=spec.namespace,
            kind=spec.kind,
            documents=filled.documents,
            size_bytes=filled.size_bytes,
            content_hash=filled.content_hash,
            indexes=indexes,
            seconds=time.monotonic() - self._began,
            skipped_indexes=skipped,
        )


def count_indexes(commands: Commands, name: str) -> int:
    """As many as the server has, the one of ``_id`` included."""
    return sum(1 for _ in commands.cursor_command({"listIndexes": name}))


def unrecorded(_found: NamespaceEvidence) -> None:
    """Evidence that nobody keeps."""
