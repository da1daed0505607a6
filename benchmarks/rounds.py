"""One data set through everything, in rounds: what is compared runs by turns, in changing order."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path

from benchmarks.changes import Changes
from benchmarks.datasets import DataSet
from benchmarks.deployment import Deployment
from benchmarks.measured import Measured, Thing
from benchmarks.peer import Peers
from benchmarks.processes import Sample, run_job, run_pipe

Run = Callable[[], Sample]


class Group(StrEnum):
    """What ``--only`` can name."""

    READ = "read"
    FIRST = "first"
    SECOND = "second"
    CHANGED = "changed"
    ENCRYPTED = "encrypted"
    RESTORE = "restore"
    DOWNLOAD = "download"
    API = "api"
    IDLE = "idle"
    HISTORY = "history"


class Rounds:
    """The measurements of one data set, of which ``root`` holds everything that is written."""

    def __init__(
        self,
        root: Path,
        data_set: DataSet,
        *,
        source: Deployment,
        target: Deployment,
        peers: Peers,
        groups: Sequence[Group],
        measured: Measured,
    ) -> None:
        self._root = root
        self._data_set = data_set
        self._source = source
        self._target = target
        self._peers = peers
        self._groups = groups
        self._measured = measured
        self._number = 0
        self._store = root
        self._snapshot = ""

    def run(self, rounds: int) -> None:
        """All rounds, then the changes that are measured once: their bytes are always the same."""
        for self._number in range(rounds):
            self._forget_round()
            self._read()
            self._first()
            self._second()
            self._restore()
            self._download()
        if Group.CHANGED in self._groups and self._changes_fields:
            self._changed_once()
        self._forget_round()

    @property
    def _changes_fields(self) -> bool:
        """Changes are measured on one set: the text, which has the field that is set."""
        return self._data_set.letter == "A"

    @property
    def _archive(self) -> Path:
        return self._root / "archive.gz"

    def _read(self) -> None:
        if Group.READ not in self._groups:
            return
        collection = ("--collection", self._data_set.name)
        self._by_turns(
            {
                Thing.SOCKET: lambda: run_job("socket", "--uri", self._source.uri, *collection)[0],
                Thing.READ: lambda: run_job("read", "--uri", self._source.uri)[0],
            }
        )

    def _first(self) -> None:
        """First snapshots. The plain one is what all later measurements of the round build on."""
        runs: dict[Thing, Run] = {Thing.FIRST: self._first_snapshot}
        if Group.ENCRYPTED in self._groups:
            runs[Thing.ENCRYPTED] = self._encrypted_snapshot
        if self._peers.dump is not None:
            if {Group.FIRST, Group.RESTORE} & set(self._groups):
                runs[Thing.DUMP_GZIP] = self._dump_gzip
            if Group.FIRST in self._groups:
                runs[Thing.DUMP_ZSTD] = self._dump_zstd
        self._by_turns(runs)

    def _second(self) -> None:
        runs: dict[Thing, Run] = {}
        if Group.SECOND in self._groups:
            runs[Thing.UNCHANGED] = lambda: self._second_snapshot(nullcontext())
            if self._peers.dump is not None:
                runs[Thing.DUMP] = self._dump_dropped
        self._by_turns(runs)
        if Group.CHANGED in self._groups and self._changes_fields:
            change = Changes(self._source, self._data_set).random_set
            self._by_turns({Thing.RANDOM_SET: lambda: self._second_snapshot(change())})

    def _restore(self) -> None:
        if Group.RESTORE not in self._groups:
            return
        runs: dict[Thing, Run] = {
            Thing.RESTORE: lambda: self._restore_telamon("restore"),
            Thing.INSERT: lambda: self._restore_telamon("insert"),
        }
        if self._peers.restore is not None and self._archive.exists():
            runs[Thing.MONGORESTORE] = self._restore_peer
        self._by_turns(runs)

    def _download(self) -> None:
        if Group.DOWNLOAD not in self._groups:
            return
        stored = ("--store", str(self._store), "--snapshot", self._snapshot)
        runs: dict[Thing, Run] = {
            Thing.PREPARED: lambda: run_job("prepare", *stored)[0],
            Thing.DOWNLOAD: lambda: self._fetch(*stored),
        }
        if self._peers.dump is not None and Group.SECOND not in self._groups:
            runs[Thing.DUMP] = self._dump_dropped
        self._by_turns(runs)

    def _fetch(self, *stored: str) -> Sample:
        sample, said = run_job("download", *stored)
        self._record(Thing.FIRST_BYTE, Sample(seconds=said["first"], cpu_seconds=0))
        return sample

    def _changed_once(self) -> None:
        changes = Changes(self._source, self._data_set)
        for thing, change in (
            (Thing.RANDOM_REPLACED, changes.random_replaced),
            (Thing.RANGE_SET, changes.range_set),
            (Thing.INSERTED, changes.inserted),
            (Thing.DELETED, changes.deleted),
        ):
            self._record(thing, self._second_snapshot(change()))

    def _by_turns(self, runs: dict[Thing, Run]) -> None:
        """Each once, in the opposite order every other round."""
        order = list(runs.items())
        for thing, run in order if self._number % 2 == 0 else reversed(order):
            _settle()
            self._record(thing, run())

    def _record(self, thing: Thing, sample: Sample) -> None:
        self._measured.add(self._data_set.letter, thing, sample)
        print(
            f"{self._data_set.letter}  {thing:55} {sample.seconds:7.2f} s  "
            f"{sample.cpu_seconds:7.2f} s CPU  {sample.bytes / 1e6:8.2f} MB",
            file=sys.stderr,
        )

    def _first_snapshot(self) -> Sample:
        self._store = self._root / "store"
        run_job("create", "--store", str(self._store))
        sample, said = run_job("snapshot", "--uri", self._source.uri, "--store", str(self._store))
        self._snapshot = said["snapshot"]
        return sample

    def _encrypted_snapshot(self) -> Sample:
        store = ("--store", str(self._root / "encrypted"), "--encrypted")
        run_job("create", *store)
        return run_job("snapshot", "--uri", self._source.uri, *store)[0]

    def _second_snapshot(self, change: AbstractContextManager[None]) -> Sample:
        """On a copy of the store that has the first snapshot and nothing else."""
        copy = self._root / "copy"
        shutil.copytree(self._store, copy, copy_function=os.link)  # blobs are never written again
        try:
            with change:
                _settle()
                return run_job(
                    *("snapshot", "--uri", self._source.uri, "--store", str(copy)),
                    *("--snapshot", self._snapshot),
                )[0]
        finally:
            shutil.rmtree(copy)

    def _dump_gzip(self) -> Sample:
        return run_pipe([self._peers.dump_command(self._source.uri, "--gzip")], self._archive)

    def _dump_dropped(self) -> Sample:
        return run_pipe([self._peers.dump_command(self._source.uri)], output=None)

    def _dump_zstd(self) -> Sample:
        dump = self._peers.dump_command(self._source.uri)
        return run_pipe([dump, self._peers.zstd], self._root / "archive.zst")

    def _restore_telamon(self, job: str) -> Sample:
        self._target.clear()
        sample, _ = run_job(
            *(job, "--uri", self._target.uri, "--store", str(self._store)),
            *("--snapshot", self._snapshot),
        )
        self._require_equal("Telamon")
        return sample

    def _restore_peer(self) -> Sample:
        self._target.clear()
        sample = run_pipe([self._peers.restore_command(self._target.uri, self._archive)], None)
        self._require_equal("mongorestore")
        return sample

    def _require_equal(self, who: str) -> None:
        """A restore that is fast because something is missing is no restore; looked at once."""
        if self._number > 0:
            return
        name = self._data_set.name
        ours = self._target.content_hash(), self._target.index_names(name)
        if ours != (self._source.content_hash(), self._source.index_names(name)):
            raise RuntimeError(f"what {who} restored of {name} is not what the source has")

    def _forget_round(self) -> None:
        for path in self._root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _settle() -> None:
    """Nobody pays for the disk writes of the one before."""
    os.sync()
