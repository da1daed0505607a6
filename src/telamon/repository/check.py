"""Looking for damage: everything that a restore would need, and, if asked, every byte of it."""

import random
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum

from telamon.blobs.base import BlobInfo, BlobNotFound
from telamon.errors import ConfigurationError, Unrecoverable
from telamon.repository.codec import is_delta
from telamon.repository.config import CONFIG_KEY
from telamon.repository.index import Location
from telamon.repository.keys import KEY_PREFIX, check_keys
from telamon.repository.manifest import MANIFEST_PREFIX
from telamon.repository.oplog_slice import is_slice_key
from telamon.repository.pack import (
    PACK_PREFIX,
    check_whole_pack,
    is_pack_key,
    iterate_chunk_ids,
    iterate_records,
)
from telamon.repository.reader import ChunkReader
from telamon.repository.repository import Repository, read_config
from telamon.repository.usage import copies_of

_THREADS = 2

Progress = Callable[[int, int], None]
"""Told of bytes read and bytes to be read."""


class Part(StrEnum):
    """What a finding is about."""

    CONFIG = "config"
    KEY = "key"
    MANIFEST = "manifest"
    PACK = "pack"
    CHUNK = "chunk"
    OPLOG = "oplog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is damaged or missing."""

    part: Part
    name: str
    """A blob's key, or a chunk's id in hexadecimal."""
    harm: str
    """A sentence that names the object and says what is wrong with it."""
    snapshots: tuple[str, ...] = ()
    """Ids of the snapshots that cannot be restored whole because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a check has found. Clean if there are no findings; notes are no damage."""

    snapshots: int
    packs: int
    chunks: int
    """Different ones, in readable packs."""
    unneeded_chunks: int
    """That no snapshot needs: the next prune's."""
    oplog_slices: int
    read_bytes: int
    """Of packs, and of oplog slices, that were read whole."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


class Check:
    """One check of one repository. Changes nothing."""

    def __init__(self, repository: Repository, chance: random.Random) -> None:
        """``chance`` chooses the packs of which a part is read."""
        self._repository = repository
        self._chance = chance
        self._reader = ChunkReader(repository.store, repository.index, repository.keys)
        self._findings: list[Finding] = []
        self._notes: list[str] = []
        self._lost: set[bytes] = set()
        self._needed: set[bytes] = set()

    def run(
        self,
        *,
        read_data_percent: float = 0.0,
        expected: Collection[str] = (),
        progress: Progress = lambda _done, _total: None,
    ) -> CheckReport:
        """Check what is there and, of the packs, at least so many percent of the bytes.

        ``expected`` are the ids of snapshots that somebody else knows to exist. Raises ``Unavailable`` when the store does.
        """
        packs = self._check_layout()
        self._check_config()
        self._repository.index.refresh()
        self._check_indexes()
        present = self._repository.snapshot_ids()
        snapshots = sum(map(self._check_manifest, present))
        for snapshot_id in sorted(set(expected) - set(present)):
            harm = f"The manifest of snapshot {snapshot_id} is missing."
            self._find(Part.MANIFEST, MANIFEST_PREFIX + snapshot_id, harm, (snapshot_id,))
        slices = list(self._repository.slices())
        chosen_slices = self._choose(slices, read_data_percent)
        self._read_slices(chosen_slices)
        chosen = self._choose(packs, read_data_percent)
        self._read_packs(chosen, progress)
        self._attribute()
        known = {
            chunk_id
            for index in self._repository.index.packs().values()
            for chunk_id in iterate_chunk_ids(index)
        }
        return CheckReport(
            snapshots=snapshots,
            packs=len(packs),
            chunks=len(known),
            unneeded_chunks=len(known - self._needed),
            oplog_slices=len(slices),
            read_bytes=sum(blob.size_bytes for blob in [*chosen, *chosen_slices]),
            findings=tuple(self._findings),
            notes=tuple(self._notes),
        )

    def _check_layout(self) -> list[BlobInfo]:
        """The packs; notes what is no part of a repository."""
        packs = []
        for info in self._repository.store.list(""):
            if is_pack_key(info.key):
                packs.append(info)
            elif info.key.startswith(PACK_PREFIX) or not (
                info.key == CONFIG_KEY
                or is_slice_key(info.key)
                or info.key.startswith((MANIFEST_PREFIX, KEY_PREFIX))
            ):
                self._notes.append(f"{info.key} is no part of a repository.")
        return packs

    def _check_config(self) -> None:
        store = self._repository.store
        try:
            read_config(store)
        except (ConfigurationError, Unrecoverable) as error:
            self._find(Part.CONFIG, CONFIG_KEY, error.message)
        for info in store.list(KEY_PREFIX):
            try:
                check_keys(info.key, store.get(info.key))
            except Unrecoverable as error:
                self._find(Part.KEY, info.key, error.message)

    def _check_indexes(self) -> None:
        for key, harm in sorted(self._repository.index.unreadable().items()):
            self._find(Part.PACK, key, harm)

    def _check_manifest(self, snapshot_id: str) -> int:
        """Note what the snapshot needs; answers 1 if its manifest can be read."""
        try:
            manifest = self._repository.manifest(snapshot_id)
        except BlobNotFound:
            return 0  # deleted meanwhile
        except Unrecoverable as error:
            self._find(Part.MANIFEST, MANIFEST_PREFIX + snapshot_id, error.message, (snapshot_id,))
            return 0
        for stored in manifest.collections:
            for chunk in stored.chunks:
                if chunk.chunk_id not in self._needed:
                    self._need(chunk.chunk_id, chunk.size_bytes)
        return 1

    def _need(self, chunk_id: bytes, raw_bytes: int) -> None:
        self._needed.add(chunk_id)
        places = copies_of(self._repository.index, chunk_id)
        whole = [place for place in places if self._has_bases(place)]
        name = chunk_id.hex()
        if not places:
            self._lose(chunk_id, f"Chunk {name} is in no readable pack.")
        elif not whole:
            bases = ", ".join(base_id.hex() for base_id in places[0].base_ids)
            self._lose(
                chunk_id,
                f"Chunk {name} is a difference from {bases}, and not all of that is there.",
            )
        elif all(place.raw_bytes != raw_bytes for place in whole):
            self._lose(
                chunk_id,
                f"Chunk {name} has {whole[0].raw_bytes} bytes in {whole[0].pack_key}; "
                f"a snapshot says {raw_bytes}.",
            )
        self._needed.update(base_id for place in places for base_id in place.base_ids)

    def _has_bases(self, place: Location) -> bool:
        return all(
            any(not is_delta(base.encoding) for base in copies_of(self._repository.index, base_id))
            for base_id in place.base_ids
        )

    def _read_slices(self, chosen: list[BlobInfo]) -> None:
        for info in chosen:
            try:
                self._repository.read_slice(info.key)
            except BlobNotFound:
                continue  # deleted meanwhile
            except Unrecoverable as error:
                self._find(Part.OPLOG, info.key, error.message)

    def _choose(self, packs: list[BlobInfo], percent: float) -> list[BlobInfo]:
        """Blobs of at least ``percent`` of all bytes, in the order of their keys."""
        wanted_bytes = sum(pack.size_bytes for pack in packs) * percent / 100
        chosen: list[BlobInfo] = []
        for pack in self._chance.sample(packs, len(packs)):
            if wanted_bytes <= 0:
                break
            chosen.append(pack)
            wanted_bytes -= pack.size_bytes
        return sorted(chosen, key=lambda pack: pack.key)

    def _read_packs(self, chosen: list[BlobInfo], progress: Progress) -> None:
        total = sum(pack.size_bytes for pack in chosen)
        done = 0
        damaged: set[bytes] = set()
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="check-pack") as pool:
            for info, findings in zip(chosen, pool.map(self._read_pack, chosen), strict=True):
                self._findings += findings
                damaged.update(
                    bytes.fromhex(found.name) for found in findings if found.part is Part.CHUNK
                )
                done += info.size_bytes
                progress(done, total)
        for chunk_id in damaged & self._needed:
            try:
                self._reader.read(chunk_id)
            except Unrecoverable:
                self._lost.add(chunk_id)

    def _read_pack(self, info: BlobInfo) -> list[Finding]:
        """Every byte of one pack, and every chunk in it."""
        try:
            data = self._repository.store.get(info.key)
        except BlobNotFound as error:
            return [Finding(part=Part.PACK, name=info.key, harm=error.message)]
        findings = []
        try:
            check_whole_pack(info.key, data)
        except Unrecoverable as error:
            if info.key not in self._repository.index.unreadable():
                findings.append(Finding(part=Part.PACK, name=info.key, harm=error.message))
        return [*findings, *self._damaged_chunks(info.key, data)]

    def _damaged_chunks(self, pack_key: str, data: bytes) -> Iterator[Finding]:
        index = self._repository.index.packs().get(pack_key)
        for record in iterate_records(index) if index is not None else ():
            place = Location(
                pack_key=pack_key,
                offset=record.offset,
                stored_bytes=record.stored_bytes,
                raw_bytes=record.raw_bytes,
                encoding=record.encoding,
                base_ids=record.base_ids,
            )
            stored = data[record.offset : record.offset + record.stored_bytes]
            try:
                self._reader.decode(stored, place, record.chunk_id)
            except Unrecoverable as error:
                name = record.chunk_id.hex()
                harm = f"Chunk {name} in {pack_key} cannot be read: {error.message}"
                yield Finding(part=Part.CHUNK, name=name, harm=harm)

    def _attribute(self) -> None:
        """Say of each lost chunk which snapshots have lost it."""
        lost = self._with_deltas(self._lost)
        if not lost:
            return
        victims: dict[str, list[str]] = {}
        for snapshot_id in self._repository.snapshot_ids():
            for chunk_id in self._chunks_of(snapshot_id) & lost.keys():
                for cause in lost[chunk_id]:
                    names = victims.setdefault(cause.hex(), [])
                    if snapshot_id not in names:
                        names.append(snapshot_id)
        self._findings = [
            replace(found, snapshots=tuple(victims.get(found.name, found.snapshots)))
            for found in self._findings
        ]

    def _with_deltas(self, lost: set[bytes]) -> dict[bytes, list[bytes]]:
        """Every chunk that cannot be read, with the lost chunks that are the reason."""
        reasons = {chunk_id: [chunk_id] for chunk_id in lost}
        for chunk_id in self._needed:
            places = copies_of(self._repository.index, chunk_id)
            without = [lost.intersection(place.base_ids) for place in places]
            if without and all(without):  # one copy whose bases are there is enough
                reasons.setdefault(chunk_id, []).extend(sorted(set().union(*without)))
        return reasons

    def _chunks_of(self, snapshot_id: str) -> set[bytes]:
        try:
            manifest = self._repository.manifest(snapshot_id)
        except Unrecoverable:
            return set()  # it has a finding of its own
        return {chunk.chunk_id for stored in manifest.collections for chunk in stored.chunks}

    def _lose(self, chunk_id: bytes, harm: str) -> None:
        self._lost.add(chunk_id)
        self._find(Part.CHUNK, chunk_id.hex(), harm)

    def _find(self, part: Part, name: str, harm: str, snapshots: tuple[str, ...] = ()) -> None:
        self._findings.append(Finding(part=part, name=name, harm=harm, snapshots=snapshots))
