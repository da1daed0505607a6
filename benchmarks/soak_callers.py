"""Callers of a fleet whose processes come and go, and what they have seen."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from telamon.mongo.connect import Client

Json = dict[str, Any]
Content = dict[str, dict[str, str]]

SYSTEM_DATABASES = {"admin", "config", "local"}
_ANSWER_SECONDS = 8.0  # a frozen process gives none
_PAUSE_SECONDS = 0.2
_PATIENCE_SECONDS = 180.0
_PAGE = 500
_DOCUMENTS = 20_000  # enough for a job to be hit in the middle
_SERVER_ERROR = 500


@dataclass
class Seen:
    """What all callers have noted. Appended to by many threads."""

    contents: dict[str, Content] = field(default_factory=dict)
    """What each completed snapshot must hold, by its id."""
    sources: dict[str, str] = field(default_factory=dict)
    """The instance of each of these snapshots."""
    promised: list[str] = field(default_factory=list)
    """Paths of jobs of which an answer said that they exist."""
    ended: dict[str, str] = field(default_factory=dict)
    """How each job ended, as first seen, by its path."""
    violations: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


class NoAnswerError(Exception):
    """The process was down, was frozen, or died before it answered."""


class Fleet:
    """The API, whichever process answers. For one thread."""

    def __init__(
        self, urls: Sequence[str], key: Mapping[str, str], seen: Seen, choose: random.Random
    ):
        self.group_id = key["groupId"]
        self._seen = seen
        self._choose = choose
        self._clients = [
            httpx.Client(
                base_url=url,
                auth=httpx.DigestAuth(key["publicKey"], key["privateKey"]),
                timeout=_ANSWER_SECONDS,
            )
            for url in urls
        ]

    def close(self) -> None:
        for client in self._clients:
            client.close()

    def ask(self, path: str) -> Json:
        """GET, from one process after the other until one answers."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return self._once("GET", path, None)
            except NoAnswerError:
                if time.monotonic() > deadline:
                    self._seen.violations.append(f"GET {path}: no process answered in time")
                    raise
                time.sleep(_PAUSE_SECONDS)

    def request(self, path: str, body: Json) -> Json:
        """POST, once. Raises NoAnswerError: it may have been done."""
        return self._once("POST", path, body)

    def all(self, path: str) -> Iterator[Json]:
        """Everything that a list has."""
        number = 1
        while True:
            page = self.ask(f"{path}?itemsPerPage={_PAGE}&pageNum={number}")["results"]
            yield from page
            if len(page) < _PAGE:
                return
            number += 1

    def _once(self, method: str, path: str, body: Json | None) -> Json:
        client = self._choose.choice(self._clients)
        try:
            answer = client.request(method, path, json=body)
        except httpx.TransportError as error:
            self._seen.counts[f"no answer: {type(error).__name__}"] += 1
            raise NoAnswerError from error
        self._seen.counts[f"{method} {answer.status_code}"] += 1
        if not answer.is_success:
            self._seen.violations.append(
                f"{method} {path} answered {answer.status_code}: {answer.text[:200]}"
            )
            raise NoAnswerError
        found: Json = answer.json()
        return found


class Caller:
    """Looks after one instance alone: changes it, takes snapshots of it, restores into it."""

    def __init__(
        self, name: str, deployment: Client, fleet: Fleet, seen: Seen, choose: random.Random
    ) -> None:
        self.name = name
        self._deployment = deployment
        self._fleet = fleet
        self._seen = seen
        self._choose = choose
        self._expected: Content | None = None
        group = fleet.group_id
        self._own = f"/api/telamon/v1/groups/{group}/instances"
        self._atlas = f"/api/atlas/v1.0/groups/{group}/serverless"

    def run(self, ending: threading.Event) -> None:
        """Until then; a job that was asked for is waited for."""
        try:
            self._fill()
            while not ending.is_set():
                self._require_untouched()
                known = sorted(self._seen.contents)
                if known and self._choose.random() < 0.5:  # as many restores as snapshots
                    self._restore(self._choose.choice(known))
                else:
                    self._change()
                    self._snapshot()
        except NoAnswerError:
            pass  # noted where it was raised
        except Exception as error:
            self._seen.violations.append(f"the caller of {self.name} broke: {error!r}")
            raise
        finally:
            self._fleet.close()

    def _snapshot(self) -> None:
        content = content_of(self._deployment)
        path = f"{self._own}/{self.name}/snapshots"
        before = {str(one["id"]) for one in self._fleet.all(path)}
        self._ask_for(path, {})
        for one in list(self._fleet.all(path)):
            if one["id"] in before:
                continue
            ended = self._ended(f"{path}/{one['id']}", lambda it: str(it["status"]))
            if ended["status"] == "completed":
                self._seen.sources[one["id"]] = self.name
                self._seen.contents[one["id"]] = content
        self._expected = content

    def _restore(self, snapshot_id: str) -> None:
        source = self._seen.sources[snapshot_id]
        path = f"{self._atlas}/{source}/backup/restoreJobs"
        before = {str(job["id"]) for job in self._mine(path)}
        body = {
            "deliveryType": "automated",
            "snapshotId": snapshot_id,
            "targetClusterName": self.name,
            "targetGroupId": self._fleet.group_id,
        }
        self._ask_for(path, body)
        for job in self._mine(path):
            if job["id"] in before:
                continue
            details = f"{self._own}/{source}/restoreJobs/{job['id']}"
            ended = self._ended(details, lambda it: str(it["stage"]))
            if ended["stage"] == "finished":
                self._expected = self._seen.contents[snapshot_id]
            elif "data is as it was" not in ended["failure"]:
                self._expected = None  # a mixture, and the job says so
            self._require_untouched()

    def _ask_for(self, path: str, body: Json) -> None:
        try:
            made = self._fleet.request(path, body)
        except NoAnswerError:
            self._seen.counts["jobs asked for without an answer"] += 1
            time.sleep(_ANSWER_SECONDS)  # a process that was frozen may do it when it goes on
        else:
            self._seen.counts["jobs asked for"] += 1
            self._seen.promised.append(f"{path}/{made['id']}")

    def _mine(self, path: str) -> list[Json]:
        return [job for job in self._fleet.all(path) if job["targetClusterName"] == self.name]

    def _ended(self, path: str, state_of: Any) -> Json:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while "finishedAt" not in (found := self._fleet.ask(path)):
            if time.monotonic() > deadline:
                self._seen.violations.append(f"{path} has not ended: {found}")
                raise NoAnswerError
            time.sleep(_PAUSE_SECONDS)
        self._seen.ended[path] = state_of(found)
        return found

    def _require_untouched(self) -> None:
        """What the last job left there, or found there, is there."""
        found = content_of(self._deployment)
        if self._expected is not None and found != self._expected:
            self._seen.violations.append(
                f"{self.name} holds {found}, and what was snapshot or restored there last is "
                f"{self._expected}"
            )
        self._seen.counts["contents compared"] += self._expected is not None
        self._expected = found

    def _fill(self) -> None:
        shop = self._deployment["shop"]
        shop["orders"].insert_many(
            [
                {"_id": n, "of": self.name, "n": -n, "text": self._choose.randbytes(100).hex()}
                for n in range(_DOCUMENTS)
            ]
        )
        shop["orders"].create_index("n")
        self._deployment["books"]["entries"].insert_one({"_id": self.name})

    def _change(self) -> None:
        """Some documents, and now and then a collection comes or goes."""
        number = self._choose.randrange(_DOCUMENTS)
        orders = self._deployment["shop"]["orders"]
        orders.update_many({"_id": {"$gte": number}}, {"$inc": {"n": 1}})
        name = f"extra{self._choose.randrange(5)}"
        if self._choose.random() < 0.5:
            self._deployment["books"].drop_collection(name)
        else:
            self._deployment["books"][name].insert_one({"by": self.name, "n": number})


def content_of(client: Client) -> Content:
    """The server's own hash of each collection of each user database."""
    return {
        name: client[name].command("dbHash")["collections"]
        for name in sorted(set(client.list_database_names()) - SYSTEM_DATABASES)
    }
