"""The mongods of a run: started by Telamon's own code, with a cache that holds the data."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare_socket import BareSocket
from benchmarks.datasets import DATABASE
from telamon.mongo.binary import find_mongod
from telamon.mongo.connect import Client, open_client
from telamon.mongo.managed import Passwords, start_managed, telamon_uri
from telamon.mongo.process import MongodProcess

_PASSWORDS = Passwords(telamon="benchmark", owner="benchmark-owner")
_CACHE = "cache_size=3GB"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A running mongod of the benchmark's own."""

    uri: str
    client: Client

    def checkpoint(self) -> None:
        """Have what was written on the disk, so that nothing is written in the next measurement."""
        self.client.admin.command("fsync", 1)

    def clear(self) -> None:
        """No data, and no work left over from dropping it."""
        self.client.drop_database(DATABASE)
        self.checkpoint()

    def warm_up(self, collection: str) -> None:
        """Read everything once, so that every measurement finds it in the cache."""
        bare = BareSocket(self.uri)
        try:
            bare.drop_all(DATABASE, collection)
        finally:
            bare.close()

    def content_hash(self) -> str:
        """Equal where every document is, whatever their natural order; knows nothing of indexes."""
        return str(self.client[DATABASE].command("dbHash")["md5"])

    def index_names(self, collection: str) -> set[str]:
        return set(self.client[DATABASE][collection].index_information())


@contextmanager
def deployment(root: Path) -> Iterator[Deployment]:
    """A mongod on an empty directory; it is stopped at the end, however that comes."""
    process = MongodProcess(find_mongod(None), root)
    try:
        uri = telamon_uri(start_managed(process, _PASSWORDS, wanted_port=None), _PASSWORDS)
        with open_client(uri) as client:
            # A managed mongod gets little; here the data must fit.
            client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=_CACHE)
            yield Deployment(uri=uri, client=client)
    finally:
        process.stop()
