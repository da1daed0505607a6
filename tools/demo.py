"""The whole story on a real MongoDB: load, snapshot, damage, restore, prove, read the job back.

Leaves the server up and says how to reach it; DEMO_EXIT=1 stops it at the end instead.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pymongo
from bson import Decimal128, Int64
from pymongo import MongoClient
from pymongo.database import Database

from telamon.errors import TelamonError
from telamon.mongo.binary import find_mongod
from telamon.mongo.process import MongodProcess

ROOT = Path(".demo")
ORDERS = 40_000
CUSTOMERS = 15_000
MEASUREMENTS = 10_000
EVENTS = 2_000
SYSTEM_DATABASES = {"admin", "config", "local"}
ACCEPT_V2 = "application/vnd.atlas.2023-01-01+json"
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
TIMEOUT_SECONDS = 60.0

Documents = dict[str, Any]


def main() -> None:
    started = time.monotonic()
    key = json.loads(_telamon("init", "--json"))
    with _server() as url:
        api = _Api(url, key)
        say("making an instance: POST /api/atlas/v1.0/groups/{groupId}/serverless")
        uri = api.make_instance("demo")
        with pymongo.MongoClient[Documents](uri, tz_aware=True) as client:
            _show_the_story(api, client)
        say(f"done in {time.monotonic() - started:.0f} s")
        if os.environ.get("DEMO_EXIT") == "1":
            return
        _tell_how_to_reach(url, key, uri)
        _await_interrupt()


def _show_the_story(api: "_Api", client: MongoClient[Documents]) -> None:
    say("loading a sample data set")
    documents = load_sample(client)
    before = fingerprint(client)
    print(f"  {documents} documents in {', '.join(sorted(before))}")

    say("taking a snapshot: telamon snapshot take demo --wait")
    output = _telamon("snapshot", "take", "demo", "--wait", environment=api.environment)
    snapshot_id = output.split()[0]
    print(f"  {output.splitlines()[-1]}")

    say("damaging the deployment")
    damage(client)
    _require(fingerprint(client) != before, "the damage did no harm")

    say("restoring: POST …/backup/restoreJobs")
    job = api.restore("demo", snapshot_id)
    _require(not job["failed"], f"the restore failed: {job}")
    after = fingerprint(client)
    for database in sorted(before):
        verdict = "equal" if after.get(database) == before[database] else "DIFFERENT"
        print(f"  {database:10} dbHash {before[database]['dbHash']}  {verdict}")
    _require(after == before, "the restored deployment differs")
    print("  collections, options and indexes of every database: equal")

    say("reading the restore job back, with digest authentication")
    print(api.page("demo"))


class _Api:
    """Atlas's API on the demo's server, as one key."""

    def __init__(self, url: str, key: dict[str, str]) -> None:
        self._url = url
        self._group = f"/groups/{key['groupId']}"
        self._group_id = key["groupId"]
        self._http = httpx.Client(
            base_url=url, auth=httpx.DigestAuth(key["publicKey"], key["privateKey"])
        )
        self.environment = {
            "TELAMON_URL": url,
            "TELAMON_GROUP_ID": key["groupId"],
            "TELAMON_PUBLIC_KEY": key["publicKey"],
            "TELAMON_PRIVATE_KEY": key["privateKey"],
        }

    def make_instance(self, name: str) -> str:
        """A managed instance; returns its connection string once it is IDLE."""
        provider = {"backingProviderName": "AWS", "regionName": "US_EAST_1"}
        self._v1("POST", "/serverless", {"name": name, "providerSettings": provider})
        made = wait_for(
            lambda: self._v1("GET", f"/serverless/{name}"), lambda it: it["stateName"] == "IDLE"
        )
        return str(made["connectionStrings"]["standardSrv"])

    def restore(self, name: str, snapshot_id: str) -> Documents:
        """Restore into the same instance; returns the job at its end."""
        jobs = f"/serverless/{name}/backup/restoreJobs"
        job = self._v1(
            "POST",
            jobs,
            {
                "deliveryType": "automated",
                "snapshotId": snapshot_id,
                "targetClusterName": name,
                "targetGroupId": self._group_id,
            },
        )
        return wait_for(
            lambda: self._v1("GET", f"{jobs}/{job['id']}"), lambda it: "finishedAt" in it
        )

    def page(self, name: str) -> str:
        """The page of restore jobs, pretty, with its status line and headers."""
        path = f"/api/atlas/v1.0{self._group}/serverless/{name}/backup/restoreJobs?pretty=true"
        answer = self._http.get(path)
        fields = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
        return (
            f"GET {path}\n\nHTTP/1.1 {answer.status_code} {answer.reason_phrase}\n{fields}\n\n"
            f"{answer.text}"
        )

    def _v1(self, method: str, path: str, body: object = None) -> Documents:
        url = f"/api/atlas/v1.0{self._group}{path}"
        answer = self._http.request(method, url, json=body)
        answer.raise_for_status()
        found: Documents = answer.json()
        return found


def load_sample(client: MongoClient[Documents]) -> int:
    """A shop, its sensors and its log; returns the number of documents."""
    shop = client.shop
    shop.create_collection(
        "orders",
        validator={"$jsonSchema": {"required": ["customer", "total"]}},
        validationLevel="moderate",
    )
    shop.orders.insert_many(
        {
            "_id": number,
            "customer": number * 7 % CUSTOMERS,
            "total": Decimal128(f"{number % 900}.{number % 100:02}"),
            "at": BEGIN + timedelta(minutes=number),
            "lines": [{"sku": f"sku-{number % 500}", "count": Int64(1 + number % 4)}],
        }
        for number in range(ORDERS)
    )
    shop.orders.create_index([("customer", 1), ("at", -1)])
    shop.orders.create_index("lines.sku", partialFilterExpression={"customer": {"$gt": 100}})
    large = [{"$match": {"total": {"$gt": Decimal128("800")}}}]
    shop.create_collection("large_orders", viewOn="orders", pipeline=large)
    people = client.people
    people.create_collection("customers", collation={"locale": "de", "strength": 2})
    people.customers.insert_many(
        {"_id": number, "name": f"Kunde {number}", "city": f"Stadt {number % 90}"}
        for number in range(CUSTOMERS)
    )
    people.customers.create_index("name", unique=True)
    people.customers.create_index([("city", "text")], collation={"locale": "simple"})
    return ORDERS + CUSTOMERS + _load_factory(client.factory)


def _load_factory(factory: Database[Documents]) -> int:
    factory.create_collection("sensors", timeseries={"timeField": "at", "metaField": "sensor"})
    factory.sensors.insert_many(
        {"at": BEGIN + timedelta(seconds=number), "sensor": number % 20, "value": number / 8}
        for number in range(MEASUREMENTS)
    )
    factory.create_collection("events", capped=True, size=8 * 1024 * 1024, max=100_000)
    factory.events.insert_many(
        {"_id": number, "text": f"event {number}"} for number in range(EVENTS)
    )
    factory.events.create_index("text", sparse=True)
    return MEASUREMENTS + EVENTS


def damage(client: MongoClient[Documents]) -> None:
    """What a bad night may leave behind."""
    client.shop.orders.delete_many({"_id": {"$lt": 10_000}})
    client.shop.orders.update_many({}, {"$set": {"customer": 0}})
    client.shop.orders.drop_indexes()
    client.shop.drop_collection("large_orders")
    client.factory.drop_collection("sensors")
    client.drop_database("people")
    client.ransom.note.insert_one({"pay": "now"})


def fingerprint(client: MongoClient[Documents]) -> dict[str, Documents]:
    """Everything that must be equal after a restore: dbHash, options and indexes, by database."""
    names = sorted(set(client.list_database_names()) - SYSTEM_DATABASES)
    return {name: _fingerprint(client[name]) for name in names}


def _fingerprint(database: Database[Documents]) -> Documents:
    found = sorted(database.list_collections(), key=lambda entry: str(entry["name"]))
    return {
        "dbHash": database.command("dbHash")["md5"],
        "options": {entry["name"]: (entry["type"], entry["options"]) for entry in found},
        "indexes": {
            entry["name"]: sorted(
                map(repr, database.command("listIndexes", entry["name"])["cursor"]["firstBatch"])
            )
            for entry in found
            if entry["type"] != "view"
        },
    }


def wait_for(ask: Callable[[], Documents], is_done: Callable[[Documents], bool]) -> Documents:
    """Ask again and again until the answer will do."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not is_done(answer := ask()):
        _require(time.monotonic() < deadline, f"nothing came of it in time: {answer}")
        time.sleep(0.1)
    return answer


@contextmanager
def _server() -> Iterator[str]:
    """``telamon serve`` on a free port; stopped at the end. Yields its URL."""
    server = subprocess.Popen(
        [sys.executable, "-m", "telamon", "serve", "--data-dir", str(ROOT), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=(ROOT / "server.log").open("w"),
        text=True,
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        _require("listening on" in line, f"the server did not start; see {ROOT}/server.log")
        yield line.split()[-1]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _telamon(*words: str, environment: dict[str, str] | None = None) -> str:
    """One command of the ``telamon`` program; returns what it prints."""
    place = ["--data-dir", str(ROOT)] if words[0] == "init" else []
    return subprocess.run(
        [sys.executable, "-m", "telamon", *words, *place],
        stdout=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        text=True,
        check=True,
    ).stdout


def _clear() -> None:
    """Remove what an earlier demo left, its mongod first if it still runs."""
    for folder in (ROOT / "instances").glob("*"):
        MongodProcess(find_mongod(None), folder.absolute()).stop()
    shutil.rmtree(ROOT, ignore_errors=True)
    ROOT.mkdir()


def _tell_how_to_reach(url: str, key: dict[str, str], uri: str) -> None:
    path = f"/api/atlas/v1.0/groups/{key['groupId']}/serverless/demo/backup/restoreJobs"
    print(
        f"""
The server is up at {url}, its MongoDB at
{uri}

export TELAMON_URL={url}
export TELAMON_GROUP_ID={key["groupId"]}
export TELAMON_PUBLIC_KEY={key["publicKey"]}
export TELAMON_PRIVATE_KEY={key["privateKey"]}

curl --user "{key["publicKey"]}:{key["privateKey"]}" --digest \\
  --header 'Content-Type: application/json' --include '{url}{path}?pretty=true'

Ctrl-C stops it."""
    )


def _await_interrupt() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("stopping")


def say(text: str) -> None:
    print(f"\n== {text}", flush=True)


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise SystemExit(f"demo: {otherwise}")


if __name__ == "__main__":
    try:
        _clear()
        main()
    except TelamonError as error:
        raise SystemExit(f"demo: {error.message}") from error
