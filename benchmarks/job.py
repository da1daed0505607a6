"""One measurement in a process of its own: ``python -m benchmarks.job read --uri …``.

Prints JSON: seconds without the start of the interpreter and its imports, processor seconds in the
same span, peak memory of the whole process, and what the job has to tell. The parent is
benchmarks.run.
"""

import argparse
import importlib
import json
import resource
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bare_socket import BareSocket
from benchmarks.datasets import DATA_SETS, DATABASE, load
from benchmarks.take import drop, take
from benchmarks.waking import price_of_rest
from telamon.blobs.local import LocalBlobStore
from telamon.model.manifest import StoredCollection
from telamon.model.restore_options import IndexFailures
from telamon.mongo import indexes
from telamon.mongo.archive import checksum
from telamon.mongo.buffers import keep_large_buffers
from telamon.mongo.connect import Client, connected
from telamon.mongo.create import create
from telamon.mongo.fill import Filler, Source
from telamon.mongo.parallel import Stop, run_all
from telamon.mongo.restore import Restore
from telamon.repository.keys import RepositorySecret, SecretKind
from telamon.repository.repository import Repository

Job = Callable[[argparse.Namespace], dict[str, Any]]
_SECRET = RepositorySecret(kind=SecretKind.KEY_FILE, value=b"the key of the benchmark, 32 by.")
_NOBODY = "0" * 24


def main() -> None:
    jobs: dict[str, Job] = {
        "load": load_data_set,
        "socket": read_bare_socket,
        "read": read_and_drop,
        "create": create_repository,
        "snapshot": snapshot,
        "restore": restore,
        "insert": insert,
        "prepare": prepare_download,
        "download": download,
        "rest": lambda _chosen: dict(price_of_rest()),
    }
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("job", choices=jobs)
    arguments.add_argument("--uri")
    arguments.add_argument("--collection")
    arguments.add_argument("--size-bytes", type=int)
    arguments.add_argument("--store", type=Path)
    arguments.add_argument("--encrypted", action="store_true")
    arguments.add_argument(
        "--snapshot", help="the snapshot to restore, or the one before a new one"
    )
    chosen = arguments.parse_args()
    keep_large_buffers()  # as the worker does
    if chosen.job == "download":
        importlib.import_module("benchmarks.fetch")  # before the clock starts
    cpu_seconds, started = _cpu_seconds(), time.perf_counter()
    told = jobs[chosen.job](chosen)
    measured = {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _cpu_seconds() - cpu_seconds,
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(measured | told))


def load_data_set(chosen: argparse.Namespace) -> dict[str, Any]:
    data_set = next(one for one in DATA_SETS if one.name == chosen.collection)
    with connected(chosen.uri) as client:
        return {"bytes": load(client, data_set, chosen.size_bytes)}


def read_bare_socket(chosen: argparse.Namespace) -> dict[str, Any]:
    bare = BareSocket(chosen.uri)
    try:
        return {"bytes": bare.drop_all(DATABASE, chosen.collection)}
    finally:
        bare.close()


def read_and_drop(chosen: argparse.Namespace) -> dict[str, Any]:
    """The read path alone, with the catalogue and the cluster time that belong to it."""
    with connected(chosen.uri) as client:
        return {"bytes": drop(client)}


def create_repository(chosen: argparse.Namespace) -> dict[str, Any]:
    secret = _SECRET if chosen.encrypted else None
    Repository.create(LocalBlobStore(chosen.store), secrets.token_bytes, secret=secret)
    return {}


def snapshot(chosen: argparse.Namespace) -> dict[str, Any]:
    """``bytes`` are those by which the store grew, the manifest included."""
    before = _stored_bytes(chosen.store)
    repository = _open(chosen)
    previous = repository.manifest(chosen.snapshot) if chosen.snapshot else None
    with connected(chosen.uri) as client:
        taken = take(repository, client, previous)
    return {"snapshot": taken.snapshot_id, "bytes": _stored_bytes(chosen.store) - before}


def restore(chosen: argparse.Namespace) -> dict[str, Any]:
    repository = _open(chosen)
    manifest = repository.manifest(chosen.snapshot)
    with connected(chosen.uri) as client:
        work = Restore(
            client,
            job_id=_NOBODY,
            sources=[
                replace(
                    _source(repository, stored), verifier=partial(repository.content_check, stored)
                )
                for stored in manifest.collections
            ],
            progress=_unnoticed,
        )
        work.load()
        work.swap()
    return {"bytes": manifest.size_bytes}


def insert(chosen: argparse.Namespace) -> dict[str, Any]:
    """As ``restore`` without shadows, hashes, marks and the swap: into an empty deployment, at once."""
    repository = _open(chosen)
    manifest = repository.manifest(chosen.snapshot)
    stop = Stop()
    with connected(chosen.uri) as client, Filler(_unnoticed, parallel=2, stop=stop) as filler:
        sources = [_source(repository, stored) for stored in manifest.collections]
        tasks = [partial(_insert, client, filler, source) for source in sources]
        run_all(tasks, parallel=2, stop=stop)
    return {"bytes": manifest.size_bytes}


def _insert(client: Client, filler: Filler, source: Source) -> None:
    spec = source.spec
    commands, name = client[spec.namespace.database], spec.namespace.name
    create(commands, name, spec)
    filler.fill(commands, name, source)
    wanted = indexes.secondary(spec)
    indexes.build(commands, name, spec, wanted, failures=IndexFailures.FAIL)


def _source(repository: Repository, stored: StoredCollection) -> Source:
    return Source(
        spec=stored.spec,
        documents=stored.documents,
        size_bytes=stored.size_bytes,
        read=partial(repository.documents, stored),
    )


def _unnoticed(_documents: int, _size_bytes: int, _namespaces: int) -> None: ...


def prepare_download(chosen: argparse.Namespace) -> dict[str, Any]:
    """What the job of operations/downloads.py does, without its database."""
    repository = _open(chosen)
    manifest = repository.manifest(chosen.snapshot)
    for stored in manifest.collections:
        value = 0
        for piece in repository.documents(stored):
            value = checksum(piece, value)
    return {"bytes": manifest.size_bytes}


def download(chosen: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.fetch import fetch  # noqa: PLC0415  # with the API, which few jobs need

    return fetch(_open(chosen), chosen.snapshot)


def _open(chosen: argparse.Namespace) -> Repository:
    return Repository.open(LocalBlobStore(chosen.store), _SECRET if chosen.encrypted else None)


def _stored_bytes(store: Path) -> int:
    return sum(path.stat().st_size for path in store.rglob("*") if path.is_file())


def _cpu_seconds() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _peak_bytes() -> int:
    """Of this program. ``ru_maxrss`` would count the memory that its parent had at the fork, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("the kernel does not tell VmHWM")


if __name__ == "__main__":
    main()
