"""A worker process for tests: DBOS is one per process, and some tests kill it.

Called with the database's address and, where it is to be another, the application version. It tells what happens in lines on standard output, and takes
orders in lines on standard input: ``open NAME`` lets the job of that subject through its gate,
``look NUMBER`` tells what the next so many statements are that look for jobs, ``stop SECONDS`` stops
the worker. What a job does is in its subject's first word.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections import defaultdict

import structlog
from sqlalchemy import Connection, Engine, event

from telamon.clock import system_clock
from telamon.errors import DuplicateClusterName, TelamonError, WorkerReplaced
from telamon.ids import new_id
from telamon.jobs import worker as worker_module
from telamon.jobs.lease import Lease
from telamon.jobs.queue import JobKind
from telamon.jobs.worker import Steps, Worker
from telamon.state.workers import LivingWorker
from tests.places import Place

BEAT_SECONDS = 0.2
LEASE_SECONDS = 2

_guard = threading.Lock()
_gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)


def tell(line: str) -> None:
    with _guard:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


class Handler:
    """Does what the subject says; its third step tells what it knows of the first."""

    def run(self, subject_id: str, steps: Steps) -> None:
        first = steps("one", lambda: self._one(subject_id))
        steps("two", lambda: self._two(subject_id))
        tell(f"{subject_id} ends with {first}")

    def fail(self, subject_id: str, error: TelamonError) -> None:
        parameters = json.dumps(error.parameters)
        tell(f"{subject_id} failed: {type(error).__name__} {parameters} {error.message}")
        if subject_id.startswith("stuck"):
            self._wait(subject_id)
        if subject_id.startswith("unnoted") and not _gates[subject_id].is_set():
            _gates[subject_id].set()
            raise OSError("no space left on device")

    def _one(self, subject_id: str) -> str:
        tell(f"{subject_id} one")
        return "what one answered"

    def _two(self, subject_id: str) -> None:
        tell(f"{subject_id} two")
        what = subject_id.partition("-")[0]
        if what in {"gated", "late", "doomed"}:
            self._wait(subject_id)
        if what in {"refused", "stuck", "late", "unnoted"}:
            raise DuplicateClusterName("100% serverless %s", "a b", "")
        if what in {"broken", "doomed"}:
            raise ValueError("mongodb://user:secret@host")

    def _wait(self, subject_id: str) -> None:
        _gates[subject_id].wait()
        tell(f"{subject_id} passed its gate")


class Looks:
    """The statements of the engine's threads that look for jobs."""

    def __init__(self, engine: Engine) -> None:
        self._more = threading.Condition()
        self._seen: list[str] = []
        event.listen(engine, "before_cursor_execute", self._note)

    def tell(self, number: int) -> None:
        """Of the next ones, the different beginnings."""
        with self._more:
            self._seen.clear()
            self._more.wait_for(lambda: len(self._seen) >= number)
            beginnings = sorted({" ".join(text.split()[:2]) for text in self._seen})
        tell(f"looked with {', '.join(beginnings)}")

    def _note(self, *about: object) -> None:
        if threading.current_thread().name.startswith("queue-worker"):
            with self._more:
                self._seen.append(str(about[2]))
                self._more.notify_all()


def stop(worker: Worker, lease: Lease, grace_seconds: int) -> None:
    tell("stopping")
    began = time.monotonic()
    worker.stop(grace_seconds)
    with contextlib.suppress(WorkerReplaced):  # a second stop
        lease.end(worker.running(), {JobKind.TAKE_SNAPSHOT: _undo})
    tell(f"stopped after {time.monotonic() - began:.1f} s")


def _undo(_tx: Connection, subject_id: str) -> None:
    tell(f"{subject_id} handed back")


def _be_lost() -> None:
    tell("replaced")
    os._exit(75)


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    database, *version = sys.argv[1:]
    if version:
        worker_module.APPLICATION_VERSION = version[0]
    db = Place(database).open()
    handlers = {kind: Handler() for kind in JobKind}
    living = LivingWorker(
        id=new_id(system_clock()),
        machine="here",
        has_mongod=False,
        version=worker_module.APPLICATION_VERSION,
    )
    lease = Lease(db, living, beat_seconds=BEAT_SECONDS, lease_seconds=LEASE_SECONDS, lost=_be_lost)
    worker = Worker(db.engine, handlers, worker_id=living.id, machine="here")
    looks = Looks(db.engine)
    lease.begin()
    worker.launch()
    tell("ready")
    for order in sys.stdin:
        word, _, subject = order.strip().partition(" ")
        if word == "open":
            _gates[subject].set()
        elif word == "look":
            threading.Thread(target=looks.tell, args=(int(subject),), daemon=True).start()
        elif word == "stop":
            threading.Thread(target=stop, args=(worker, lease, int(subject)), daemon=True).start()
    os._exit(0)


if __name__ == "__main__":
    main()
