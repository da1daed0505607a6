"""What a restore job is asked to do otherwise than usual."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from telamon.model.manifest import CollectionKind, Namespace
from telamon.model.selection import Selection


class IndexFailures(StrEnum):
    """What happens to a restore when the target cannot build an index; words of Telamon's own paths."""

    FAIL = "fail"
    """It fails, and the target stays as it was."""
    SKIP = "skip"
    """It goes on without that index, and its evidence names it and the server's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """Options of one job. Each has a usual value, with which a restore is what Atlas does."""

    index_failures: IndexFailures = IndexFailures.FAIL
    selection: Selection | None = None
    """What of the snapshot is restored; None for all of it."""
    moved: tuple[tuple[Namespace, Namespace], ...] = ()
    """Which of what is selected has another name than it was to have, since the target had that:
    from the snapshot's name to the one it has. Known once the job has begun."""

    def places(self, contents: Mapping[Namespace, CollectionKind]) -> dict[Namespace, Namespace]:
        """The name that each namespace which is restored has in the target.

        Raises InvalidSelection, but never for the snapshot that the job was made for.
        """
        if self.selection is None:
            return {namespace: namespace for namespace in contents}
        return {**self.selection.places(contents), **dict(self.moved)}


USUAL = RestoreOptions()
