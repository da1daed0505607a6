"""A snapshot restored elsewhere: everything that was there is there again."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from telamon.errors import RestoreFailed
from telamon.mongo.connect import Client, open_client
from tests.conftest import Mongod
from tests.mongo import zoo
from tests.mongo.memory import content, restore_all, take

BACKUP_ROLES = ["backup"]
RESTORE_ROLES = ["restore", "readWriteAnyDatabase", "dbAdminAnyDatabase"]


@contextmanager
def client_with_roles(mongod: Mongod, roles: list[str]) -> Iterator[Client]:
    mongod.client.admin.command("createUser", "limited", pwd="limited", roles=roles)
    try:
        with open_client(f"mongodb://limited:limited@127.0.0.1:{mongod.port}/") as client:
            yield client
    finally:
        mongod.client.admin.command("dropUser", "limited")


def test_the_whole_zoo_comes_back_the_same(source: Mongod, target: Mongod) -> None:
    """Compared by dbHash, options and index definitions, byte for byte."""
    zoo.fill(source.client)

    restore_all(take(source.client), target.client)

    assert content(target.client) == content(source.client)


def test_the_roles_backup_and_restore_with_read_write_and_admin_are_enough(
    source: Mongod, target: Mongod
) -> None:
    zoo.fill_kinds(source.client)
    zoo.fill_timeseries(source.client)

    with (
        client_with_roles(source, BACKUP_ROLES) as reader,
        client_with_roles(target, RESTORE_ROLES) as writer,
    ):
        restore_all(take(reader), writer)

    assert content(target.client) == content(source.client)


def test_an_empty_deployment_empties_the_target(source: Mongod, target: Mongod) -> None:
    target.client["telamon"]["old"].insert_one({})
    target.client["other"]["old"].insert_one({})

    restore_all(take(source.client), target.client)

    assert content(target.client) == {}


def test_every_other_kind_of_thing_under_a_wanted_name_is_replaced(
    source: Mongod, target: Mongod
) -> None:
    make_kinds(source.client, ["collection", "view", "timeseries"] * 3)
    make_kinds(target.client, ["collection"] * 3 + ["view"] * 3 + ["timeseries"] * 3)

    restore_all(take(source.client), target.client)

    assert content(target.client) == content(source.client)


def test_what_the_snapshot_does_not_have_is_removed(source: Mongod, target: Mongod) -> None:
    source.client["shop"]["orders"].insert_one({"_id": 1})
    zoo.fill_kinds(target.client)
    zoo.fill_timeseries(target.client)
    make_kinds(target.client, ["collection", "view", "timeseries"])
    target.client["shop"]["system.js"].insert_one({"_id": "f"})

    restore_all(take(source.client), target.client)

    assert content(target.client) == content(source.client)


def test_a_database_that_differs_in_case_only_is_told_of_and_left_alone(
    source: Mongod, target: Mongod
) -> None:
    """A server cannot hold both, and dropping the old one first would leave nothing to go back to."""
    source.client["shop"]["orders"].insert_one({"_id": 1})
    target.client["Shop"]["orders"].insert_one({"_id": 2})
    before = content(target.client)
    job = take(source.client).restore(target.client)

    with pytest.raises(RestoreFailed, match="db already exists with different case"):
        job.load()

    job.discard()
    assert content(target.client) == before


def make_kinds(client: Client, kinds: list[str]) -> None:
    """Things of the given kinds, named by their position in the list."""
    database = client["shop"]
    for number, kind in enumerate(kinds):
        name = f"thing {number}"
        if kind == "collection":
            database[name].insert_one({"_id": len(kinds)})
        elif kind == "view":
            database.command({"create": name, "viewOn": "thing 0", "pipeline": []})
        else:
            database.create_collection(name, timeseries={"timeField": "t"})
            database[name].insert_one({"_id": number, "t": zoo.DAY})
