"""Names of the collections in which a restore prepares a deployment's next content.

They live in the databases that they are for, since only within a database is a rename atomic
(MongoDB manual, renameCollection).
"""

from collections.abc import Iterable

from telamon.errors import RestoreFailed
from telamon.mongo.connect import Client
from telamon.mongo.write import write

SHADOW_PREFIX = "telamon.shadow."
SYSTEM_DATABASES = frozenset({"admin", "config", "local"})
_JOURNAL_SUFFIX = ".job"
_LOADED = {"_id": "loaded"}
# Where the journal of a snapshot without any database is.
_LAST_RESORT_DATABASE = "telamon"
_MAJORITY = {"w": "majority", "j": True, "wtimeout": 60_000}


def shadow_name(job_id: str, number: int) -> str:
    """The shadow of the ``number``-th collection of the job's snapshot."""
    return f"{SHADOW_PREFIX}{job_id}.{number}"


def user_databases(client: Client) -> list[str]:
    """Names of all databases but the server's own, sorted."""
    return sorted(set(client.list_database_names()) - SYSTEM_DATABASES)


def drop_shadows(client: Client, prefix: str = SHADOW_PREFIX) -> None:
    """Drop every collection whose name starts with ``prefix``, journals first.

    Without its journal a job cannot be swapped in, so a half-done drop is never taken for a load.
    """
    found = [
        (database, name)
        for database in user_databases(client)
        for name in client[database].list_collection_names()
        if name.startswith(prefix)
    ]
    for database, name in sorted(found, key=lambda one: not one[1].endswith(_JOURNAL_SUFFIX)):
        client[database].drop_collection(name)


def drop_shadows_of_job(client: Client, job_id: str) -> None:
    """As ``drop_shadows``, for one job."""
    drop_shadows(client, f"{SHADOW_PREFIX}{job_id}.")


class Journal:
    """What the deployment itself remembers of a restore: that its load is complete.

    A collection among the shadows, in the first database of the snapshot. The methods raise
    PyMongo's errors.
    """

    def __init__(self, client: Client, job_id: str, databases: Iterable[str]) -> None:
        self.database = min(databases, default=_LAST_RESORT_DATABASE)
        self._name = f"{SHADOW_PREFIX}{job_id}{_JOURNAL_SUFFIX}"
        self._client = client
        self._commands = client[self.database]
        self._term: object = None

    @property
    def is_loaded(self) -> bool:
        return self._commands[self._name].find_one(_LOADED) is not None

    def begin(self) -> None:
        """Note who is primary, before the first write."""
        self._term = _term(self._client)

    def settle(self) -> None:
        """Return once all writes since ``begin`` are durable on a majority.

        One insert that is so is enough, because commits follow the order of the oplog. Raises
        RestoreFailed if the primary restarted or changed, since it may have lost writes that it had
        acknowledged from its memory.
        """
        self._write({"insert": self._name, "documents": [{}]})
        if _term(self._client) != self._term:
            raise RestoreFailed(
                "The deployment restarted or changed its primary during the restore and may have "
                "lost what was written before; the restore must be run again."
            )

    def mark_loaded(self) -> None:
        """Idempotent and durable."""
        update = {"q": _LOADED, "u": _LOADED, "upsert": True}
        self._write({"update": self._name, "updates": [update]})

    def remove(self) -> None:
        """Forget the job, durably. Does nothing if it is forgotten."""
        if self._name in self._commands.list_collection_names():
            self._write({"drop": self._name})

    def _write(self, command: dict[str, object]) -> None:
        write(self._commands, {**command, "writeConcern": _MAJORITY})


def _term(client: Client) -> object:
    """What stays the same while one primary runs (MongoDB manual, hello)."""
    answer = client.admin.command("hello")
    process = answer.get("topologyVersion", {}).get("processId")
    return process, answer.get("electionId"), answer.get("setVersion")
