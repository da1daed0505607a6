"""What a run measures, by name, and the medians of it."""

import statistics
from collections import defaultdict
from enum import StrEnum

from benchmarks.processes import Sample


class Thing(StrEnum):
    """One thing that is run again and again. ``mongodump`` may be its stand-in."""

    SOCKET = "read, bare socket"
    READ = "read, Telamon, dropped"
    DUMP = "mongodump --archive, dropped"
    DUMP_GZIP = "mongodump --archive --gzip"
    DUMP_ZSTD = "mongodump --archive, piped to zstd -3"
    FIRST = "first snapshot"
    ENCRYPTED = "first snapshot, encrypted"
    UNCHANGED = "second snapshot, nothing changed"
    RANDOM_SET = "second snapshot, 1 % changed at random, one field"
    RANDOM_REPLACED = "second snapshot, 1 % replaced at random"
    RANGE_SET = "second snapshot, 1 % changed in one range, one field"
    INSERTED = "second snapshot, 5 % inserted at the end"
    DELETED = "second snapshot, 0.5 % deleted at random"
    MONGORESTORE = "mongorestore --archive --gzip -j 4, 4 workers"
    RESTORE = "restore, Telamon"
    INSERT = "the same without shadows and verification"
    PREPARED = "download, prepared"
    DOWNLOAD = "download, fetched by curl, dropped"
    FIRST_BYTE = "download, until its first byte"
    EMPTY_ANSWER = "an empty answer of Starlette"
    JOB_PAGE = "a page of 100 restore jobs, with digest"
    FIRST_OF_FEW = "page 1 of 1,000 restore jobs, after a commit"
    FIRST_OF_MANY = "page 1 of 1,000,000 restore jobs, after a commit"
    LAST_OF_MANY = "page 10,000 of 1,000,000 restore jobs, after a commit"
    BUSY_MEDIAN = "a page, 32 connections, during a snapshot: median"
    BUSY_TAIL = "a page, 32 connections, during a snapshot: 99th percentile"
    IDLE = "a worker with nothing to do, for 30 seconds"
    IN_A_ROW = "a statement of SQLite, many times in a row"
    RESTED = "a statement of SQLite, each time after a second of rest"
    PAGE_WITHOUT_HISTORY = "a page of 100 restore jobs, of 100"
    PAGE_WITH_HISTORY = "a page of 100 restore jobs, of 100,000"
    WAIT_WITHOUT_HISTORY = "from POST to the job's start, 100 jobs ended"
    WAIT_WITH_HISTORY = "from POST to the job's start, 100,000 jobs ended"


class Measured:
    """Samples of each thing, of each data set by its letter; of the API, of each database by its name."""

    def __init__(self) -> None:
        self._samples: defaultdict[tuple[str, Thing], list[Sample]] = defaultdict(list)

    def add(self, letter: str, thing: Thing, sample: Sample) -> None:
        self._samples[letter, thing].append(sample)

    def median(self, letter: str, thing: Thing) -> Sample | None:
        """Of each figure on its own; memory's is the largest. None if the thing was not run."""
        samples = self._samples.get((letter, thing))
        if not samples:
            return None
        return Sample(
            seconds=statistics.median(sample.seconds for sample in samples),
            cpu_seconds=statistics.median(sample.cpu_seconds for sample in samples),
            bytes=round(statistics.median(sample.bytes for sample in samples)),
            peak_bytes=max(sample.peak_bytes for sample in samples),
        )

    def spread(self, letter: str, thing: Thing) -> tuple[float, float]:
        """The shortest and the longest of its times, in seconds."""
        seconds = [sample.seconds for sample in self._samples[letter, thing]]
        return min(seconds), max(seconds)

    def runs(self, letter: str, thing: Thing) -> int:
        return len(self._samples[letter, thing])

    def things(self) -> list[tuple[str, Thing]]:
        """Everything that was run: by data set, in the order of ``Thing``."""
        order = list(Thing)
        return sorted(self._samples, key=lambda one: (len(one[0]), one[0], order.index(one[1])))
