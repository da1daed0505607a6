"""Windows of continuous backup made again from the slices in the repository alone."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from telamon.blobs.base import BlobNotFound
from telamon.errors import InstanceNotFound, Unrecoverable
from telamon.model.oplog import OplogSlice, OplogWindow
from telamon.mongo.capture import digest_of_last
from telamon.repository.repository import Repository
from telamon.state import instances, oplogs
from telamon.state.database import Database

_GAP = "the windows were found in the repository, which does not say what was between"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    slice: OplogSlice
    stored_bytes: int
    digest: bytes


class RescannedOplogs:
    """Of one rescan. An instance that has windows keeps them as they are."""

    def __init__(self, db: Database, repository: Repository) -> None:
        self._db = db
        self._repository = repository
        self.damaged: list[str] = []
        """A sentence for each slice that cannot be read."""

    def run(self) -> int:
        """Answers how many slices got a row."""
        infos = self._repository.slices()
        found = ((info.key.split("/")[1], info) for info in infos)
        added = 0
        for instance_id, group in itertools.groupby(found, key=lambda pair: pair[0]):
            added += self._add(instance_id, [info.key for _, info in group])
        return added

    def _add(self, instance_id: str, keys: Iterable[str]) -> int:
        if not self._db.look(lambda tx: _is_wanted(tx, instance_id)):
            return 0
        chains = _chains(list(self._read(keys)))
        self._db.transact(lambda tx: _insert(tx, chains))
        return sum(map(len, chains))

    def _read(self, keys: Iterable[str]) -> Iterator[_Found]:
        for key in keys:
            try:
                one, entries = self._repository.read_slice(key)
                size_bytes = self._repository.store.size(key)
            except BlobNotFound:
                continue  # deleted meanwhile
            except Unrecoverable as error:
                self.damaged.append(error.message)
                continue
            yield _Found(slice=one, stored_bytes=size_bytes, digest=digest_of_last(entries))


def _is_wanted(tx: Connection, instance_id: str) -> bool:
    try:
        instances.by_id(tx, instance_id)
    except InstanceNotFound:
        return False  # no snapshot of it is there, so its oplog leads nowhere
    return not oplogs.windows(tx, instance_id)


def _insert(tx: Connection, chains: Iterable[list[_Found]]) -> None:
    for number, chain in enumerate(chains, start=1):
        last = chain[-1]
        window = OplogWindow(
            instance_id=last.slice.instance_id,
            number=number,
            start=chain[0].slice.after,
            stored_until=last.slice.last,
            until=last.slice.last,
            digest=last.digest,
            gap=_GAP if number > 1 else None,
        )
        oplogs.insert_window(tx, window)
        for one in chain:
            oplogs.insert_slice(tx, number, one.slice, stored_bytes=one.stored_bytes)


def _chains(found: list[_Found]) -> list[list[_Found]]:
    """Slices that go on where the one before ended are of one window.

    What a killed worker left beside a slice that was stored again is left out.
    """
    chains: list[list[_Found]] = []
    for one in found:
        last = chains[-1][-1].slice if chains else None
        if last is not None and one.slice.after == last.last:
            chains[-1].append(one)
        elif last is not None and one.slice.after == last.after:
            if one.slice.last > last.last:
                chains[-1][-1] = one
        else:
            chains.append([one])
    return chains
