"""How much each snapshot holds, takes and shares."""

from collections import Counter
from dataclasses import dataclass

from telamon.model.manifest import Manifest
from telamon.repository.codec import is_delta
from telamon.repository.prune import facts_of
from telamon.repository.repository import Repository
from telamon.repository.usage import Usage, usage_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotStats:
    """One snapshot. Logical bytes are those of documents, stored bytes those of chunks in packs."""

    snapshot_id: str
    instance_name: str
    taken_at: str
    """ISO 8601, in UTC."""
    documents: int
    logical_bytes: int
    deduplicated_bytes: int
    """Logical bytes that cost nothing: of chunks that an earlier snapshot, or an earlier place in
    this one, has too."""
    stored_bytes: int
    """Of all the chunks that it needs, each once."""
    unique_bytes: int
    """Stored bytes that no other snapshot needs: what a prune frees once it is deleted."""
    chunks: int
    """Different ones that it needs, the bases of deltas included."""
    delta_chunks: int
    delta_bytes: int
    """Stored bytes of its chunks that are differences from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryStats:
    """The whole repository, and each of its snapshots from the oldest on."""

    repository_id: str
    encrypted: bool
    packs: int
    pack_bytes: int
    """Of the blobs."""
    used_bytes: int
    """Stored bytes that snapshots need."""
    unused_bytes: int
    """Stored bytes that none needs: copies, and what deleted snapshots left."""
    logical_bytes: int
    """Of all snapshots together, as if each were kept by itself."""
    oplog_slices: int
    oplog_bytes: int
    """Of the blobs."""
    missing_chunks: int
    """Needed ones that no readable pack has; see check."""
    snapshots: tuple[SnapshotStats, ...]


def read_stats(repository: Repository) -> RepositoryStats:
    """Count. Raises ``IntegrityError`` naming a manifest that cannot be read."""
    repository.index.refresh()
    manifests = [repository.manifest(snapshot_id) for snapshot_id in repository.snapshot_ids()]
    manifests.sort(key=lambda manifest: (manifest.taken_at, manifest.snapshot_id))
    usages = [usage_of(repository.index, [manifest]) for manifest in manifests]
    owners = Counter(chunk_id for usage in usages for chunk_id in usage.homes)
    seen: set[bytes] = set()
    packs = facts_of(repository, usage_of(repository.index, manifests))
    slices = [info.size_bytes for info in repository.slices()]
    return RepositoryStats(
        repository_id=repository.repository_id,
        encrypted=repository.keys.cipher is not None,
        packs=len(packs),
        pack_bytes=sum(pack.size_bytes for pack in packs),
        used_bytes=sum(pack.used_bytes for pack in packs),
        unused_bytes=sum(pack.unused_bytes for pack in packs),
        logical_bytes=sum(manifest.size_bytes for manifest in manifests),
        oplog_slices=len(slices),
        oplog_bytes=sum(slices),
        missing_chunks=len(set().union(*(usage.missing for usage in usages))),
        snapshots=tuple(
            _snapshot(manifest, usage, owners, seen)
            for manifest, usage in zip(manifests, usages, strict=True)
        ),
    )


def _snapshot(
    manifest: Manifest, usage: Usage, owners: Counter[bytes], seen: set[bytes]
) -> SnapshotStats:
    """``seen`` are the chunks of earlier snapshots; this one's join them."""
    deduplicated_bytes = 0
    for stored in manifest.collections:
        for chunk in stored.chunks:
            if chunk.chunk_id in seen:
                deduplicated_bytes += chunk.size_bytes
            seen.add(chunk.chunk_id)
    homes = usage.homes
    deltas = [home.stored_bytes for home in homes.values() if is_delta(home.encoding)]
    return SnapshotStats(
        snapshot_id=manifest.snapshot_id,
        instance_name=manifest.instance_name,
        taken_at=manifest.taken_at.isoformat(),
        documents=manifest.documents,
        logical_bytes=manifest.size_bytes,
        deduplicated_bytes=deduplicated_bytes,
        stored_bytes=sum(home.stored_bytes for home in homes.values()),
        unique_bytes=sum(
            home.stored_bytes for chunk_id, home in homes.items() if owners[chunk_id] == 1
        ),
        chunks=len(homes),
        delta_chunks=len(deltas),
        delta_bytes=sum(deltas),
    )
