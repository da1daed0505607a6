"""Measure the data path and the list of restore jobs; write benchmarks/results.md.

Everything is a ratio to a baseline of the same run, run by turns. ``--size-mb`` sets the size of the
data set (1 KB text documents with natural word frequencies), ``--rounds`` how often each is run.
"""

import argparse
import asyncio
import platform
import random
import resource
import secrets
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bson
import httpx
import zstandard
from bson.raw_bson import RawBSONDocument
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.page import app_with_jobs
from telamon.blobs.local import LocalBlobStore
from telamon.model.manifest import CollectionSpec, Consistency, Manifest, StoredCollection
from telamon.mongo.binary import find_mongod
from telamon.mongo.connect import Client, open_client
from telamon.mongo.managed import Passwords, start_managed, telamon_uri
from telamon.mongo.process import MongodProcess
from telamon.mongo.restore import Restore
from telamon.mongo.snapshot import read_snapshot
from telamon.repository.repository import Repository

RESULTS = Path(__file__).parent / "results.md"
PASSWORDS = Passwords(telamon="benchmark", owner="benchmark-owner")
DATABASE = "bench"
WORDS = 5000
Measured = dict[str, list[float]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--size-mb", type=int, default=256)
    arguments.add_argument("--rounds", type=int, default=3)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="telamon-bench-") as folder:
        root = Path(folder)
        with _deployment(root / "source") as source, _deployment(root / "target") as target:
            size_bytes = load_documents(source[1], chosen.size_mb * 1024 * 1024)
            seconds, facts = measure(root, source, target, chosen.rounds)
    seconds.update(asyncio.run(measure_page(chosen.rounds)))
    RESULTS.write_text(report(seconds, facts, size_bytes, chosen.rounds))
    print(RESULTS.read_text())


def measure(
    root: Path, source: tuple[str, Client], target: tuple[str, Client], rounds: int
) -> tuple[Measured, dict[str, float]]:
    """Seconds of each thing, by name, and facts that are no times."""
    seconds: Measured = {}
    facts: dict[str, float] = {}
    for number in range(rounds):
        repository = Repository.create(LocalBlobStore(root / str(number)), secrets.token_bytes)
        facts.update(_round(seconds, repository, source, target[1]))
    facts["zstd -3 of the documents in one stream"] = _one_stream(source[1])
    return seconds, facts


def _round(
    seconds: Measured, repository: Repository, source: tuple[str, Client], target: Client
) -> dict[str, float]:
    """Everything once; returns the stored bytes."""
    uri, client = source
    _time(seconds, "read, PyMongo find_raw_batches", lambda: _read_with_pymongo(client))
    _time(seconds, "read, Telamon", lambda: _drop_snapshot(client))
    collections, first = _time(seconds, "first snapshot", lambda: _take(repository, client))
    _, second = _time(seconds, "second snapshot, unchanged", lambda: _take(repository, client))
    _time(seconds, "restore, PyMongo insert_many", lambda: _insert(target, repository, collections))
    _time(seconds, "restore, Telamon", lambda: _restore(target, repository, collections))
    dump = shutil.which("mongodump")
    if dump is not None:
        _time(seconds, "mongodump --archive", lambda: _dump(dump, uri))
        _time(seconds, "mongodump --archive --gzip", lambda: _dump(dump, uri, "--gzip"))
    return {
        "stored bytes of the first snapshot": first,
        "stored bytes of the second snapshot": second,
    }


async def measure_page(rounds: int) -> Measured:
    """The list of 100 restore jobs against an empty answer, both in process, without a socket."""
    seconds: Measured = {}
    empty = Starlette(routes=[Route("/", lambda _request: Response(b"{}"))])
    with tempfile.TemporaryDirectory() as folder:
        app, auth, path = app_with_jobs(Path(folder), 1000)
        for _ in range(rounds):
            await _requests(seconds, "200 empty Starlette answers", empty, None, "/")
            await _requests(seconds, "200 pages of 100 restore jobs, with digest", app, auth, path)
    return seconds


async def _requests(seconds: Measured, name: str, app: Any, auth: Any, path: str) -> None:
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://bench", auth=auth) as client:
        await client.get(path)
        started = time.perf_counter()
        for _ in range(200):
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
        seconds.setdefault(name, []).append(time.perf_counter() - started)


def load_documents(client: Client, size_bytes: int) -> int:
    """Fill ``bench.text`` up to ``size_bytes``; the same documents in every run."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(WORDS)]
    weights = [1 / rank for rank in range(1, WORDS + 1)]
    written = number = 0
    while written < size_bytes:
        batch = []
        for _ in range(2000):
            text = " ".join(chance.choices(words, weights, k=140))
            batch.append(
                RawBSONDocument(bson.encode({"_id": number, "n": number % 97, "text": text}))
            )
            written += len(batch[-1].raw)
            number += 1
        client[DATABASE].text.insert_many(batch)
    client[DATABASE].text.create_index("n")
    return written


def report(seconds: Measured, facts: dict[str, float], size_bytes: int, rounds: int) -> str:
    """The page: medians, and ratios to the baseline of the same run."""
    median = {name: statistics.median(times) for name, times in seconds.items()}
    stored = facts["stored bytes of the first snapshot"]
    pairs = [
        ("read, Telamon", "read, PyMongo find_raw_batches"),
        ("first snapshot", "read, PyMongo find_raw_batches"),
        ("first snapshot", "mongodump --archive --gzip"),
        ("second snapshot, unchanged", "first snapshot"),
        ("second snapshot, unchanged", "mongodump --archive"),
        ("restore, Telamon", "restore, PyMongo insert_many"),
        ("200 pages of 100 restore jobs, with digest", "200 empty Starlette answers"),
    ]
    lines = [
        "# Benchmark results",
        "",
        f"`make bench`: {size_bytes / 1e6:.0f} MB of 1 KB text documents, one index, {rounds} rounds by turns,",
        f"source, target and Telamon on one machine ({platform.machine()}, Python "
        f"{platform.python_version()}). Compare ratios; seconds are this machine's.",
        "",
        "| wall time | against | ratio |",
        "|---|---|---|",
        *(
            f"| {name} | {base} | {median[name] / median[base]:.2f} |"
            for name, base in pairs
            if base in median
        ),
        "",
        "| bytes | against | ratio |",
        "|---|---|---|",
        f"| first snapshot, stored | documents | {stored / size_bytes:.3f} |",
        f"| first snapshot, stored | zstd -3 of the documents in one stream | "
        f"{stored / facts['zstd -3 of the documents in one stream']:.3f} |",
        f"| second snapshot, unchanged | first snapshot | "
        f"{facts['stored bytes of the second snapshot'] / stored:.4f} |",
        "",
        "| median seconds | |",
        "|---|---|",
        *(f"| {name} | {value:.2f} |" for name, value in median.items()),
        "",
        f"Peak memory of the whole run: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB.",
        "" if shutil.which("mongodump") else "mongodump is not on the PATH: its rows are left out.",
    ]
    return "\n".join(lines).rstrip() + "\n"


def _time(seconds: Measured, name: str, work: Callable[[], Any]) -> Any:
    started = time.perf_counter()
    result = work()
    seconds.setdefault(name, []).append(time.perf_counter() - started)
    return result


def _read_with_pymongo(client: Client) -> None:
    for _ in client[DATABASE].text.find_raw_batches():
        pass


def _drop_snapshot(client: Client) -> None:
    def sink(_spec: CollectionSpec, buffers: Iterator[bytes]) -> None:
        for _ in buffers:
            pass

    read_snapshot(client, sink)


def _take(repository: Repository, client: Client) -> tuple[tuple[StoredCollection, ...], int]:
    """A whole snapshot; returns its collections and the bytes it added."""
    stored: dict[CollectionSpec, StoredCollection] = {}

    def sink(spec: CollectionSpec, buffers: Iterator[bytes]) -> None:
        stored[spec] = StoredCollection(spec=spec, chunks=writer.add(buffers))

    with repository.begin() as writer:
        facts = read_snapshot(client, sink)
        collections = tuple(stored[spec] for spec in facts.collections)
        writer.commit(
            Manifest(
                snapshot_id=secrets.token_hex(12),
                group_id="0" * 24,
                instance_id="0" * 24,
                instance_name="bench",
                taken_at=datetime.fromtimestamp(facts.cluster_time.seconds, UTC),
                cluster_time=facts.cluster_time,
                consistency=Consistency.SNAPSHOT,
                mongodb_version="6.0.5",
                feature_compatibility_version="6.0",
                collections=collections,
            )
        )
        return collections, writer.counts.new_bytes


def _restore(
    client: Client, repository: Repository, collections: tuple[StoredCollection, ...]
) -> None:
    client.drop_database(DATABASE)
    restore = Restore(
        client,
        job_id="0" * 24,
        collections=collections,
        documents=repository.documents,
        progress=lambda _documents, _size_bytes: None,
    )
    restore.load()
    restore.swap()


def _insert(
    client: Client, repository: Repository, collections: tuple[StoredCollection, ...]
) -> None:
    client.drop_database(DATABASE)
    for stored in collections:
        for piece in repository.documents(stored):
            client[DATABASE].text.insert_many(
                [RawBSONDocument(raw) for raw in _documents(piece)], ordered=False
            )
    client[DATABASE].text.create_index("n")


def _documents(piece: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(piece):
        end = start + int.from_bytes(piece[start : start + 4], "little")
        yield piece[start:end]
        start = end


def _one_stream(client: Client) -> int:
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    batches: Iterator[Any] = iter(client[DATABASE].text.find_raw_batches())
    return sum(len(compressor.compress(batch)) for batch in batches) + len(compressor.flush())


def _dump(program: str, uri: str, *options: str) -> None:
    subprocess.run(
        [program, "--quiet", f"--uri={uri}", f"--db={DATABASE}", "--archive", *options],
        stdout=subprocess.DEVNULL,
        check=True,
    )


@contextmanager
def _deployment(root: Path) -> Iterator[tuple[str, Client]]:
    process = MongodProcess(find_mongod(None), root)
    try:
        uri = telamon_uri(start_managed(process, PASSWORDS, wanted_port=None), PASSWORDS)
        with open_client(uri) as client:
            yield uri, client
    finally:
        process.stop()


if __name__ == "__main__":
    main()
