"""Writers that count, and know of each write when it was: what a restore to a moment is held against."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from pymongo import MongoClient
from pymongo.client_session import ClientSession
from pymongo.errors import OperationFailure
from pymongo.write_concern import WriteConcern

from telamon.model.manifest import ClusterTime
from telamon.mongo.connect import Client
from telamon.mongo.oplog import from_timestamp

BULK = 20
_COLLECTIONS = ("plain", "updated", "paired", "partner", "bulk")
DATABASE = "counters"


@dataclass(slots=True)
class Written:
    """The time of each acknowledged write, by its number."""

    times: dict[int, ClusterTime] = field(default_factory=dict)

    def by(self, until: ClusterTime) -> set[int]:
        return {number for number, time in self.times.items() if time <= until}


class Counters:
    """Inserts, retryable updates, transactions and bulk inserts, each in a thread of its own."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self.written = {name: Written() for name in ("plain", "updated", "paired", "bulk")}
        writers = (self._insert, self._update, self._transact, self._insert_many, self._define)
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in writers]

    def __enter__(self) -> "Counters":
        client: Client
        with MongoClient(self._uri) as client:
            client[DATABASE].command(
                {"insert": "updated", "documents": [{"_id": n, "n": 0} for n in range(5)]}
            )
            for name in _COLLECTIONS:
                if name not in client[DATABASE].list_collection_names():
                    client[DATABASE].create_collection(name)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self._errors

    def wait(self, writes: int) -> None:
        """Until each writer has done so many more."""
        wanted = {name: len(one.times) + writes for name, one in self.written.items()}
        pause = threading.Event()
        while any(len(self.written[name].times) < count for name, count in wanted.items()):
            assert not self._errors
            pause.wait(0.01)

    def _run(self, write: Callable[[Client, ClientSession, int], None]) -> None:
        client: Client
        try:
            with (
                MongoClient(self._uri, retryWrites=True, w="majority") as client,
                client.start_session() as session,
            ):
                number = 0
                while not self._stop.is_set():
                    write(client, session, number)
                    number += 1
        except BaseException as error:  # noqa: BLE001  # for the test's own thread
            self._errors.append(error)

    def _note(self, name: str, session: ClientSession, number: int) -> None:
        assert session.operation_time is not None
        self.written[name].times[number] = from_timestamp(session.operation_time)

    def _insert(self, client: Client, session: ClientSession, number: int) -> None:
        client[DATABASE]["plain"].insert_one({"_id": number}, session=session)
        self._note("plain", session, number)

    def _update(self, client: Client, session: ClientSession, number: int) -> None:
        change = {"$inc": {"n": 1}, "$push": {"log": number}}
        client[DATABASE]["updated"].update_one({"_id": number % 5}, change, session=session)
        self._note("updated", session, number)

    def _transact(self, client: Client, session: ClientSession, number: int) -> None:
        database = client[DATABASE]
        with session.start_transaction(write_concern=WriteConcern("majority")):
            database["paired"].insert_one({"_id": number}, session=session)
            database["partner"].insert_one({"_id": number}, session=session)
        self._note("paired", session, number)

    def _insert_many(self, client: Client, session: ClientSession, number: int) -> None:
        documents = [{"_id": number * BULK + n} for n in range(BULK)]
        client[DATABASE]["bulk"].insert_many(documents, session=session)
        self._note("bulk", session, number)

    def _define(self, client: Client, session: ClientSession, number: int) -> None:
        """Collections come, change and go meanwhile."""
        database = client[f"{DATABASE}_ddl"]
        name = f"c{number % 3}"
        database[name].insert_one({"_id": number}, session=session)
        database[name].create_index("a", name=f"a{number}", session=session)
        database.command({"collMod": name, "validationLevel": "moderate"}, session=session)
        try:
            database[name].rename(f"r{number % 2}", dropTarget=True, session=session)
            database[name].insert_one({"_id": -number}, session=session)
        except OperationFailure:
            database.drop_collection(name, session=session)
        if number % 4 == 3:
            database.drop_collection(f"r{number % 2}", session=session)


def require_bounds(found: Client, counters: Counters, until: ClusterTime) -> None:
    """What was acknowledged as of then or before is there, and nothing from after."""
    database, written = found[DATABASE], counters.written
    numbers = {name: {one["_id"] for one in database[name].find()} for name in _COLLECTIONS}
    assert numbers["plain"] == written["plain"].by(until)
    assert numbers["paired"] == numbers["partner"] == written["paired"].by(until)
    logged = [n for one in database["updated"].find() for n in one.get("log", ())]
    assert sorted(logged) == sorted(written["updated"].by(until))
    assert sum(one["n"] for one in database["updated"].find()) == len(logged)
    whole = written["bulk"].by(until)
    assert {n * BULK + k for n in whole for k in range(BULK)} <= numbers["bulk"]
    assert len(numbers["bulk"]) < (len(whole) + 1) * BULK
    assert numbers["bulk"] == set(range(len(numbers["bulk"])))
