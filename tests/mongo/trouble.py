"""Deployments to restore between, and ways for a restore to end early."""

import os
import signal
from collections.abc import Callable
from itertools import count as counter
from typing import Any

from pymongo.errors import ConnectionFailure

from telamon.mongo.connect import Client
from telamon.mongo.managed import start_managed
from telamon.mongo.shadow import SHADOW_PREFIX, user_databases
from tests.conftest import PASSWORDS, Mongod
from tests.mongo import zoo


class Crash(BaseException):
    """The end of the process, for a test."""


def fill_source(client: Client) -> None:
    """A little of everything that is restored in its own way."""
    shop = client["shop"]
    shop["orders"].insert_many({"_id": number, "a": number % 2} for number in range(10))
    shop["orders"].create_index("a")
    shop.create_collection("ring", capped=True, size=4096)
    shop["ring"].insert_many({"_id": -number} for number in range(5))
    shop.create_collection("series", timeseries={"timeField": "t"})
    shop["series"].insert_one({"_id": 1, "t": zoo.DAY})
    shop["series"].create_index("x")
    shop.command({"create": "view", "viewOn": "orders", "pipeline": []})
    shop["system.js"].insert_one({"_id": "f", "value": 1})
    client["other"].create_collection("empty")


def fill_target(client: Client) -> None:
    """Something of the same names and of others, in other kinds."""
    shop = client["shop"]
    shop.command({"create": "orders", "viewOn": "elsewhere", "pipeline": []})
    shop["series"].insert_one({"_id": "old"})
    shop.create_collection("view", timeseries={"timeField": "t"})
    shop["view"].insert_one({"_id": 1, "t": zoo.DAY})
    shop["surplus"].insert_one({"_id": "old"})
    shop["system.js"].insert_one({"_id": "old", "value": 1})
    client["surplus"]["c"].insert_one({"_id": "old"})


def shadows(client: Client) -> list[str]:
    return [
        name
        for database in user_databases(client)
        for name in client[database].list_collection_names()
        if name.startswith(SHADOW_PREFIX)
    ]


def crash_at(number: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Wraps functions; the ``number``-th call of any of them is a crash."""
    calls = counter()

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: object) -> Any:
            if next(calls) == number:
                raise Crash
            return function(*arguments)

        return wrapped

    return wrap


def kill(mongod: Mongod) -> None:
    pid = mongod.process.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def start(mongod: Mongod) -> None:
    assert start_managed(mongod.process, PASSWORDS, wanted_port=mongod.port) == mongod.port


def await_answer(client: Client) -> None:
    """Until the client has found out that its old connections are gone."""
    while True:
        try:
            client.admin.command("ping")
        except ConnectionFailure:
            continue
        return
