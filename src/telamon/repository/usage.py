"""What the snapshots of a repository need, and where it is."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from telamon.model.manifest import Manifest
from telamon.repository.codec import is_delta
from telamon.repository.index import Index, Location


@dataclass(slots=True)
class Usage:
    """The chunks that manifests name, and the bases of those that are kept as deltas."""

    homes: dict[bytes, Location] = field(default_factory=dict)
    """Of each needed chunk, the copy that counts. Every other copy is to spare."""
    missing: set[bytes] = field(default_factory=set)
    """Needed chunks that no readable pack has, or, of a base, only as a delta."""

    def need(self, index: Index, manifest: Manifest) -> None:
        """Add what one snapshot needs."""
        for stored in manifest.collections:
            for chunk in stored.chunks:
                if chunk.chunk_id not in self.homes:
                    self._need(index, chunk.chunk_id)

    def _need(self, index: Index, chunk_id: bytes) -> None:
        home = find_home(index, chunk_id)
        if home is None:
            self.missing.add(chunk_id)
            return
        self.homes[chunk_id] = home
        # Should the home be damaged, another copy must be readable as well.
        for place in copies_of(index, chunk_id):
            for base_id in place.base_ids:
                base = self.homes.get(base_id) or find_home(index, base_id)
                if base is not None and not is_delta(base.encoding):
                    self.homes[base_id] = base
                elif place == home:
                    self.missing.add(base_id)


def find_home(index: Index, chunk_id: bytes) -> Location | None:
    """The copy of a chunk to keep: a whole one if there is any, so that it can be a base.

    The same for every caller of one index, whatever order its packs were read in.
    """
    return min(copies_of(index, chunk_id), key=_preference, default=None)


def copies_of(index: Index, chunk_id: bytes) -> list[Location]:
    """Every place where a readable pack has the chunk."""
    first = index.find(chunk_id)
    return [] if first is None else [first, *index.find_copies(chunk_id)]


def usage_of(index: Index, manifests: Iterable[Manifest]) -> Usage:
    """What all of the snapshots need together."""
    usage = Usage()
    for manifest in manifests:
        usage.need(index, manifest)
    return usage


def _preference(place: Location) -> tuple[bool, str, int]:
    return is_delta(place.encoding), place.pack_key, place.offset
