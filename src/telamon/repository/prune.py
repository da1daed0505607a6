"""Giving back the space of chunks that no snapshot needs: first a plan, then its execution.

What is needed of a pack is in a new pack, durably, before the old one is deleted. So a prune that
is killed leaves chunks twice, at worst, and the next one takes the copies away. Nobody may take a
snapshot meanwhile: a snapshot may count on chunks that nobody needs yet.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from telamon.errors import IntegrityError, Unrecoverable
from telamon.model.manifest import Manifest
from telamon.repository.codec import EncodedChunk
from telamon.repository.index import Location
from telamon.repository.pack import PACK_TARGET_BYTES, iterate_records
from telamon.repository.pack_stream import PackStream
from telamon.repository.reader import ChunkReader
from telamon.repository.repository import Repository
from telamon.repository.usage import Usage, copies_of, usage_of

USUAL_UNUSED_PERCENT = 5.0
_SMALL_BYTES = PACK_TARGET_BYTES // 4
_MANY = 10

Progress = Callable[[int, int], None]
"""Told of packs done and packs in all."""


class Action(StrEnum):
    """What becomes of a pack."""

    KEEP = "keep"
    REPACK = "repack"
    """What is needed of it goes to a new pack; then it is deleted."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFacts:
    """One pack, by what is needed of it. Bytes are those of chunks as stored."""

    key: str
    used_bytes: int
    unused_bytes: int
    size_bytes: int
    """Of the whole blob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of one pack, and why."""

    pack: PackFacts
    action: Action
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePlan:
    """Every pack's decision, in the order of the keys."""

    decisions: tuple[Decision, ...]

    def of(self, action: Action) -> tuple[Decision, ...]:
        """The decisions for one action."""
        return tuple(decision for decision in self.decisions if decision.action is action)

    @property
    def freed_bytes(self) -> int:
        """What the store will hold less, nearly: new packs have headers and footers of their own."""
        return sum(
            decision.pack.size_bytes
            - (decision.pack.used_bytes if decision.action is Action.REPACK else 0)
            for decision in self.decisions
            if decision.action is not Action.KEEP
        )

    @property
    def rewritten_bytes(self) -> int:
        """What is to be read and written again."""
        return sum(decision.pack.used_bytes for decision in self.of(Action.REPACK))


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneResult:
    """What a prune did."""

    deleted: tuple[str, ...]
    """Keys of packs that are gone."""
    freed_bytes: int
    """What the store holds less: deleted packs without those that were written."""
    written_bytes: int
    """Of new packs."""
    kept: tuple[str, ...]
    """One sentence for each pack that was to go and could not."""


def plan_prune(
    packs: Iterable[PackFacts], *, max_unused_percent: float = USUAL_UNUSED_PERCENT
) -> PrunePlan:
    """Decide on each pack.

    Packs of which nothing is needed go. Then those with the largest part to spare are packed again,
    until what is to spare in all others is at most ``max_unused_percent`` of the bytes they hold.
    Small packs are merged when there are many.
    """
    ordered = sorted(packs, key=lambda pack: pack.key)
    decided = {pack.key: _decide(pack, Action.KEEP, "it is needed") for pack in ordered}
    for pack in ordered:
        if not pack.used_bytes:
            decided[pack.key] = _decide(pack, Action.DELETE, "nothing in it is needed")
    held = [pack for pack in ordered if pack.used_bytes]
    for pack in _wasteful(held, max_unused_percent):
        percent = 100 * pack.unused_bytes / (pack.used_bytes + pack.unused_bytes)
        decided[pack.key] = _decide(pack, Action.REPACK, f"{percent:.0f} % of it is not needed")
    small = [pack for pack in held if pack.size_bytes < _SMALL_BYTES]
    if len(small) >= _MANY:
        for pack in small:
            if decided[pack.key].action is Action.KEEP:
                decided[pack.key] = _decide(pack, Action.REPACK, f"one of {len(small)} small packs")
    return PrunePlan(decisions=tuple(decided.values()))


def facts_of(repository: Repository, usage: Usage) -> list[PackFacts]:
    """The facts of every pack whose index can be read; the others are left alone."""
    facts = []
    for key, index in repository.index.packs().items():
        used = unused = 0
        for record in iterate_records(index):
            home = usage.homes.get(record.chunk_id)
            if home is not None and (home.pack_key, home.offset) == (key, record.offset):
                used += record.stored_bytes
            else:
                unused += record.stored_bytes
        size_bytes = repository.store.size(key)
        facts.append(
            PackFacts(key=key, used_bytes=used, unused_bytes=unused, size_bytes=size_bytes)
        )
    return facts


def read_usage(repository: Repository) -> Usage:
    """What every snapshot there is needs.

    Raises ``IntegrityError`` naming the first manifest that cannot be read: nobody can tell what
    that snapshot needs, so nothing may be taken away.
    """
    repository.index.refresh()
    return usage_of(
        repository.index,
        (_readable(repository, snapshot_id) for snapshot_id in repository.snapshot_ids()),
    )


class Prune:
    """One prune: made with its plan, then executed or not."""

    def __init__(
        self, repository: Repository, *, max_unused_percent: float = USUAL_UNUSED_PERCENT
    ) -> None:
        """Reads every manifest; changes nothing. Raises as ``read_usage`` does."""
        self._repository = repository
        self._reader = ChunkReader(repository.store, repository.index, repository.keys)
        self._usage = read_usage(repository)
        self._packs = PackStream(repository.store, repository.index)
        self._present = repository.index.packs().keys()
        self.plan = plan_prune(
            facts_of(repository, self._usage), max_unused_percent=max_unused_percent
        )

    def execute(self, progress: Progress = lambda _done, _total: None) -> PruneResult:
        """Do what the plan says.

        A pack whose needed chunks cannot be proven stays, and the result says so. Raises
        ``Unavailable`` when the store does; then, too, nothing that is needed is gone.
        """
        leaving = [*self.plan.of(Action.REPACK), *self.plan.of(Action.DELETE)]
        going: list[Decision] = []
        kept: list[str] = []
        for number, decision in enumerate(leaving):
            try:
                saved = list(self._to_save(decision.pack.key))
            except Unrecoverable as error:
                kept.append(f"Pack {decision.pack.key} is kept: {error.message}")
            else:
                for chunk_id, chunk, raw_bytes in saved:
                    self._packs.append(chunk_id, chunk, raw_bytes)
                going.append(decision)
            progress(number, len(leaving))
        self._packs.flush()
        # What was packed again may have come out as the very same pack.
        deleted = [decision for decision in going if decision.pack.key not in self._packs.keys]
        written_bytes = sum(map(self._repository.store.size, self._packs.keys - self._present))
        for decision in deleted:
            self._repository.store.delete(decision.pack.key)
        self._repository.index.refresh()
        progress(len(leaving), len(leaving))
        return PruneResult(
            deleted=tuple(decision.pack.key for decision in deleted),
            freed_bytes=sum(decision.pack.size_bytes for decision in deleted) - written_bytes,
            written_bytes=written_bytes,
            kept=tuple(kept),
        )

    def _to_save(self, pack_key: str) -> Iterator[tuple[bytes, EncodedChunk, int]]:
        """What would be lost with a pack, proven: name, chunk as stored, raw length.

        Nothing of a pack that is kept needs to be written, so a pack is proven to its end before
        anything of it is.
        """
        for record in iterate_records(self._repository.index.packs()[pack_key]):
            home = self._usage.homes.get(record.chunk_id)
            if home is None:
                continue
            if home.pack_key != pack_key and self._is_proven(record.chunk_id, home):
                continue
            place = next(
                place
                for place in copies_of(self._repository.index, record.chunk_id)
                if (place.pack_key, place.offset) == (pack_key, record.offset)
            )
            yield self._read(record.chunk_id, place)

    def _is_proven(self, chunk_id: bytes, place: Location) -> bool:
        try:
            self._reader.read_at(place, chunk_id)
        except Unrecoverable:
            return False
        return True

    def _read(self, chunk_id: bytes, place: Location) -> tuple[bytes, EncodedChunk, int]:
        stored = self._repository.store.get_range(place.pack_key, place.offset, place.stored_bytes)
        raw = self._reader.decode(stored, place, chunk_id)
        chunk = EncodedChunk(encoding=place.encoding, stored=stored, base_ids=place.base_ids)
        return chunk_id, chunk, len(raw)


def _decide(pack: PackFacts, action: Action, reason: str) -> Decision:
    return Decision(pack=pack, action=action, reason=reason)


def _wasteful(packs: Sequence[PackFacts], max_unused_percent: float) -> list[PackFacts]:
    """Those to pack again, the worst first."""
    used = sum(pack.used_bytes for pack in packs)
    unused = sum(pack.unused_bytes for pack in packs)
    chosen = []
    for pack in sorted(packs, key=lambda pack: pack.used_bytes / (pack.unused_bytes or 1e-9)):
        if not pack.unused_bytes or 100 * unused <= max_unused_percent * (used + unused):
            break
        chosen.append(pack)
        unused -= pack.unused_bytes
    return chosen


def _readable(repository: Repository, snapshot_id: str) -> Manifest:
    try:
        return repository.manifest(snapshot_id)
    except Unrecoverable as error:
        raise IntegrityError(
            f"{error.message} Nobody can tell what it needs, so nothing is pruned."
        ) from error
